package remote

import (
	"context"
	"errors"
	"fmt"

	"mcfs/sidecar"
	"mcfs/store"
)

// ErrNoSidecar: nothing beside an object could state its data key anew.
var ErrNoSidecar = errors.New("it has no settings")

// Wrapper wraps a data key anew, and names what it is wrapped under then.
type Wrapper func(ctx context.Context, wrapped []byte, keyID string) (newWrapped []byte, newKeyID string, err error)

// Rewrap has what states the data key of a version, its sidecar or, of a symlink, its object, state
// it wrapped anew; all else that is stated there stays. It reports whether that was under another
// key than to. ErrNoSidecar: there is no sidecar; ErrOtherVersion: another version stands there by now.
func (c *Client) Rewrap(ctx context.Context, x *Version, to string, wrap Wrapper) (changed bool, err error) {
	if x.IsSymlink() {
		return c.rewrapSymlink(ctx, x, to, wrap)
	}
	key, _ := x.Place()
	for range MaxLooks {
		there, err := c.LookSidecar(ctx, key)
		switch {
		case err != nil:
			return false, err
		case there == nil:
			return false, fmt.Errorf("rewrap %s: %w", key, ErrNoSidecar)
		case !there.IsOf(x):
			return false, fmt.Errorf("rewrap %s: %w", key, ErrOtherVersion)
		}
		if there.Metadata[sidecar.KeyKeyID] == to {
			return false, nil
		}
		if err = c.putRewrapped(ctx, x, key, there, wrap); !Refused(err) {
			return err == nil, err
		}
	}
	return false, fmt.Errorf("rewrap %s: %w", key, errKeepsChanging)
}

// putRewrapped puts a sidecar that was found with its data key wrapped anew.
func (c *Client) putRewrapped(ctx context.Context, x *Version, key string, there *FoundSidecar, wrap Wrapper) error {
	doc, meta, err := there.Stated(x.Attr())
	if err != nil {
		return fmt.Errorf("rewrap %s: %w", key, err)
	}
	if _, whole := there.Metadata[sidecar.KeySize]; !whole { // made by hand
		own := x.meta()
		meta.ETag, meta.Size, meta.MAC = own.ETag, own.Size, own.MAC
	}
	if doc.Key, meta.KeyID, err = wrap(ctx, doc.Key, meta.KeyID); err != nil {
		return fmt.Errorf("rewrap %s: %w", key, err)
	}
	doc.Region = regionOf(meta.KeyID)
	_, err = c.putDocument(ctx, key, doc, meta, store.Condition{IfMatch: there.ETag})
	return err
}

// rewrapSymlink restates a symlink, whose object is small.
func (c *Client) rewrapSymlink(ctx context.Context, x *Version, to string, wrap Wrapper) (changed bool, err error) {
	key, _ := x.Place()
	wrapped, keyID := x.DataKey()
	if keyID == to {
		return false, nil
	}
	found, ours, err := c.Find(ctx, x, key)
	if err != nil {
		return false, err
	}
	if !ours {
		return false, fmt.Errorf("rewrap %s: %w", key, ErrOtherVersion)
	}
	if wrapped, keyID, err = wrap(ctx, wrapped, keyID); err != nil {
		return false, fmt.Errorf("rewrap %s: %w", key, err)
	}
	x.mu.Lock()
	x.now.Wrapped, x.now.KeyID = wrapped, keyID
	x.mu.Unlock()
	put, err := c.RestateSymlink(ctx, x, found, x.Attr(), nil)
	if err == nil && !put {
		err = fmt.Errorf("rewrap %s: %w", key, ErrOtherVersion)
	}
	return err == nil, err
}
