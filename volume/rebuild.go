package volume

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
)

// revive opens a recovered draft's sealed file, which needs the keeper.
func (n *Node) revive(ctx context.Context) error {
	if err := n.lockOpening(ctx); err != nil {
		return err
	}
	defer n.unlockOpening()
	n.lock()
	e := n.stored
	n.unlock()
	if e == nil {
		return nil
	}
	key, err := n.v.keeper.Unwrap(ctx, e.Wrapped, e.KeyID)
	if err != nil {
		return fmt.Errorf("key of the draft of %s: %w", e.Path, errorsIO(err))
	}
	defer clear(key)
	f, err := n.v.spool.Load(e.ID, key)
	n.lock()
	defer n.unlock()
	n.stored = nil
	if err != nil {
		n.step(evCondemn)
		n.failure = errors.Join(ErrIO, err)
		n.turn()
		n.v.log.Error("a draft is corrupt and in quarantine", "path", e.Path, "cause", err)
		return n.failure
	}
	n.adopt(f, e.Wrapped, e.KeyID)
	return nil
}

// straggle is how long the store may still work on parts that nobody waits for.
const straggle = 10 * time.Second

// abortUpload aborts what this or an earlier mount began and lost, however long
// the store is away: the journal has it until that is done. wait is for the
// requests that may still be under way in the store.
func (v *Volume) abortUpload(up store.Upload, wait time.Duration) {
	v.noteUpload(up)
	v.background(func() {
		select {
		case <-time.After(wait):
		case <-v.ctx.Done():
			return
		}
		for tries := 0; ; tries++ {
			gone, err := v.tryAbort(up)
			if gone {
				v.forgetUpload(up)
				return
			}
			if err != nil && tries == 0 {
				v.log.Warn("an unfinished upload is not aborted yet", "path", up.Key, "cause", err)
			}
			select {
			case <-time.After(backoff(tries)):
			case <-v.ctx.Done():
				return
			}
		}
	})
}

// tryAbort aborts and looks, a while later, whether the upload is gone: a part
// that was under way may arrive after the abort, and bring the upload back
// (AWS: AbortMultipartUpload).
func (v *Volume) tryAbort(up store.Upload) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	defer cancel()
	if err := v.store.Abort(ctx, up); err != nil {
		return false, err
	}
	select {
	case <-time.After(straggle):
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	left, err := v.store.Uploads(ctx, up.Key)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(left, func(u store.Upload) bool { return u.ID == up.ID }), nil
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
// journal they are drafts to bring back, else clean caches and what was never promised.
func (v *Volume) sweep(ctx context.Context, known map[spool.ID]bool) error {
	headers, err := v.spool.Headers()
	if err != nil {
		return err
	}
	for _, h := range headers {
		if known[h.ID] {
			continue
		}
		if !v.spool.Rebuilt() {
			if err := v.spool.Remove(h.ID); err != nil {
				v.log.Warn("remove sealed file", "id", h.ID, "cause", err)
			}
			continue
		}
		if err := v.rebuild(ctx, h); err != nil {
			v.log.Error("a sealed file cannot be brought back after the journal was lost", "id", h.ID, "cause", err)
			v.quarantine(h.ID, err.Error())
		}
	}
	return nil
}

// rebuild brings a draft back from its sealed file alone, as interrupted: a
// person decides, since nobody knows any more whether it was finished.
func (v *Volume) rebuild(ctx context.Context, h spool.Header) error {
	key, err := v.keeper.Unwrap(ctx, h.Wrapped, h.KeyID)
	if err != nil {
		return err
	}
	defer clear(key)
	f, err := v.spool.Load(h.ID, key)
	if err != nil {
		return err
	}
	if _, _, absent := f.Absent(0); absent || f.Path() == "" {
		return v.discardFile(f) // a cache, or a draft of which the rest is not here
	}
	v.mu.Lock()
	n := v.newNode(File, nil, "")
	n.attr = sidecar.Attr{Mode: modeFile | 0o644, UID: v.o.UID, GID: v.o.GID, Mtime: time.Now()}
	n.described, n.state, n.gen, n.kept = true, Interrupted, 1, 1
	n.adopt(f, h.Wrapped, h.KeyID)
	name := f.Path()
	dir, base := v.grow(name)
	if dir.dir.children[base] != nil {
		name = join(path.Dir(name), conflictName(base, "recovered", time.Now()))
	}
	v.plant(n, strings.TrimPrefix(name, "./"))
	v.busy[n] = struct{}{}
	v.mu.Unlock()
	v.log.Warn("draft brought back after the journal was lost", "path", name, "bytes", f.Size())
	return errors.Join(v.keepBytes(n, false), v.journalNamed(n)) // recover holds names
}
