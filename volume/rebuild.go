package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/queue"
)

// revive opens a recovered draft's sealed file, which needs the keeper.
func (n *Node) revive(ctx context.Context) error {
	n.lock()
	opened := n.stored == nil
	n.unlock()
	if opened {
		return nil
	}
	if err := n.lockOpening(ctx); err != nil {
		return err
	}
	defer n.unlockOpening()
	n.lock()
	e, loose := n.stored, n.boot != ""
	n.unlock()
	if e == nil {
		return nil
	}
	key, err := n.v.unwrap(ctx, e.Wrapped, e.KeyID)
	if err != nil {
		return fmt.Errorf("key of the draft of %s: %w", e.Path, errorsIO(err))
	}
	defer clear(key)
	f, err := n.load(e, key)
	if f == nil && err == nil {
		n.comeBackEmpty(e)
		return nil
	}
	if err != nil && !errors.Is(err, spool.ErrCorrupt) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("draft of %s: %w", e.Path, errorsIO(err)) // the disk may answer the next time
	}
	if err = n.takeStored(e, f, err); err == nil && f.Size() != e.Size {
		n.lock()
		n.resized = true // the kill came between a sync of the file and of the journal
		if loose && f.Size() < e.Size && n.state == Temporary {
			n.step(evKill) // it is cut short: nobody means it as it is
		}
		n.unlock()
		n.v.rejournal(n)
	}
	return err
}

// load opens the sealed file; nil without an error: no fsync had asked for it, and it is
// not there. Nothing that is about to be committed becomes empty so.
func (n *Node) load(e *spool.Entry, key []byte) (*spool.File, error) {
	n.lock()
	boot, waits := n.boot, n.state.waits()
	n.unlock()
	load := n.v.spool.Load // which keeps what is damaged, as long as the machine has not gone down
	if (record{Boot: boot}).loose(n.v.boot) {
		load = n.v.spool.LoadLoose
	}
	f, err := load(e.ID, key)
	if boot != "" && waits && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, spool.ErrCorrupt)) {
		n.v.log.Warn("a file that was never fsynced is empty: it was not on the disk, or damaged there", "path", e.Path, "cause", err)
		return nil, nil
	}
	return f, err
}

// comeBackEmpty makes the node an empty file: nobody was promised its content.
func (n *Node) comeBackEmpty(e *spool.Entry) {
	n.lock()
	n.stored, n.boot = nil, ""
	n.blank, n.blankID, n.resized = true, e.ID, e.Size != 0
	if n.state == Temporary {
		n.step(evKill) // nobody means it as it is
	}
	n.unlock()
	n.v.rejournal(n)
}

// turnedOut says, once, that the size which stat has told until now was the journal's.
func (n *Node) turnedOut() bool {
	n.lock()
	defer n.unlock()
	resized := n.resized
	n.resized = false
	return resized
}

// takeStored makes the sealed file the draft's, if it could be loaded and has, with the
// base, all its bytes.
func (n *Node) takeStored(e *spool.Entry, f *spool.File, err error) error {
	n.v.mu.Lock()
	settling := n.settling // whether the last mount's upload has become the base
	n.v.mu.Unlock()
	n.lock()
	defer n.unlock()
	n.stored, n.boot = nil, ""
	if err == nil && !settling {
		if err = n.nowhere(f); err != nil {
			err = errors.Join(err, f.Close(), n.v.spool.Quarantine(e.ID, err.Error()))
		}
	}
	if err != nil {
		n.lose(*e, errors.Join(ErrIO, spool.ErrCorrupt, err))
		n.step(evCondemn)
		n.turn()
		n.v.log.Error("a draft is corrupt and in quarantine", "path", e.Path, "cause", err)
		return n.failure
	}
	n.adopt(f, e.Wrapped, e.KeyID)
	if errors.Is(n.failure, errLocked) {
		n.failure = nil
	}
	return nil
}

// nowhere is an error where bytes of a recovered draft's sealed file are neither in it
// nor in the base: an upload had them that has ended with its mount. n is locked.
func (n *Node) nowhere(f *spool.File) error {
	if n.ver != nil {
		f.Landed(uploadID(n.ver.IV))
	}
	if err := f.Whole(); err != nil {
		return err
	}
	if at, length, absent := f.Absent(0); absent && n.ver == nil {
		return fmt.Errorf("bytes %d+%d were sent and dropped from the full spool, and their upload has ended", at, length)
	}
	return nil
}

// lose makes the node, of which there is no content any more, one that is to be
// seen as lost, in this mount and the next ones, until it is removed; n is locked.
func (n *Node) lose(e spool.Entry, cause error) {
	n.stored, n.boot, n.blank = nil, "", false
	n.blankID, n.lostSize, n.failure = e.ID, e.Size, cause
}

// noteUpload has the journal remember an upload, forgetUpload forget it, soon.
func (v *Volume) noteUpload(up store.Upload) {
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.PutUpload(spool.Upload{ID: up.ID, Key: up.Key}) })
}

func (v *Volume) forgetUpload(up store.Upload) {
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteUpload(up.ID) })
}

func (v *Volume) quarantine(id spool.ID, why string) {
	if err := v.spool.Quarantine(id, why); err != nil {
		v.log.Error("quarantine", "id", id, "cause", err)
	}
	v.dropEntry(id)
}

func (v *Volume) removeEntry(id spool.ID) {
	if err := v.spool.Remove(id); err != nil {
		v.log.Warn("remove sealed file", "id", id, "cause", err)
	}
	v.dropEntry(id)
}

// sweep deals with sealed files that the journal does not name: after a lost
// journal, or a lost entry, they are drafts to bring back, else clean caches and
// what was never promised. Those whose key cannot be had now wait for the keeper.
func (v *Volume) sweep(ctx context.Context, known map[spool.ID]mention) error {
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
				v.log.Warn("remove sealed file", "id", h.ID, "cause", err)
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
		v.log.Error("journal", "cause", err)
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
	if later = transient(err) || errors.Is(err, errLocked); later {
		v.noteUnopened(h.ID, err)
		v.tellLocked(h.ID.String(), err)
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
			v.quarantine(h.ID, err.Error())
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
		return nil, v.discardFile(f)
	}
	return f, nil
}

// bringBack shows the file as an interrupted draft: a person decides, since
// nobody knows any more whether it was finished. The caller holds names.
func (v *Volume) bringBack(f *spool.File, h spool.Header) error {
	name := v.nameBack(f.Path(), false)
	n := v.bringBackAs(f, h, name)
	v.log.Warn("draft brought back after the journal was lost", "path", name, "bytes", f.Size())
	return errors.Join(v.keepBytes(n, behind), v.journalNamed(n))
}
