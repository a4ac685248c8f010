package volume

import (
	"context"
	"errors"
	"fmt"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/queue"
)

// errUnknownChange: another release of mcfs has journaled it.
var errUnknownChange = errors.New("change is not known")

func (v *Volume) carryOut(ctx context.Context, c *change) error {
	if err := v.awaitArrival(ctx, c); err != nil {
		return err
	}
	switch c.Op {
	case opRemove:
		v.cache.Delete(c.Path)
		return v.removeObject(ctx, c)
	case opRename:
		v.cache.Delete(c.Path)
		err := v.renameObject(ctx, c)
		if errors.Is(err, store.ErrNotExist) && v.unarrived(c) {
			return v.skipRename(ctx, c)
		}
		return err
	case opLocalise:
		return v.localise(ctx, c)
	case opLink:
		return v.putLink(ctx, c)
	case opMove:
		return v.moveObjects(ctx, c)
	case opMkdir:
		return v.putMarker(ctx, c)
	case opRmdir:
		return v.remote.RemoveMarker(ctx, c.Path)
	case opAttr:
		return v.rewriteSidecar(ctx, c)
	}
	return fmt.Errorf("%w: %q", errUnknownChange, c.Op)
}

// removeObject takes the version from its place. What another machine has saved there stays.
func (v *Volume) removeObject(ctx context.Context, c *change) error {
	gone, err := v.remote.Remove(ctx, c.ver, c.Path, nil)
	c.stays = !gone
	return err
}

// awaitArrival waits, for as long as the recovery of commits in flight does, for the object of a commit that was
// under way at a kill: what an earlier mount has queued for it is done to that, and not
// to what it was to replace, if its request is still on its way.
func (v *Volume) awaitArrival(ctx context.Context, c *change) error {
	if !c.again || c.Tries > 0 || c.Op != opRemove && c.Op != opRename && c.Op != opLocalise || c.ver.Foreign() {
		return nil
	}
	if _, etag := c.ver.Place(); etag != "" {
		return nil
	}
	for _, wait := range arrivalWaits {
		if ours, err := v.remote.IsAt(ctx, c.ver, c.Path); ours || err != nil {
			return err
		}
		if err := queue.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// renameObject is one try of the rename of an object. What it has found instead of what it
// was to rename, or to replace, the change knows from then on.
func (v *Volume) renameObject(ctx context.Context, c *change) error {
	r := &c.relocation
	r.From, r.To, r.Version, r.Queued, r.Replaces = c.Path, c.To, c.ver, c.carries, c.replaces
	r.NoSidecarFrom, r.NoSidecarTo = c.bareOld, c.bare
	r.Recovered, r.Retried = c.again, c.Tries > 0
	r.Moved = c.stride.Step
	r.Copied = func(key, etag string) error {
		v.noteFound(c)
		return v.rebase(key, etag, r.Version)
	}
	r.AttrChanged = func(before, now sidecar.Attr) {
		if c.bare {
			v.mu.Lock()
			v.restateCarriers(r.Version)
			v.mu.Unlock()
		}
		v.adoptAttr(c.node, r.Version, before, now)
	}
	err := v.remote.Relocate(ctx, r)
	v.noteFound(c)
	return err
}

// noteFound has the change know what its relocation has found in the store.
func (v *Volume) noteFound(c *change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c.ver, c.replaces = c.relocation.Version, c.relocation.Replaces
}
