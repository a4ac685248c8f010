package volume

import (
	"context"

	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// assumeListed lets the commit of an emptied file replace what the last listing
// showed, where nothing more is known of it.
func (n *Node) assumeListed() {
	n.v.mu.Lock()
	l := n.listed
	n.v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	if !n.content.KnownLocked() && n.content.Replaces == nil && l.ETag != "" {
		n.content.Replaces = remote.Listed(l)
	}
}

// isLocal reports whether the node's name is a local-only one.
func (v *Volume) isLocal(n *Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return n.parent != nil && !n.gone && v.rules.LocalOnly(v.path(n), naming.AsFile)
}

// truncate sets the size, as a handle or a path asks.
func (n *Node) truncate(ctx context.Context, h *Handle, size int64) error {
	if size < 0 {
		return ErrInvalid
	}
	if err := n.v.shared.CheckSize(size); err != nil {
		return err
	}
	if err := n.checkOwnName(); err != nil {
		return err
	}
	if err := n.describe(ctx); err != nil {
		if size > 0 || n.Replaced() {
			return err
		}
		n.assumeListed()
	}
	err := n.content.Truncate(ctx, &h.cursor, size, n.v.isLocal(n))
	n.v.track(n)
	return err
}

// punch makes a range read as zeros.
func (n *Node) punch(ctx context.Context, off, length int64) error {
	err := n.content.Punch(ctx, off, length)
	n.v.track(n)
	return err
}

// write stores p at off, and says how much of it.
func (n *Node) write(ctx context.Context, p []byte, off int64) (int, error) {
	done, drafted, err := n.content.WriteAt(ctx, p, off)
	if drafted {
		n.v.track(n)
	}
	return done, err
}
