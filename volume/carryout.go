package volume

import (
	"context"
	"errors"
	"fmt"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/arrival"
	"mcfs/volume/changes"
)

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
	return fmt.Errorf("%w: %q", changes.ErrUnknown, c.Op)
}

// removeObject takes the version from its place. What another machine has saved there stays.
func (v *Volume) removeObject(ctx context.Context, c *change) error {
	gone, err := v.remote.Remove(ctx, c.Ver, c.Path, nil)
	c.Stays = !gone
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
	return arrival.Await(ctx, v.remote, c.Ver, c.Path)
}

// renameObject is one try of the rename of an object. What it has found instead of what it
// was to rename, or to replace, the change knows from then on.
func (v *Volume) renameObject(ctx context.Context, c *change) error {
	r := &c.relocation
	r.From, r.To, r.Version, r.Queued, r.Replaces = c.Path, c.To, c.Ver, c.Carries(), c.Replaces
	r.NoSidecarFrom, r.NoSidecarTo = c.BareOld, c.Bare
	r.Recovered, r.Retried = c.Again, c.Tries > 0
	r.Moved = c.Stride.Step
	r.Copied = func(key, etag string) error {
		v.noteFound(c)
		return v.rebase(key, etag, r.Version)
	}
	r.AttrChanged = func(before, now sidecar.Attr) {
		if c.Bare {
			v.mu.Lock()
			v.changes.RestateCarriersLocked(r.Version)
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

// unarrived says of a rename whose object is not there that the commit under way
// then never made it. Its draft, if there still is one, is to be committed under the
// name that it has now.
func (v *Volume) unarrived(c *change) bool {
	if c.Op != changes.Rename || c.Ver.Foreign() {
		return false
	}
	if _, etag := c.Ver.Place(); etag != "" {
		return false
	}
	return c.Again || c.draft() != nil
}

// draft is what a rename's file has that is not committed; nil: nothing.
func (c *change) draft() *Node {
	n := c.node
	if n == nil {
		return nil
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.State == Clean || n.content.Base == c.Ver {
		return nil
	}
	return n
}

// skipRename finishes a rename whose object was never made. The draft replaces what it was
// to replace; without a draft at that name, that is removed.
func (v *Volume) skipRename(ctx context.Context, c *change) error {
	n, stays := c.draft(), false
	if n != nil {
		v.mu.Lock()
		stays = !n.gone && v.path(n) == c.To
		n.content.Lock()
		if n.content.Replaces = nil; stays {
			n.content.Replaces = c.Replaces
		}
		n.content.Unlock()
		v.mu.Unlock()
	}
	if !stays && c.Replaces != nil {
		if _, err := v.remote.Remove(ctx, c.Replaces, c.To, nil); err != nil {
			return err
		}
	}
	if n == nil {
		return nil
	}
	return v.journalEntry(n)
}
