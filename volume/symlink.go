package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/volume/changes"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// Symlink makes a symlink. Its target is encrypted before the journal sees it.
func (n *Node) Symlink(ctx context.Context, name, target string, uid, gid uint32) (*Node, error) {
	v := n.v
	if v.isClosing() {
		return nil, ErrShutdown
	}
	if target == "" {
		return nil, ErrNotExist
	}
	if len(target) > remote.MaxTarget {
		return nil, ErrNameTooLong
	}
	if _, err := n.lookup(ctx, name); err == nil {
		return nil, ErrExist
	} else if !errors.Is(err, ErrNotExist) {
		return nil, err
	}
	if err := v.checkName(n, name, true); err != nil {
		return nil, err
	}
	attr := sidecar.Attr{Mode: modeSymlink | 0o777, UID: uid, GID: gid, Mtime: time.Now()}
	key, err := v.keys.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", file.AsIO(err))
	}
	defer key.Wipe()
	v.names.Lock()
	defer v.names.Unlock()
	path, err := v.freeName(n, name)
	if err != nil {
		return nil, err
	}
	ver, err := remote.SealSymlink(key, v.o.Mode, v.o.IVBytes, path, target, attr)
	if err != nil {
		return nil, err
	}
	c := &change{Change: changes.Change{Op: changes.Link, Path: path, Ver: ver, Attr: attr, Body: ver.State().Body}}
	v.mu.Lock()
	l := v.newLink(n, name, ver)
	l.target = target
	l.local = v.rules.LocalOnly(path, naming.AsDirectory)
	v.mu.Unlock()
	if err := v.journalNew(l, path, c); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n.dir.Put(name, l)
	n.dir.Touch(attr.Mtime)
	l.changed = attr.Mtime
	if !l.local {
		c.node = l
		v.enqueue(c)
	}
	return l, nil
}

// newLink makes the node of a symlink.
func (v *Volume) newLink(d *Node, name string, ver *remote.Version) *Node {
	l := v.newNode(Symlink, d, name)
	l.content.SetBaseLocked(ver)
	return l
}

// putLink is the change's work in the store.
func (v *Volume) putLink(ctx context.Context, c *change) error {
	put, err := v.remote.PutSymlink(ctx, c.Ver, c.Path, c.Attr)
	if put && c.node != nil {
		v.rechecks.After(c.node, remote.RecheckSoon)
	}
	return err
}

// restateLink writes changed attributes of a symlink.
func (v *Volume) restateLink(ctx context.Context, c *change) error {
	key, _ := c.Ver.Place()
	info, ours, err := v.remote.Find(ctx, c.Ver, key)
	if err == nil && !ours && c.node != nil && c.node.content.Relocate(ctx) { // renamed, of which the journal no longer knows after a kill
		key, _ = c.Ver.Place()
		info, ours, err = v.remote.Find(ctx, c.Ver, key)
	}
	if err != nil || !ours {
		return err // removed or replaced since: an unlink does not wait for attributes
	}
	put, err := v.remote.RestateSymlink(ctx, c.Ver, info, c.Attr, c.Stride.Step)
	if put && c.node != nil {
		v.rechecks.After(c.node, remote.RecheckSoon)
	}
	return err
}

// isCalledLink reports whether the version is known to be called a symlink: what stands
// beside it under its sidecar's name is another file then.
func (n *Node) isCalledLink() bool {
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.Base != nil && n.content.Base.IsSymlink()
}

// reveal finds out whether an object without a sidecar is a symlink, which only
// its metadata tells, and then gives the name a node of that kind.
func (v *Volume) reveal(ctx context.Context, d *Node, name string, c *Node) (*Node, error) {
	v.mu.Lock()
	unclear := c.kind == File && !c.localLocked() && c.listed.Key != "" && (c.listed.Sidecar.ETag == "" || c.isCalledLink())
	v.mu.Unlock()
	if !unclear {
		return c, nil
	}
	if err := c.describe(ctx); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c.content.Lock()
	ver := c.content.Base
	c.content.Unlock()
	if ver == nil || !ver.IsSymlink() {
		return c, nil
	}
	switch now := d.dir.Get(name); {
	case now == nil || now.kind == File && now != c:
		return nil, d.dir.missing(name)
	case now != c:
		return now, nil // somebody else was faster
	}
	l := v.newLink(d, name, ver)
	l.listed, l.changed = c.listed, c.changed
	if v.rechecks.Has(c) {
		v.rechecks.After(l, remote.RecheckSoon)
	}
	d.dir.Put(name, l)
	c.gone = true
	return l, nil
}
