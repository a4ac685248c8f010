package volume

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/file"
	"mcfs/volume/queue"
)

// noteUpload has the journal remember an upload, forgetUpload forget it, soon.
func (v *Volume) noteUpload(up store.Upload) {
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.PutUpload(spool.Upload{ID: up.ID, Key: up.Key}) })
}

func (v *Volume) forgetUpload(up store.Upload) {
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteUpload(up.ID) })
}

// removeEntry removes a sealed file that nobody was promised, and its journal entry goes, soon:
// what was to be localised for it stays in the store.
func (v *Volume) removeEntry(id spool.ID) {
	if err := v.spool.Remove(id); err != nil {
		v.log.Warn("a sealed file could not be removed", "id", id, "cause", err)
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteEntry(id) })
}

// recoverUnlisted brings back the drafts among sealed files that a damaged journal does not
// name, and removes the other such files. Drafts whose key is not to be had wait for the keeper.
func (v *Volume) recoverUnlisted(ctx context.Context, known map[spool.ID]mention) error {
	lost, others, err := v.spool.Journal().Unreadable()
	if err != nil {
		return err
	}
	all := others || v.spool.Rebuilt()
	headers, err := v.spool.Headers(func(id spool.ID) bool {
		m := known[id]
		return m.there && !m.loose || !m.there && (all || lost[id])
	})
	if err != nil {
		return err
	}
	var waiting []spool.Header
	for _, h := range headers {
		unmade := len(h.Wrapped) == 0 // without a key it never had content
		switch {
		case known[h.ID].there:
		case (!all || unmade) && !lost[h.ID]:
			if err := v.spool.Remove(h.ID); err != nil {
				v.log.Warn("a sealed file could not be removed", "id", h.ID, "cause", err)
			}
		case v.rebuild(ctx, h, noLock{}):
			waiting = append(waiting, h)
		}
	}
	if len(waiting) == 0 {
		return v.spool.Recovered()
	}
	v.log.Error("drafts of which the journal knows nothing wait for their keys", "files", len(waiting))
	v.background(func() { v.rebuildLater(waiting) })
	return nil
}

// rebuildLater is rebuild of what waits for the keeper, until that answers.
func (v *Volume) rebuildLater(waiting []spool.Header) {
	if queue.Sleep(v.ctx, backoff.After(1)) != nil {
		return // the next mount goes on
	}
	done := backoff.Until(v.ctx, func() (bool, time.Duration) {
		waiting = slices.DeleteFunc(waiting, func(h spool.Header) bool { return !v.rebuild(v.ctx, h, &v.names) })
		return len(waiting) == 0, 0
	})
	if !done {
		return
	}
	if err := v.spool.Recovered(); err != nil {
		v.log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "cause", err)
	}
}

// noLock is for recover, which holds names itself.
type noLock struct{}

func (noLock) Lock()   {}
func (noLock) Unlock() {}

// rebuild brings a draft back from its sealed file alone, with names held by the
// lock; later says that its key cannot be had now.
func (v *Volume) rebuild(ctx context.Context, h spool.Header, names sync.Locker) (later bool) {
	f, err := v.unsealLost(ctx, h)
	if later = transient(err) || errors.Is(err, file.ErrLocked); later {
		v.noteUnopened(h.ID, err)
		v.logLocked(h.ID.String(), err)
		return true
	}
	v.noteUnopened(h.ID, nil)
	if err == nil && f != nil {
		names.Lock()
		err = v.bringBack(f, h)
		names.Unlock()
	}
	if err != nil {
		v.log.Error("a sealed file cannot be brought back after the journal was lost", "id", h.ID, "cause", err)
		if !errors.Is(err, spool.ErrCorrupt) { // else it is there already
			v.commits.Quarantine(h.ID, err.Error())
		}
	}
	return false
}

// unsealLost opens the file; nil if it is a cache, or a draft of which the rest is not here.
func (v *Volume) unsealLost(ctx context.Context, h spool.Header) (*spool.File, error) {
	key, err := v.unwrap(ctx, h.Wrapped, h.KeyID)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	f, err := v.spool.Load(h.ID, key)
	if err != nil {
		return nil, err
	}
	if err := f.Whole(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, _, absent := f.Absent(0); absent || f.Path() == "" {
		return nil, v.shared.Discard(f)
	}
	return f, nil
}

// bringBack shows the file as an interrupted draft: a person decides, since
// nobody knows any more whether it was finished. The caller holds names.
func (v *Volume) bringBack(f *spool.File, h spool.Header) error {
	name := v.restoredPath(f.Path(), false)
	n := v.bringBackAs(f, h, name)
	v.log.Warn("draft brought back after the journal was lost", "path", name, "bytes", f.Size())
	return errors.Join(n.content.KeepBytes(file.Behind), v.journalNamed(n))
}
