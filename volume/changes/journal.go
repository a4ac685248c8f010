package changes

import (
	"fmt"

	"mcfs/spool"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// Journal makes changes durable, together with what else belongs to the same step;
// AddLocked is to follow for each.
func (r *Runner) Journal(list []*Change, also func(tx *spool.Tx) error) error {
	err := r.cfg.Journal.Update(func(tx *spool.Tx) error {
		if err := r.add(tx, list); err != nil || also == nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		r.cfg.Mu.Lock()
		defer r.cfg.Mu.Unlock()
		for _, c := range list {
			delete(r.coming, c)
		}
		return file.FromSpool(fmt.Errorf("journal: %w", err))
	}
	return nil
}

// add puts new changes into a transaction, as they are when it runs. What the versions
// state that they carry on may change from then on, and before they are queued: so
// RestateCarriersLocked knows them already.
func (r *Runner) add(tx *spool.Tx, list []*Change) error {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	for _, c := range list {
		if err := c.Pack(); err != nil {
			return err
		}
		seq, err := tx.AddChange(c.Record())
		if err != nil {
			return err
		}
		c.Seq = seq
		if c.Ver != nil {
			r.coming[c] = struct{}{}
		}
	}
	return nil
}

// Save has the journal know a change as it is now; nothing of a part of a larger one.
func (r *Runner) Save(c *Change) error {
	if c.Seq == 0 {
		return nil
	}
	return r.cfg.Journal.Update(func(tx *spool.Tx) error {
		kept, err := r.pack(c)
		if err != nil {
			return err
		}
		return tx.PutChange(kept)
	})
}

// pack is the record of a change as it is now.
func (r *Runner) pack(c *Change) (spool.Change, error) {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	err := c.Pack()
	return c.Record(), err
}

// saveSoonLocked has the journal know a change as it is now, soon.
func (r *Runner) saveSoonLocked(c *Change) error {
	if err := c.Pack(); err != nil {
		return err
	}
	r.putSoon(c)
	return nil
}

// putSoon puts a packed change as it is when the transaction runs: what it was before could
// take the place of what another one has put since. One that has ended, or could not be
// journaled, it does not bring back.
func (r *Runner) putSoon(c *Change) {
	r.cfg.Journal.Later(func(tx *spool.Tx) error {
		r.cfg.Mu.Lock()
		_, coming := r.coming[c]
		there, kept := coming || r.queued[c.Seq] == c, c.Record()
		r.cfg.Mu.Unlock()
		if !there {
			return nil
		}
		return tx.PutChange(kept)
	})
}

// deleteSoon has the journal forget what it has under a number.
func (r *Runner) deleteSoon(seq uint64) {
	r.cfg.Journal.Later(func(tx *spool.Tx) error { return tx.DeleteChange(seq) })
}

// Flush makes durable what was journaled to be written a little later.
func (r *Runner) Flush() error {
	if err := r.cfg.Journal.Flush(); err != nil {
		return file.FromSpool(fmt.Errorf("journal: %w", err))
	}
	return nil
}

// RestateCarriersLocked has the journal know with the changes that are to carry x on what
// x states by now: the next mount would show what it stated when they were queued.
func (r *Runner) RestateCarriersLocked(x *remote.Version) {
	for c := range r.coming {
		if c.Ver == x {
			r.restateLocked(c)
		}
	}
	for _, c := range r.carriers[x] {
		if c.job.BegunLocked() || c.Ver != x {
			continue // one that has begun looks at the store when it is taken up again
		}
		r.restateLocked(c)
	}
}

// restateLocked is saveSoonLocked for whom no error can help.
func (r *Runner) restateLocked(c *Change) {
	if err := r.saveSoonLocked(c); err != nil {
		r.cfg.Log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "what", c.Op, "path", c.Path, "cause", err)
	}
}

// EndEntry has the journal forget a file that was removed, or whose content is elsewhere by
// now, and note that with what is still to be localised for it: a missing entry alone says
// nothing, and may mean that the store has the only copy.
func (r *Runner) EndEntry(tx *spool.Tx, id spool.ID) error {
	list, err := r.setUnwanted(id)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := tx.PutChange(c); err != nil {
			return err
		}
	}
	return tx.DeleteEntry(id)
}

// setUnwanted notes of each localisation queued for an entry that it is unwanted, and
// returns them for the journal.
func (r *Runner) setUnwanted(id spool.ID) (list []spool.Change, err error) {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	for _, c := range r.localising[id] {
		c.Unwanted = true
		if err := c.Pack(); err != nil {
			return nil, err
		}
		list = append(list, c.Record())
	}
	return list, nil
}

// KeepEntry takes EndEntry back, whose transaction has failed. Another one may have told the
// journal since what that had noted.
func (r *Runner) KeepEntry(id spool.ID) error {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	for _, c := range r.localising[id] {
		c.Unwanted = false
		if err := r.saveSoonLocked(c); err != nil {
			return err
		}
	}
	return nil
}

// IsUnwanted reports whether nobody needs the bytes of a localisation any more.
func (r *Runner) IsUnwanted(c *Change) bool {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	return c.Unwanted
}
