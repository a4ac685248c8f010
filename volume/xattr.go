package volume

import (
	"context"
	"maps"
	"slices"
	"time"

	"mcfs/sidecar"
	"mcfs/volume/acl"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// xattrs are the node's extended attributes; the caller does not change them.
func (n *Node) xattrs(ctx context.Context) (map[string][]byte, error) {
	switch n.kind {
	case Sidecar, Tombstone:
		return nil, nil
	case Dir:
		if err := n.describeDir(ctx); err != nil {
			return nil, file.AsIO(err)
		}
		n.v.mu.Lock()
		defer n.v.mu.Unlock()
		return n.dir.Attr().Xattr, nil
	}
	if err := n.describe(ctx); err != nil {
		return nil, err
	}
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.Attr.Xattr, nil
}

// GetXattr reads an extended attribute.
func (n *Node) GetXattr(ctx context.Context, name string) ([]byte, error) {
	all, err := n.xattrs(ctx)
	if err != nil && n.kind == Dir && IsACL(name) {
		return nil, ErrNoAttr // as its mode is shown: a walk over the tree must not fail for it
	}
	if err != nil {
		return nil, err
	}
	value, ok := all[name]
	if !ok {
		return nil, ErrNoAttr
	}
	return slices.Clone(value), nil
}

// ListXattr names the extended attributes.
func (n *Node) ListXattr(ctx context.Context) ([]string, error) {
	all, err := n.xattrs(ctx)
	return slices.Sorted(maps.Keys(all)), err
}

// SetXattr sets an extended attribute. What would not fit into the metadata that
// keeps it is refused with ErrFull now, not when it is written.
func (n *Node) SetXattr(ctx context.Context, name string, value []byte, create, replace bool) error {
	return n.changeXattr(ctx, func(a *sidecar.Attr) error {
		switch _, there := a.Xattr[name]; {
		case create && there:
			return ErrExist
		case replace && !there:
			return ErrNoAttr
		case IsACL(name):
			return invalidACL(acl.Set(a, name, value))
		}
		if a.Xattr == nil {
			a.Xattr = make(map[string][]byte)
		}
		a.Xattr[name] = slices.Clone(value)
		return nil
	})
}

// RemoveXattr removes one.
func (n *Node) RemoveXattr(ctx context.Context, name string) error {
	return n.changeXattr(ctx, func(a *sidecar.Attr) error {
		if _, there := a.Xattr[name]; !there && !IsACL(name) {
			return ErrNoAttr
		}
		delete(a.Xattr, name)
		return nil
	})
}

func (n *Node) changeXattr(ctx context.Context, change func(*sidecar.Attr) error) error {
	switch n.kind {
	case Sidecar, Tombstone:
		return ErrNotSupported
	case Dir:
		return n.changeDir(ctx, change)
	}
	if err := n.describe(ctx); err != nil {
		return err
	}
	n.content.Lock()
	next := n.content.Attr
	next.Xattr = maps.Clone(n.content.Attr.Xattr)
	err := change(&next)
	if err == nil {
		err = n.fits(next)
	}
	if err == nil {
		n.content.Attr, n.content.Ctime = next, time.Now()
	}
	n.content.Unlock()
	if err != nil {
		return err
	}
	return n.attrChanged()
}

// Facts returns what a file's draft is in, and what its committed version tells; it asks for what Attr does.
func (n *Node) Facts(ctx context.Context) (State, remote.Facts, error) {
	if err := n.describe(ctx); err != nil {
		return Clean, remote.Facts{}, err
	}
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.State, n.content.Base.Facts(), nil
}
