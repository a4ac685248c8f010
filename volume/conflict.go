package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// putBack restores the sidecar of a version that was not replaced after all.
func (v *Volume) putBack(a *attempt) {
	if !a.withdrew {
		return
	}
	a.withdrew = false
	v.restoreSidecar(a.replaces, a.path)
}

// restoreSidecar puts the sidecar of ver again, if its object stands there without one.
func (v *Volume) restoreSidecar(ver *remote.Version, key string) {
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	defer cancel()
	if err := v.remote.RestoreSidecar(ctx, ver, key); err != nil {
		v.log.Error("sidecar not put back", "path", key, "cause", err)
	}
}

// resolveConflict decides what follows when the store refused a commit because
// something else stands under the name than this machine knew.
func (v *Volume) resolveConflict(n *Node, a *attempt, cause error) {
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	defer cancel()
	info, err := v.store.Head(ctx, a.path)
	switch vanished := errors.Is(err, store.ErrNotExist); {
	case err != nil && !vanished:
		v.retryLater(n, a, errors.Join(cause, err))
	case !vanished && a.replaces != nil && a.replaces.Is(info):
		// The version that this machine knows, under another ETag: no conflict.
		a.replaces.Moved(a.path, info.ETag, a.replaces.Sidecar())
		v.retryLater(n, a, cause)
	case !vanished && (a.stepBack(info) || v.replaceWritten(a, info)):
		v.retryLater(n, a, cause)
	case n.content.IsComplete(a.replaces):
		v.conflict(n, a)
	case !a.up.Load().Parts():
		v.loseDraft(n, a, fmt.Errorf("commit %s: bytes of the version that it replaces are needed and gone: %w", a.path, ErrStale))
	case vanished:
		// The parts that left hold the only copy of some bytes: nothing stands in their way.
		a.replaces, a.withdrew = nil, false
		v.retryLater(n, a, cause)
	default:
		v.moveTheirsAside(ctx, n, a, info, cause)
	}
}

// replaceWritten has the attempt replace an object that turned out to be this machine's own.
func (v *Volume) replaceWritten(a *attempt, info store.Info) bool {
	x := v.writes.Written(a.path, info)
	if x == nil {
		v.writes.Forget(a.path)
		return false
	}
	x.Moved(a.path, info.ETag, x.Sidecar())
	a.replaces, a.withdrew = x, false
	return true
}

// stepBack has the attempt replace what an earlier commit was to replace that has
// never arrived, if that is what stands in the store.
func (a *attempt) stepBack(info store.Info) bool {
	over := a.replaces.FallbackThatIs(info)
	if over == nil {
		return false
	}
	over.Moved(a.path, info.ETag, over.Sidecar())
	a.replaces = over
	return true
}

// conflict handles that another machine saved the name meanwhile. Ours survives
// beside it, under a name that says so, and is committed there.
func (v *Volume) conflict(n *Node, a *attempt) {
	v.names.Lock()
	defer v.names.Unlock()
	v.mu.Lock()
	name := path.Base(v.conflictPath(v.path(n)))
	v.log.Error("another machine saved the file meanwhile; ours is kept beside it", "path", a.path, "kept as", name)
	v.endAttempt(n, a)
	if !n.gone && n.parent != nil && n.parent.dir.children[name] == nil {
		was := v.path(n)
		v.applyConflictName(n, name)
		v.noteConflict(was, v.path(n), n)
	}
	n.content.Lock()
	gen := n.content.Gen
	n.content.Replaces = nil
	if n.content.State == Uploading || n.content.State == Publishing {
		n.content.StepLocked(file.EvFail)
	}
	n.content.Unlock()
	v.mu.Unlock()
	if err := errors.Join(n.content.KeepBytes(file.Behind), v.journalNamed(n)); err != nil {
		v.log.Error("a conflicting draft is not safe in the spool", "path", a.path, "cause", err)
	}
	n.content.Lock()
	n.content.Displaced = max(n.content.Displaced, gen)
	n.content.WakeLocked() // who waits in close is told that it is kept, and so it is
	n.content.Unlock()
	v.ask(n, itself)
}

// applyConflictName gives a node its other name in the tree; v.mu is held.
func (v *Volume) applyConflictName(n *Node, name string) {
	d, old, now := n.parent, n.name, time.Now()
	if d.dir.children[old] == n {
		delete(d.dir.children, old)
	}
	d.dir.expire(old)
	n.name, n.changed = name, now
	d.dir.children[name] = n
	n.misled = now.Add(believed)
}

// moveTheirsAside is the other way round, where blocks of ours were dropped from a full
// spool once they had been sent, so that they exist as parts of an upload to
// this name alone: the other machine's version takes the conflict name.
func (v *Volume) moveTheirsAside(ctx context.Context, n *Node, a *attempt, info store.Info, cause error) {
	theirs, err := v.remote.Load(ctx, remote.Listing{
		Key: a.path, ETag: info.ETag, Size: info.Size, Modified: info.Modified, SidecarUnknown: true,
	})
	if err == nil && theirs.Damage != nil {
		err = theirs.Damage
	}
	if err != nil {
		v.retryLater(n, a, errors.Join(cause, err))
		return
	}
	to := v.conflictPath(a.path)
	r := &remote.Relocation{From: a.path, To: to, Version: theirs}
	if err := v.remote.CopyAside(ctx, r); err != nil {
		v.retryLater(n, a, errors.Join(cause, err))
		return
	}
	v.log.Error("another machine saved the file meanwhile; parts of ours are in the store alone, so the other's is kept beside it",
		"path", a.path, "kept as", to)
	a.replaces, a.withdrew = r.Source(), false
	v.mu.Lock()
	if d := n.parent; d != nil {
		d.dir.expire(n.name)
	}
	v.noteConflict(a.path, to, nil)
	v.mu.Unlock()
	v.retryLater(n, a, cause)
}

// moveToConflictName sends what was to go to a name that another machine has saved
// meanwhile to the conflict name beside it.
func (v *Volume) moveToConflictName(c *change) error {
	v.names.Lock()
	defer v.names.Unlock()
	taken := c.target()
	to := v.conflictPath(*taken)
	v.log.Error("another machine saved the name meanwhile; ours is kept beside it", "path", *taken, "kept as", to)
	v.mu.Lock()
	if n := c.node; n != nil && !n.gone && n.parent != nil && v.path(n) == *taken {
		v.applyConflictName(n, path.Base(to))
	}
	v.noteConflict(*taken, to, c.node)
	*taken, c.replaces = to, nil
	c.aside = v.queue.AddLocked(nil, to)
	err, kept := c.pack(), c.Change
	v.mu.Unlock()
	if c.Seq == 0 {
		return nil // part of a larger one
	}
	if err != nil {
		return fmt.Errorf("journal %s %s: %w", c.Op, c.Path, err)
	}
	return v.spool.Journal().Update(func(tx *spool.Tx) error { return tx.PutChange(kept) })
}

// target is the name that a change makes.
func (c *change) target() *string {
	if c.To != "" {
		return &c.To
	}
	return &c.Path
}

// toConflictName makes a draft of a file whose name another machine has taken since it
// was opened: nothing that is written to it may be lost, nor go over what is
// there now. It appears under the conflict name, and the next close tells. v.mu is held.
func (v *Volume) toConflictName(n *Node) {
	d := n.parent
	for d.gone && d.parent != nil {
		d = d.parent
	}
	name := path.Base(v.conflictPath(join(v.path(d), n.name)))
	v.log.Error("another machine saved the file since it was opened here; what is written is kept beside it",
		"path", v.path(n), "kept as", join(v.path(d), name))
	v.noteConflict(v.path(n), join(v.path(d), name), n)
	n.stale, n.gone, n.parent, n.name = false, false, d, name
	d.dir.children[name] = n
	n.content.Lock()
	n.content.Divided, n.content.Replaces = true, nil
	n.content.Unlock()
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return naming.Host(host)
}

// conflictPath is where the version is kept that has to give way at p.
func (v *Volume) conflictPath(p string) string { return v.besidePath(p, hostname()) }
