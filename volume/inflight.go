package volume

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"mcfs/store"
	"mcfs/volume/arrival"
	"mcfs/volume/changes"
	"mcfs/volume/entry"
	"mcfs/volume/event"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// recoverInFlight finds out which objects of commits in flight have arrived since the
// last mount ended. Until then each counts as arrived for changes of its name; v.mu is held.
func (v *Volume) recoverInFlight(drafts []*recoveredDraft) {
	for _, k := range drafts {
		if k.making == nil {
			continue
		}
		if !v.isLocalised(k.node, k.Record, k.making) {
			k.node.content.Replaces = k.making
		}
		k.node.commit.RecoverLocked()
		if !k.Promised || k.Older { // else the spool has what Making has, or what is newer
			k.node.inFlight = make(chan struct{})
		}
		v.background(func() { v.recoverCommit(k) })
	}
}

// recoverCommit asks the store whether the object of a commit in flight has arrived. If so
// its sidecar is published; if not the draft starts over.
func (v *Volume) recoverCommit(k *recoveredDraft) {
	n, sent := k.node, v.inFlight(k)
	ours, ok := sent.Resolve(v.ctx)
	if !ok || n.content.LockOpening(v.ctx) != nil {
		return
	}
	defer n.content.UnlockOpening() // nobody opens its sealed file in the middle
	v.names.RLock()                 // nor renames it
	defer v.names.RUnlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	defer v.signal()
	v.queue.FinishLocked(k.job)
	n.commit.RecoveredLocked()
	v.writes.Note(sent.At, k.making) // which may arrive still
	if n.inFlight != nil {
		close(n.inFlight)
		n.inFlight = nil
	}
	n.content.Lock()
	drawn := v.isLocalised(n, k.Record, k.making)
	follows := !n.gone && (drawn || n.content.Replaces == k.making) // else it has left it behind, under another name, since
	if !ours && n.content.Replaces == k.making {
		n.content.Replaces = k.making.Fallback()
	}
	written, alone := n.content.Gen > 1 || n.content.State == Lost, n.content.Replaces == nil
	n.content.Unlock()
	switch {
	case ours && follows && (k.Newer || written || drawn):
		v.resumeNewer(n, k.Record, k.making)
	case ours && follows:
		v.takeArrived(k)
	case !ours && !n.gone && !written && k.Partial && !k.Promised && alone:
		n.content.Lock()
		n.content.LoseLocked(k.Entry, entry.ErrPartial)
		n.commit.LoseLocked(file.AsIO(entry.ErrPartial))
		n.content.Unlock()
		v.background(func() { n.commit.QuarantineLost(k.ID, true, k.Path, entry.ErrPartial) })
	case !ours && !n.gone && v.path(n) == k.Path && !written && !k.Promised:
		v.restoreReplaced(n)
		v.background(func() { v.removeUnpromised(k) })
		v.background(func() { v.takeLateArrival(sent) })
	default:
		n.content.Lock()
		if s, ok := entry.StateOf(v.classByPath(n.kind, v.path(n))); ok && n.content.State == Queued && drawn {
			n.content.ComeBackAsLocked(s, n.content.Asked) // else a directory of that name has brought it here, and it goes on
			n.content.BeginGraceLocked()
		}
		if n.content.State == Queued && n.content.Flaws != nil {
			back := Interrupted
			if n.content.Writers > 0 {
				back = Writing
			}
			n.content.ComeBackAsLocked(back, 0)
		}
		n.content.Unlock()
		n.commit.ResumeLocked()
	}
}

// isLocalised reports whether a rename has taken the draft away from the name at which making
// may stand: that is queued, or done, and the version is gone; v.mu is held.
func (v *Volume) isLocalised(n *Node, r entry.Record, making *remote.Version) bool {
	return r.Loose || v.localises(n, making)
}

// inFlight is the commit as package arrival asks for it.
func (v *Volume) inFlight(k *recoveredDraft) *arrival.Commit {
	places := func() []string {
		list, _ := k.node.places(k.making)
		return list
	}
	return &arrival.Commit{
		Client: v.remote, Making: k.making, Path: k.Path, At: k.At, Places: places, Promised: k.Promised, Updated: k.Updated,
		Backoff: backoff, Log: v.log,
	}
}

// takeLateArrival waits for an object that was given up, and takes it in if it comes after all.
func (v *Volume) takeLateArrival(c *arrival.Commit) {
	if !c.AwaitLate(v.ctx) {
		return
	}
	v.log.Warn("an upload of the last mount has arrived late; the file has that content now", "path", c.At)
	v.o.Observer.Observe(event.Committed(c.At, c.Making))
	v.expireName(c.At)
}

// expireName has the next look-up of a name ask the store.
func (v *Volume) expireName(p string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	dir, name := path.Split(p)
	if d := v.nodeAt(dir); d != nil && d.dir != nil {
		d.dir.Expire(name)
	}
}

// takeArrived makes the object that has arrived the file's version; v.mu is held.
func (v *Volume) takeArrived(k *recoveredDraft) {
	n := k.node
	n.content.Lock()
	defer n.content.Unlock()
	cached := n.content.TakeArrivedLocked(k.making, k.Making.Attr)
	if remote.Differ(n.content.Attr, k.making.Attr()) {
		if err := v.restate(n, n.content.Base, n.content.Attr); err != nil { // before its entry goes
			v.log.Error("attributes of a file are not on their way to the store", "path", k.Path, "cause", err)
		}
	}
	delete(v.busy, n)
	n.changed = time.Now() // a listing that was begun before may lack its sidecar
	v.log.Info("an upload that had arrived before the last mount ended is finished", "path", k.Path)
	v.o.Observer.Observe(event.Committed(k.Path, k.making))
	if cached {
		v.finishEntry(k.ID)
		return
	}
	v.background(func() {
		if err := v.spool.Remove(k.ID); err != nil {
			v.log.Warn("a sealed file could not be removed", "id", k.ID, "cause", err)
		}
		v.finishEntry(k.ID)
	})
}

// resumeNewer goes on with a draft whose object has arrived, and of which
// something newer was promised since; v.mu is held.
func (v *Volume) resumeNewer(n *Node, r entry.Record, ver *remote.Version) {
	drawn := v.isLocalised(n, r, ver)
	n.content.Lock()
	n.content.ArriveLocked(ver, !drawn)
	if !r.Newer {
		n.content.Committed = 1 // only what was written since this mount began is newer
	}
	if drawn { // it has nothing but the spool from now on, which promises it anew
		n.content.Gen = n.localisedGen()
		n.content.Kept = n.content.Gen
		if n.content.State == Queued {
			n.content.Asked = n.content.Gen
		}
	}
	s, hidden := entry.StateOf(v.classByPath(n.kind, v.path(n)))
	switch {
	case drawn && hidden:
		n.content.ComeBackAsLocked(s, 0)
		n.content.BeginGraceLocked()
	case n.content.Gen > 1 && n.content.Asked <= 1 && n.content.State == Queued && !r.Asked && !drawn:
		n.content.ComeBackAsLocked(Writing, 0)
	case n.content.Gen == 1 && !r.Asked && !drawn:
		n.content.ComeBackAsLocked(Interrupted, 0)
	}
	due := n.content.State == Queued
	n.content.Unlock()
	if due {
		n.commit.StartLocked()
	}
}

// restoreReplaced drops a draft that was not promised and has not arrived: its name leads
// to the version that it was to replace, with the attributes still queued for it. v.mu is held.
func (v *Volume) restoreReplaced(n *Node) {
	d, p := n.parent, v.path(n)
	v.unlink(d, n)
	n.stale = true
	delete(v.busy, n)
	n.content.Lock()
	replaced := n.content.Replaces
	n.content.Unlock()
	if replaced == nil {
		return
	}
	old := v.newNode(File, nil, "")
	old.content.SetBaseLocked(replaced)
	for c := range v.changes.QueuedLocked() {
		if n := treeOf(c).node; c.Op == changes.Attr && c.Ver == replaced && n != nil && n.gone {
			old = n
			old.gone = false
		}
	}
	v.putNode(old, p)
}

// awaitInFlight waits, for waitUnknown at most, until it is known whether the last mount's
// commit in flight has arrived. Before that the file's content is not known.
func (n *Node) awaitInFlight(ctx context.Context) error {
	n.v.mu.Lock()
	unclear := n.inFlight
	n.v.mu.Unlock()
	if unclear == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, waitUnknown)
	defer cancel()
	select {
	case <-unclear:
	case <-n.v.ctx.Done():
		return ErrShutdown
	case <-ctx.Done():
		return fmt.Errorf("the store does not say whether the last commit of %s has arrived: %w", n.Path(), file.AsIO(store.ErrUnavailable))
	}
	if n.Replaced() {
		return fmt.Errorf("its last commit has not arrived: %w", ErrStale) // the kernel looks the name up again
	}
	return nil
}

// awaitInFlightBelow is awaitInFlight for all files below a directory.
func (v *Volume) awaitInFlightBelow(ctx context.Context, d *Node) error {
	var list []*Node
	v.mu.Lock()
	v.walk(d, func(n *Node) {
		if n.inFlight != nil {
			list = append(list, n)
		}
	})
	v.mu.Unlock()
	for _, n := range list {
		if err := n.awaitInFlight(ctx); err != nil && !errors.Is(err, ErrStale) {
			return err
		}
	}
	return nil
}
