package volume

import (
	"context"
	"errors"
	"fmt"

	"mcfs/store"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// Readlink reads a symlink's target.
func (n *Node) Readlink(ctx context.Context) (string, error) {
	if n.kind != Symlink {
		return "", ErrInvalid
	}
	n.content.Lock()
	target, ver := n.target, n.content.Base
	n.content.Unlock()
	if target != "" {
		return target, nil
	}
	target, err := n.v.linkTarget(ctx, ver)
	for range maxLooks { // it may be on its way
		if !errors.Is(err, ErrStale) && !errors.Is(err, store.ErrNotExist) || !n.content.Relocate(ctx) {
			break
		}
		target, err = n.v.linkTarget(ctx, ver)
	}
	if err != nil {
		return "", fmt.Errorf("read symlink %s: %w", n.Path(), file.AsIO(err))
	}
	n.content.Lock()
	n.target = target
	n.content.Unlock()
	return target, nil
}

// linkTarget is Client.Target in the words of this package.
func (v *Volume) linkTarget(ctx context.Context, ver *remote.Version) (string, error) {
	target, err := v.remote.Target(ctx, ver)
	return target, file.FromFetch(err)
}
