package volume

import (
	"context"
	"maps"
	"slices"

	"mcfs/sidecar"
)

// GetXattr reads an extended attribute.
func (n *Node) GetXattr(ctx context.Context, name string) ([]byte, error) {
	if n.kind != File {
		return nil, ErrNoAttr
	}
	if err := n.describe(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	value, ok := n.attr.Xattr[name]
	if !ok {
		return nil, ErrNoAttr
	}
	return slices.Clone(value), nil
}

// ListXattr names the extended attributes.
func (n *Node) ListXattr(ctx context.Context) ([]string, error) {
	if n.kind != File {
		return nil, nil
	}
	if err := n.describe(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.attr.Xattr)), nil
}

// SetXattr sets an extended attribute. What would not fit into the sidecar's
// metadata is refused with ErrFull now, not when it is committed.
func (n *Node) SetXattr(ctx context.Context, name string, value []byte, create, replace bool) error {
	return n.changeXattr(ctx, func(a *sidecar.Attr) error {
		switch _, there := a.Xattr[name]; {
		case create && there:
			return ErrExist
		case replace && !there:
			return ErrNoAttr
		}
		if a.Xattr == nil {
			a.Xattr = make(map[string][]byte)
		}
		a.Xattr[name] = slices.Clone(value)
		if err := a.Fits(); err != nil {
			return ErrFull
		}
		return nil
	})
}

// RemoveXattr removes one.
func (n *Node) RemoveXattr(ctx context.Context, name string) error {
	return n.changeXattr(ctx, func(a *sidecar.Attr) error {
		if _, there := a.Xattr[name]; !there {
			return ErrNoAttr
		}
		delete(a.Xattr, name)
		return nil
	})
}

func (n *Node) changeXattr(ctx context.Context, change func(*sidecar.Attr) error) error {
	if n.kind != File {
		return ErrNotSupported
	}
	if err := n.describe(ctx); err != nil {
		return err
	}
	n.mu.Lock()
	next := n.attr
	next.Xattr = maps.Clone(n.attr.Xattr)
	if err := change(&next); err != nil {
		n.mu.Unlock()
		return err
	}
	n.attr = next
	clean := n.state == Clean && n.ver != nil && !n.ver.foreign()
	n.mu.Unlock()
	if !clean {
		return nil
	}
	return n.v.queueAttr(n)
}
