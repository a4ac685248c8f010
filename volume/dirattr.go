package volume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/acl"
	"mcfs/volume/changes"
	"mcfs/volume/file"
	dirs "mcfs/volume/listing"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// describeDir reads a directory's attributes from its marker, once, and again
// after a listing has shown another marker. A directory without one, or whose
// marker cannot be read now, shows what was known before; if nothing was, it is waited for
// longer, and shown as shut. What a wait in vain has shown holds for all of them for a while.
func (n *Node) describeDir(ctx context.Context) error {
	v := n.v
	if v.dirKnown(n) {
		return nil
	}
	if err := n.content.LockOpening(ctx); err != nil {
		return err
	}
	defer n.content.UnlockOpening()
	if v.dirKnown(n) {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, v.markerWait(n))
	defer cancel()
	err := n.loadMarker(bounded)
	if err != nil {
		if ctx.Err() == nil {
			v.patience.NoteFailure(err)
		}
		v.mu.Lock()
		n.dir.RetryAt(time.Now().Add(v.o.Fresh))
		v.mu.Unlock()
	}
	return err
}

// markerWait is how long to wait for the description of a directory.
func (v *Volume) markerWait(n *Node) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.dir.IsKnown() || v.patience.IsAway() {
		return waitKnown
	}
	return waitUnknown
}

// dirKnown reports whether a directory can be described without the store, or that it
// failed to answer just now.
func (v *Volume) dirKnown(n *Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return n.dir.CanShow()
}

// loadMarker finds the marker by a listing, which costs no more than a look at
// it and tells whether what is remembered still holds.
func (n *Node) loadMarker(ctx context.Context) error {
	v := n.v
	begun := time.Now()
	v.mu.Lock()
	key := v.path(n) + "/"
	moving := !v.moves.AtRest(key)
	m, listed := n.dir.Listed(), n.dir.IsFresh(v.o.Fresh)
	v.mu.Unlock()
	if moving {
		return n.readMarker(ctx)
	}
	if !listed {
		var err error
		if m, err = v.remote.ListMarker(ctx, key); err != nil {
			return err
		}
	}
	if m == (remote.Marker{}) {
		n.takeMarker(m, sidecar.Attr{}, begun)
		return nil
	}
	attr, sure, ok := v.remote.RecallMarker(key, m)
	if !ok {
		return n.readMarker(ctx)
	}
	if n.takeMarker(m, attr, begun) && !sure {
		v.rechecks.After(n, remote.RecheckLate)
	}
	return nil
}

// readMarker reads the marker itself, and remembers what it says.
func (n *Node) readMarker(ctx context.Context) error {
	v, begun := n.v, time.Now()
	var places []string
	var info store.Info
	for range maxLooks {
		v.mu.Lock()
		places = v.moves.Sources(v.path(n) + "/")
		v.mu.Unlock()
		var err error
		if info, err = v.remote.FindMarker(ctx, places); err != nil {
			return err
		}
		if v.comesFrom(n, places) { // else another directory's marker may have been met
			break
		}
	}
	attr, err := sidecar.ParseAttr(info.Metadata)
	if err != nil {
		v.log.Error("a directory's marker cannot be read", "path", places[len(places)-1], "cause", err)
	}
	if !n.takeMarker(remote.MarkerOf(info), attr, begun) || info.ETag == "" || len(places) > 1 {
		return nil
	}
	if !v.remote.RememberMarker(places[0], remote.MarkerOf(info), info.Answered, attr) {
		v.rechecks.After(n, remote.RecheckSoon)
	}
	return nil
}

// takeMarker shows what the marker states, unless this machine has changed it
// since somebody began to look.
func (n *Node) takeMarker(m remote.Marker, attr sidecar.Attr, begun time.Time) (taken bool) {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	if n.dir.IsDescribed() && (n.localLocked() || !n.changed.Before(begun)) {
		return false // else nothing that is known here could be lost: it has been moved, perhaps
	}
	n.dir.Take(m, attr, time.Now())
	return true
}

// describeToChange is describeDir before a change that states all the attributes
// anew. What is shown while the marker cannot be read must not take the place of
// what it says: it is asked for until it answers, for ten seconds, but where it was
// read before.
func (n *Node) describeToChange(ctx context.Context) error {
	v := n.v
	ctx, cancel := context.WithTimeout(ctx, waitUnknown)
	defer cancel()
	for {
		err := n.describeDir(ctx)
		v.mu.Lock()
		known := n.dir.IsKnown()
		n.dir.RetryAt(time.Time{})
		v.mu.Unlock()
		if known {
			return nil
		}
		if err != nil && !transient(err) {
			return file.AsIO(err)
		}
		if queue.Sleep(ctx, askAgain) != nil {
			return fmt.Errorf("describe %s: %w: %w", n.Path(), ErrIO, store.ErrUnavailable)
		}
	}
}

// askAgain is how long one waits who cannot do without an answer.
const askAgain = 200 * time.Millisecond

// setDirAttr changes a directory's attributes; its marker is put again, soon.
func (n *Node) setDirAttr(ctx context.Context, s SetAttr) (Attr, error) {
	if s.Size != nil {
		return Attr{}, ErrIsDir
	}
	switch {
	case s.Touch:
		n.v.mu.Lock()
		n.dir.SetCtime(time.Now())
		n.v.mu.Unlock()
	case s.Mode != nil, s.UID != nil, s.GID != nil, s.Mtime != nil:
		err := n.changeDir(ctx, func(a *sidecar.Attr) error {
			s.apply(a)
			return nil
		})
		if err != nil {
			return Attr{}, err
		}
	}
	if s.Atime != nil {
		n.v.mu.Lock()
		n.dir.SetAtime(*s.Atime, time.Now())
		n.v.mu.Unlock()
	}
	return n.dirAttr(ctx), nil
}

// changeDir changes what a directory's marker states, and has it put.
func (n *Node) changeDir(ctx context.Context, change func(*sidecar.Attr) error) error {
	if err := n.describeToChange(ctx); err != nil {
		return err
	}
	v := n.v
	v.mu.Lock()
	next := n.dir.Attr()
	next.Xattr = maps.Clone(next.Xattr)
	if err := change(&next); err != nil {
		v.mu.Unlock()
		return err
	}
	if err := errors.Join(next.FitsAlone(), acl.Inheritable(next)); err != nil {
		v.mu.Unlock()
		return errors.Join(ErrFull, err)
	}
	n.dir.Change(next, time.Now())
	v.mu.Unlock()
	return v.queueMarker(n)
}

// queueMarker has a directory's marker put with what it is to state, soon.
func (v *Volume) queueMarker(n *Node) error {
	v.mu.Lock()
	if n.gone || n.parent == nil { // the root has no marker: what is set lasts as long as the mount
		v.mu.Unlock()
		return nil
	}
	if n.local {
		defer v.mu.Unlock()
		return v.journalLocal(n)
	}
	if c := n.rewrite; c != nil {
		defer v.mu.Unlock()
		return v.changes.RestateLocked(&c.Change, n.dir.Attr())
	}
	err := v.waitForMore(&change{Change: changes.Change{Op: changes.Mkdir, Path: v.path(n) + "/", Attr: n.dir.Attr()}, node: n})
	v.mu.Unlock()
	if err != nil {
		return err
	}
	return v.changes.Flush()
}

// keepDir puts a marker for a directory that has lost its last entry to this
// machine and that only its entries kept in existence: on a disk it would stay.
func (v *Volume) keepDir(d *Node) {
	v.mu.Lock()
	implicit := d.dir.IsListed() && !d.dir.HasMarker() && len(d.queued) == 0
	vanishes := implicit && d.parent != nil && !d.gone && d.dir.Len() == 0
	v.mu.Unlock()
	if !vanishes {
		return
	}
	if err := v.queueMarker(d); err != nil {
		v.log.Error("an emptied directory may disappear", "path", d.Path(), "cause", err)
	}
}

// putMarker puts the object that keeps an empty directory, and any directory's attributes.
func (v *Volume) putMarker(ctx context.Context, c *change) error {
	attr := c.Attr
	if n := c.node; n != nil {
		v.mu.Lock()
		n.noMore(c)
		gone := n.gone
		attr = n.dir.Attr()
		v.mu.Unlock()
		if gone {
			return nil
		}
	}
	m, err := v.remote.PutMarker(ctx, c.Path, attr)
	if err != nil || c.node == nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c.node.dir.NotePut(m, attr.Mtime)
	v.rechecks.After(c.node, remote.RecheckSoon)
	return nil
}

// noteMarker notes a listing's word of the directory's own marker; v.mu is held.
func (v *Volume) noteMarker(d *Node, names dirs.Names) {
	own := names.Marker()
	if d.parent == nil || d.localLocked() {
		return
	}
	shown := remote.Marker{}
	if own != nil {
		shown = remote.MarkerOf(*own)
	}
	d.dir.NoteListed(shown)
}
