package volume

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/changes"
	dirs "mcfs/volume/listing"
	"mcfs/volume/remote"
)

// movers is how many objects of a directory are renamed at once.
const movers = 16

// moveObjects renames all that the store has below a directory's old name. It
// may be repeated: what has moved is not there any more.
func (v *Volume) moveObjects(ctx context.Context, c *change) error {
	var markers []string
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(movers)
	for page, err := range dirs.Pages(gctx, v.store, c.Path) {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		for _, o := range page.Objects {
			switch {
			case strings.HasSuffix(o.Key, "/"):
				if !v.staysBehind(c, o.Key, false) {
					markers = append(markers, o.Key)
				}
			case isSidecarOf(o.Key, page.Objects):
			default:
				g.Go(func() error { return v.moveObject(gctx, c, o) })
			}
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return v.remote.MoveMarkers(ctx, c.Path, c.To, markers)
}

// isSidecarOf reports whether a key is that of a sidecar whose file is on the same
// page: that one takes it along. One whose file is on another page is looked at by
// itself. What has a sidecar is a file.
func isSidecarOf(key string, page []store.Info) bool {
	base, ok := sidecar.Base(key)
	if !ok {
		return false
	}
	found, own := false, false
	for _, o := range page {
		found = found || o.Key == base
		own = own || o.Key == sidecar.Name(key)
	}
	return found && !own
}

func (v *Volume) moveObject(ctx context.Context, c *change, o store.Info) error {
	l := remote.Listing{Key: o.Key, ETag: o.ETag, Size: o.Size, Modified: o.Modified}
	if side, err := v.store.Head(ctx, sidecar.Name(o.Key)); err == nil {
		l.Sidecar = remote.SidecarOf(side)
	} else if !errors.Is(err, store.ErrNotExist) {
		return err
	}
	if base, ok := sidecar.Base(o.Key); ok && l.Sidecar.ETag == "" {
		if _, err := v.store.Head(ctx, base); err == nil {
			return nil // its file takes it along
		}
	}
	if v.staysBehind(c, o.Key, l.Sidecar.ETag != "") {
		return nil
	}
	stride := c.StrideOf(o.Key)
	stride.Step(1) // who waits in close sees that something moves, though many objects are at their first requests
	ver, err := v.remote.Load(ctx, l)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stride.Step(1)
	if ver.WantsSidecar() && ver.Sidecar().IsNone() {
		v.takeKnownAttr(ver)
	}
	one := &change{Change: changes.Change{Op: changes.Rename, Path: o.Key, To: c.To + strings.TrimPrefix(o.Key, c.Path), Ver: ver, Stride: stride}}
	if ver.Damage != nil {
		return v.remote.MoveDamaged(ctx, one.Path, one.To, stride.Step)
	}
	err = v.renameObject(ctx, one)
	if errors.Is(err, remote.ErrTaken) {
		if err = v.moveToConflictName(one); err == nil {
			err = v.renameObject(ctx, one)
			v.mu.Lock()
			v.queue.FinishLocked(one.AsideLocked())
			v.mu.Unlock()
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		return nil // removed elsewhere meanwhile
	}
	if err != nil {
		return err
	}
	stride.Done()
	v.noteMoved(c, l, one.Ver)
	return nil
}

// takeKnownAttr gives a version the attributes that this machine knows of it, where its
// sidecar was withdrawn by a commit that was to replace it, and has not: the object alone
// does not state them.
func (v *Volume) takeKnownAttr(ver *remote.Version) {
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

// noteMoved tells the tree's node, if it still stands where the move put it,
// where its version is now. One that was renamed since finds it by itself. Listings
// that were begun before say nothing about it any more.
func (v *Volume) noteMoved(c *change, was remote.Listing, made *remote.Version) {
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
