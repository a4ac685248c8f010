package volume

import (
	"context"
	"errors"
	"strings"
	"time"

	"mcfs/volume/carry"
	"mcfs/volume/changes"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// moveObjects renames all that the store has below a directory's old name.
func (v *Volume) moveObjects(ctx context.Context, c *change) error {
	m := carry.Move{From: c.Path, To: c.To, Store: v.store, Remote: v.remote, Host: work{v, c}, Stride: c.StrideOf, Log: v.log}
	return m.Objects(ctx)
}

// Rename implements carry.Host.
func (w work) Rename(ctx context.Context, from, to string, ver *remote.Version, s *queue.Stride) (*remote.Version, error) {
	v := w.v
	one := &change{Change: changes.Change{Op: changes.Rename, Path: from, To: to, Ver: ver, Stride: s}}
	err := v.renameObject(ctx, one)
	if errors.Is(err, remote.ErrTaken) {
		if err = v.moveToConflictName(one); err == nil {
			err = v.renameObject(ctx, one)
			v.mu.Lock()
			v.queue.FinishLocked(one.AsideLocked())
			v.mu.Unlock()
		}
	}
	return one.Ver, err
}

// TakeKnownAttr implements carry.Host.
func (w work) TakeKnownAttr(ver *remote.Version) {
	v := w.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changes.LendAttrLocked(ver) {
		return
	}
	for n := range v.busy {
		n.content.Lock()
		base, replaces := n.content.Base, n.content.Replaces
		n.content.Unlock()
		if ver.TakeAttr(base) || ver.TakeAttr(replaces) {
			return
		}
	}
}

// Moved implements carry.Host: it tells the tree's node, if that still stands where the move
// put it, where its version is now. One that was renamed since finds it by itself. Listings
// that were begun before say nothing about it any more.
func (w work) Moved(was remote.Listing, made *remote.Version) {
	v, c := w.v, w.c
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changes.RedirectLocked(was, made)
	n := c.node
	for elem := range strings.SplitSeq(strings.TrimPrefix(was.Key, c.Path), "/") {
		if n == nil || n.dir == nil {
			return
		}
		n = n.dir.Get(elem)
	}
	if n == nil || n.kind != File && n.kind != Symlink {
		return
	}
	key, etag := made.Place()
	side := made.Sidecar()
	n.listed = remote.Listing{Key: key, ETag: etag, Size: made.Cipher, Modified: made.State().Modified, Sidecar: side}
	n.changed = time.Now()
	n.content.Lock()
	defer n.content.Unlock()
	for _, x := range []*remote.Version{n.content.Base, n.content.Replaces} {
		if x != nil && x.IsSame(made) {
			x.Moved(key, etag, side)
		}
	}
}
