package volume

import (
	"fmt"
	"time"

	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/file"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// change is one queued change of names: what it says, and whose it is in the tree.
type change struct {
	changes.Change
	node *Node  // whose change it is; nil if nothing here knows it any more
	dir  *Node  // where a tomb stands
	name string // of the tomb

	stays bool // of a removal or localisation that is done: the store still has something there, which is to be replaced, or to stay
	makes bool // a mkdir that makes the directory, and not one that restates its attributes
	// relocation is how far a rename of an object is.
	relocation remote.Relocation
	pace       *queue.Pace   // how far it is; set when it begins
	stride     *queue.Stride // of the try, with the object of a rename

	// Guarded by Volume.mu.
	job     *queue.Job // nil: more may come before it begins
	aside   *queue.Job // of the conflict name to which it was diverted
	timer   *time.Timer
	carries *remote.Version // ver as it was queued, counted there
	waited  int             // times that it was put off
	reason  string          // of the last failure
	queue.Retry
}

// journalChanges makes changes durable, together with what else belongs to the same step;
// enqueue is to follow.
func (v *Volume) journalChanges(list []*change, also func(tx *spool.Tx) error) error {
	err := v.spool.Journal().Update(func(tx *spool.Tx) error {
		if err := v.putChanges(tx, list); err != nil || also == nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, c := range list {
			delete(v.coming, c)
		}
		return file.FromSpool(fmt.Errorf("journal: %w", err))
	}
	return nil
}

// putChanges puts new changes into a transaction, as they are when it runs. What the versions
// state that they carry on may change from then on, and before they are queued: so
// restateCarriers knows them already.
func (v *Volume) putChanges(tx *spool.Tx, list []*change) error {
	v.mu.Lock()
	defer v.mu.Unlock()
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
			v.coming[c] = struct{}{}
		}
	}
	return nil
}

// journalSoon has the journal know of a packed change, or know it anew, as it is when the
// transaction runs: what it was before could take the place of what another one has put
// since. v.mu is held.
func (v *Volume) journalSoon(c *change) {
	seq := c.Seq
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		v.mu.Lock()
		over, kept := v.changes[seq] != c, c.Record()
		v.mu.Unlock()
		if over {
			return nil // the journal must not bring it back
		}
		return tx.PutChange(kept)
	})
}
