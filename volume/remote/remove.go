package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
)

// Late is how long after its object a sidecar may be put without a second look at the object.
const Late = time.Second

// Remove deletes first the sidecar, then the object, if they are still those of x: what
// another machine has saved there meanwhile stays. changed, if there is one, is shown a
// sidecar of x that another machine has put again, before it goes. What is gone already is
// no error; else it gives the store's, or that of changed. gone reports whether nothing
// stands there any more.
func (c *Client) Remove(ctx context.Context, x *Version, key string, changed func(*FoundSidecar) error) (gone bool, err error) {
	bare := x.WantsSidecar() && x.Sidecar().IsNone()
	_, etag := x.Place()
	for range MaxLooks {
		if etag != "" {
			err := c.removePinned(ctx, x, key, etag, changed)
			if !errors.Is(err, store.ErrPrecondition) {
				err = errors.Join(err, c.removeLate(ctx, x, key, bare && err == nil))
				return err == nil, err
			}
		}
		// Copied onto itself by somebody, perhaps.
		info, ours, err := c.Find(ctx, x, key)
		fallback := x.Fallback()
		switch {
		case err != nil:
			return false, err
		case !ours && fallback != nil: // it has not arrived, and never will
			return c.Remove(ctx, fallback, key, changed)
		case !ours:
			return info.Key == "", nil
		}
		etag = info.ETag
		if len(x.IV) == 0 {
			x = identified(x, info)
		}
	}
	return false, fmt.Errorf("delete %s: %w", key, errKeepsChanging)
}

// identified is a version that was only listed, with the IV that its object states.
func identified(x *Version, info store.Info) *Version {
	obj, err := statedBy(info.Metadata)
	if err != nil || len(obj.IV) == 0 {
		return x
	}
	return NewVersion(Content{IV: obj.IV}, State{Key: info.Key, ETag: info.ETag, Sidecar: x.Sidecar()})
}

// removePinned deletes the sidecar of x and the object with that ETag.
// ErrPrecondition: another object stands there now.
func (c *Client) removePinned(ctx context.Context, x *Version, key, etag string, changed func(*FoundSidecar) error) error {
	if side := x.Sidecar().ETag; side != "" || x.WantsSidecar() {
		if err := c.DeleteSidecar(ctx, x, key, side, changed); err != nil {
			return err
		}
		x.SetSidecar(Sidecar{})
	}
	err := c.store.Delete(ctx, key, store.Condition{IfMatch: etag})
	if err == nil || errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("delete %s: %w", key, err)
}

// removeLate looks once more for the sidecar of an object that had none when it was
// removed: the machine that made it may have been between its two steps, and looks after
// its object only when it is late itself.
func (c *Client) removeLate(ctx context.Context, x *Version, key string, wanted bool) error {
	if !wanted {
		return nil
	}
	select {
	case <-time.After(Late + Late/2):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.DeleteSidecar(ctx, x, key, "", nil)
}
