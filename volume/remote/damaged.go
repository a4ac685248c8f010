package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"mcfs/sidecar"
	"mcfs/store"
)

// MoveDamaged renames an object that cannot be read as it is, its sidecar too: nothing is
// lost. The order is that of Relocate, and it may be repeated. Where another object has the
// new name, both stay where they are, without an error.
func (c *Client) MoveDamaged(ctx context.Context, from, to string, moved func(int64)) error {
	taken, err := c.copyAsIs(ctx, from, to, moved)
	if err != nil || taken {
		return err
	}
	taken, err = c.copyAsIs(ctx, sidecar.Name(from), sidecar.Name(to), moved)
	if err != nil {
		return err
	}
	if !taken {
		if err := c.deleteIfThere(ctx, sidecar.Name(from)); err != nil {
			return err
		}
	}
	return c.deleteIfThere(ctx, from)
}

// copyAsIs copies one object; one that is gone, and one that an earlier try has copied, is
// no error. taken reports whether something else has the new name.
func (c *Client) copyAsIs(ctx context.Context, from, to string, moved func(int64)) (taken bool, err error) {
	info, err := c.store.Head(ctx, from)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = c.store.Copy(ctx, store.Copy{
		Source: from, SourceIfMatch: info.ETag, Target: to, Size: info.Size,
		Attributes: store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata},
		Condition:  store.Condition{IfNone: true}, Moved: moved,
	})
	if errors.Is(err, store.ErrPrecondition) {
		there, lookErr := c.store.Head(ctx, to)
		return lookErr != nil || there.Size != info.Size || !maps.Equal(there.Metadata, info.Metadata), nil
	}
	if err != nil {
		return false, fmt.Errorf("copy %s to %s: %w", from, to, err)
	}
	return false, nil
}
