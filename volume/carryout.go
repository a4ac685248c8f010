package volume

import (
	"context"
	"errors"
	"fmt"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/changes"
	"mcfs/volume/queue"
)

// errUnknownChange: another release of mcfs has journaled it.
var errUnknownChange = errors.New("change is not known")

func (v *Volume) carryOut(ctx context.Context, c *change) error {
	if err := v.awaitArrival(ctx, c); err != nil {
		return err
	}
	switch c.Op {
	case changes.Remove:
		v.cache.Delete(c.Path)
		return v.removeObject(ctx, c)
	case changes.Rename:
		v.cache.Delete(c.Path)
		err := v.renameObject(ctx, c)
		if errors.Is(err, store.ErrNotExist) && v.unarrived(c) {
			return v.skipRename(ctx, c)
		}
		return err
	case changes.Localise:
		return v.localise(ctx, c)
	case changes.Link:
		return v.putLink(ctx, c)
	case changes.Move:
		return v.moveObjects(ctx, c)
	case changes.Mkdir:
		return v.putMarker(ctx, c)
	case changes.Rmdir:
		return v.remote.RemoveMarker(ctx, c.Path)
	case changes.Attr:
		return v.rewriteSidecar(ctx, c)
	}
	return fmt.Errorf("%w: %q", errUnknownChange, c.Op)
}

// removeObject takes the version from its place. What another machine has saved there stays.
func (v *Volume) removeObject(ctx context.Context, c *change) error {
	gone, err := v.remote.Remove(ctx, c.Ver, c.Path, nil)
	c.stays = !gone
	return err
}

// awaitArrival waits, for as long as the recovery of commits in flight does, for the object of a commit that was
// under way at a kill: what an earlier mount has queued for it is done to that, and not
// to what it was to replace, if its request is still on its way.
func (v *Volume) awaitArrival(ctx context.Context, c *change) error {
	if !c.Again || c.Tries > 0 || c.Op != changes.Remove && c.Op != changes.Rename && c.Op != changes.Localise || c.Ver.Foreign() {
		return nil
	}
	if _, etag := c.Ver.Place(); etag != "" {
		return nil
	}
	for _, wait := range arrivalWaits {
		if ours, err := v.remote.IsAt(ctx, c.Ver, c.Path); ours || err != nil {
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
	r.From, r.To, r.Version, r.Queued, r.Replaces = c.Path, c.To, c.Ver, c.carries, c.Replaces
	r.NoSidecarFrom, r.NoSidecarTo = c.BareOld, c.Bare
	r.Recovered, r.Retried = c.Again, c.Tries > 0
	r.Moved = c.stride.Step
	r.Copied = func(key, etag string) error {
		v.noteFound(c)
		return v.rebase(key, etag, r.Version)
	}
	r.AttrChanged = func(before, now sidecar.Attr) {
		if c.Bare {
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
	c.Ver, c.Replaces = c.relocation.Version, c.relocation.Replaces
}
