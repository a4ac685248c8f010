package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	dirs "mcfs/volume/listing"
)

// movers is how many objects of a directory are renamed at once.
const movers = 16

// loadMoving describes an object that is on its way between places, given
// oldest first. The new sidecar is put before the old one goes, so that looking
// from the newest place back finds one; a look that meets neither comes again.
func (v *Volume) loadMoving(ctx context.Context, places []string) (*version, error) {
	var bare *version
	for range 4 {
		bare = nil
		for i := len(places) - 1; i >= 0; i-- {
			ver, err := v.load(ctx, listing{key: places[i], side: sideInfo{etag: "?"}})
			if errors.Is(err, store.ErrNotExist) {
				continue
			}
			if err != nil || !ver.sidecar().none() {
				return ver, err
			}
			bare = ver
		}
	}
	if bare == nil {
		return nil, fmt.Errorf("describe %s: %w", places[len(places)-1], store.ErrNotExist)
	}
	return bare, nil
}

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
	return v.moveMarkers(ctx, c, markers)
}

// isSidecarOf says whether a key is that of a sidecar whose file is on the same
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
	l := listing{key: o.Key, etag: o.ETag, size: o.Size, modified: o.Modified}
	if side, err := v.store.Head(ctx, sidecar.Name(o.Key)); err == nil {
		l.side = sideOf(side)
	} else if !errors.Is(err, store.ErrNotExist) {
		return err
	}
	if base, ok := sidecar.Base(o.Key); ok && l.side.etag == "" {
		if _, err := v.store.Head(ctx, base); err == nil {
			return nil // its file takes it along
		}
	}
	if v.staysBehind(c, o.Key, l.side.etag != "") {
		return nil
	}
	stride := c.pace.Stride(o.Key)
	stride.Step(1) // who waits in close sees that something moves, though many objects are at their first requests
	ver, err := v.load(ctx, l)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stride.Step(1)
	if ver.hasSidecar() && ver.sidecar().none() {
		v.recollect(ver)
	}
	one := &change{Change: spool.Change{Op: opRename, Path: o.Key, To: c.To + strings.TrimPrefix(o.Key, c.Path)}, ver: ver, stride: stride}
	if ver.damage != nil {
		return v.moveDamaged(ctx, one, o)
	}
	err = v.renameObject(ctx, one)
	if errors.Is(err, errTaken) {
		if err = v.divert(one); err == nil {
			err = v.renameObject(ctx, one)
			v.mu.Lock()
			v.queue.FinishLocked(one.aside)
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
	v.settleMoved(c, l, one.ver)
	return nil
}

// moveDamaged moves what cannot be read as it is, its sidecar too: nothing is lost.
func (v *Volume) moveDamaged(ctx context.Context, c *change, o store.Info) error {
	for _, key := range []string{o.Key, sidecar.Name(o.Key)} {
		info, err := v.store.Head(ctx, key)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		to := c.To + strings.TrimPrefix(key, c.Path)
		_, err = v.copyJournaled(ctx, store.Copy{
			Source: key, SourceIfMatch: info.ETag, Target: to, Size: info.Size,
			Attributes: store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata},
			Condition:  store.Condition{IfNone: true},
		}, c.stride)
		if errors.Is(err, store.ErrPrecondition) {
			if there, lookErr := v.store.Head(ctx, to); lookErr != nil || there.Size != info.Size || !maps.Equal(there.Metadata, info.Metadata) {
				continue // not by an earlier try: it stays where it is
			}
			err = nil
		}
		if err != nil {
			return fmt.Errorf("copy %s to %s: %w", key, to, err)
		}
		if err := v.deleteIfThere(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// moveMarkers makes the directories' markers under the new name, then removes the old ones, deepest first.
func (v *Volume) moveMarkers(ctx context.Context, c *change, markers []string) error {
	for _, key := range markers {
		info, err := v.store.Head(ctx, key)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		attr := store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata}
		to := c.To + strings.TrimPrefix(key, c.Path)
		v.cache.Forget(to)
		if _, err := v.store.Put(ctx, to, bodyOf(nil), attr, store.Condition{}); err != nil {
			return fmt.Errorf("put %s: %w", to, err)
		}
	}
	for i := len(markers) - 1; i >= 0; i-- {
		if err := v.deleteIfThere(ctx, markers[i]); err != nil {
			return err
		}
	}
	return nil
}

// recollect has a version state what this machine knows of it, where its sidecar was
// withdrawn by a commit that was to replace it, and has not: the object alone does not
// say what its attributes are.
func (v *Volume) recollect(ver *version) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.changes {
		if ver.statesAs(c.ver) || ver.statesAs(c.replaces) {
			return
		}
	}
	for n := range v.busy {
		n.lock()
		base, replaces := n.ver, n.replaces
		n.unlock()
		if ver.statesAs(base) || ver.statesAs(replaces) {
			return
		}
	}
}

// statesAs takes attributes over from another description of the same version, or of
// one that is to replace it and may never arrive, and says whether there were any.
func (x *version) statesAs(other *version) bool {
	for ; other != nil; other = other.instead() {
		if len(other.iv) == 0 || !bytes.Equal(other.iv, x.iv) {
			continue
		}
		other.mu.Lock()
		attr := other.attr
		other.mu.Unlock()
		x.mu.Lock()
		defer x.mu.Unlock()
		x.attr = attr
		return true
	}
	return false
}

// settleMoved tells the tree's node, if it still stands where the move put it,
// where its version is now. One that was renamed since finds it by itself. Listings
// that were begun before say nothing about it any more.
func (v *Volume) settleMoved(c *change, was listing, made *version) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.redirect(was, made)
	n := c.node
	for elem := range strings.SplitSeq(strings.TrimPrefix(was.key, c.Path), "/") {
		if n == nil || n.dir == nil {
			return
		}
		n = n.dir.children[elem]
	}
	if n == nil || n.kind != File && n.kind != Symlink {
		return
	}
	key, etag := made.place()
	side := made.sidecar()
	n.listed = listing{key: key, etag: etag, size: made.cipher, modified: made.modified, side: side}
	n.changed = time.Now()
	n.lock()
	defer n.unlock()
	for _, x := range []*version{n.ver, n.replaces} {
		if x != nil && bytes.Equal(x.iv, made.iv) && x.foreign() == made.foreign() {
			x.moved(key, etag, side)
		}
	}
}

// redirect has the changes that are queued of a version which nothing but a listing
// has named so far, and which has just moved, know the copy; v.mu is held.
func (v *Volume) redirect(was listing, made *version) {
	key, etag := made.place()
	for _, c := range v.changes {
		for _, x := range []*version{c.ver, c.replaces} {
			if x == nil || len(x.iv) > 0 {
				continue
			}
			if at, tag := x.place(); at == was.key && tag == was.etag {
				x.moved(key, etag, made.sidecar())
			}
		}
	}
}
