package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/naming"
)

// opLink puts a symlink: a small object with the encrypted target as its
// content and its attributes in its own metadata. It has no sidecar.
const opLink = "link"

// maxTarget is the longest target of a symlink, in bytes (PATH_MAX).
const maxTarget = 4095

// Symlink makes a symlink. Its target is encrypted before the journal sees it.
func (n *Node) Symlink(ctx context.Context, name, target string, uid, gid uint32) (*Node, error) {
	v := n.v
	if v.isClosing() {
		return nil, ErrShutdown
	}
	if target == "" {
		return nil, ErrNotExist
	}
	if len(target) > maxTarget {
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
	ver, body, err := v.sealTarget(ctx, target)
	if err != nil {
		return nil, err
	}
	ver.attr = attr
	v.names.Lock()
	defer v.names.Unlock()
	path, err := v.freeName(n, name)
	if err != nil {
		return nil, err
	}
	ver.key = path
	c := &change{Change: spool.Change{Op: opLink, Path: path}, ver: ver, attr: attr, body: body}
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
	n.dir.children[name] = l
	n.dir.touch(attr.Mtime)
	l.changed = attr.Mtime
	if !l.local {
		c.node = l
		v.enqueue(c)
	}
	return l, nil
}

// newLink makes the node of a symlink.
func (v *Volume) newLink(d *Node, name string, ver *version) *Node {
	l := v.newNode(Symlink, d, name)
	l.setVersion(ver)
	return l
}

// sealTarget encrypts a symlink's target under a data key of its own.
func (v *Volume) sealTarget(ctx context.Context, target string) (*version, []byte, error) {
	key, err := v.keys.Get(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("data key: %w", errorsIO(err))
	}
	defer key.Wipe()
	iv, err := crypt.NewIV(v.o.Mode, v.o.IVBytes)
	if err != nil {
		return nil, nil, err
	}
	var body bytes.Buffer
	if _, _, err := crypt.EncryptStream(&body, bytes.NewReader([]byte(target)), v.o.Mode, key.Plain, iv); err != nil {
		return nil, nil, fmt.Errorf("encrypt target: %w", err)
	}
	g, err := crypt.NewIntegrity(v.o.Mode, key.Plain, iv)
	if err != nil {
		return nil, nil, err
	}
	defer g.Wipe()
	return &version{
		body: body.Bytes(), mode: v.o.Mode, iv: iv, check: g.LinkCheck(body.Bytes()), plain: int64(len(target)), cipher: int64(body.Len()),
		wrapped: key.Wrapped, keyID: key.KeyID, modified: time.Now(),
	}, body.Bytes(), nil
}

// putLink is the change's work in the store.
func (v *Volume) putLink(ctx context.Context, c *change) error {
	if err := v.renewCheck(ctx, c.ver); err != nil {
		return fmt.Errorf("put symlink: %w", err)
	}
	info, err := v.putTarget(ctx, c, store.Condition{IfNone: true})
	if errors.Is(err, store.ErrPrecondition) {
		there, ours, lookErr := v.find(ctx, c.ver, c.Path)
		switch {
		case lookErr != nil:
			return lookErr
		case ours && !c.ver.bearer(there.Metadata): // an older program's try had arrived, with the check that is not enough
			info, err = v.putTarget(ctx, c, store.Condition{IfMatch: there.ETag})
		case ours: // an earlier try had arrived
			c.ver.moved(c.Path, there.ETag, sideInfo{})
			return nil
		case there.ETag != "":
			return fmt.Errorf("put symlink %s: %w", c.Path, errTaken)
		}
	}
	if err != nil {
		return fmt.Errorf("put symlink: %w", err)
	}
	v.linkPut(c, c.Path, info)
	return nil
}

// putTarget puts a symlink's object, which states its attributes itself.
func (v *Volume) putTarget(ctx context.Context, c *change, cond store.Condition) (store.Info, error) {
	meta, err := sidecar.EncodeAttr(c.attr)
	if err != nil {
		return store.Info{}, err
	}
	maps.Copy(meta, c.ver.object().Encode())
	attr := store.Attributes{ContentType: "application/octet-stream", Metadata: meta}
	return v.store.Put(ctx, c.Path, bodyOf(c.body), attr, cond)
}

// linkPut notes what stands in the store now.
func (v *Volume) linkPut(c *change, key string, info store.Info) {
	c.ver.linked(key, info)
	v.remember(c.ver)
	if c.node != nil {
		v.doubt(c.node, lookSoon)
	}
}

// restateLink writes changed attributes of a symlink: its object is copied onto
// itself, which is small.
func (v *Volume) restateLink(ctx context.Context, c *change) error {
	key, _ := c.ver.place()
	info, ours, err := v.find(ctx, c.ver, key)
	if err == nil && !ours && c.node != nil && c.node.relocate(ctx) { // renamed, of which the journal no longer knows after a kill
		key, _ = c.ver.place()
		info, ours, err = v.find(ctx, c.ver, key)
	}
	if err != nil || !ours {
		return err // removed or replaced since: an unlink does not wait for attributes
	}
	meta, err := sidecar.EncodeAttr(c.attr)
	if err != nil {
		return err
	}
	maps.Copy(meta, c.ver.object().Encode())
	v.cache.Forget(key)
	made, err := v.copyJournaled(ctx, store.Copy{
		Source: key, SourceIfMatch: info.ETag, Target: key, Size: info.Size,
		Attributes: store.Attributes{ContentType: info.ContentType, Metadata: meta},
		Condition:  store.Condition{IfMatch: info.ETag},
	}, c.stride)
	if refused(err) {
		return nil // likewise
	}
	if err != nil {
		return fmt.Errorf("restate symlink: %w", err)
	}
	c.ver.mu.Lock()
	c.ver.attr = c.attr
	c.ver.mu.Unlock()
	v.linkPut(c, key, made)
	return nil
}

// isCalledLink reports whether the version is known to be called a symlink: what stands
// beside it under its sidecar's name is another file then.
func (n *Node) isCalledLink() bool {
	n.lock()
	defer n.unlock()
	return n.ver != nil && n.ver.isLink()
}

// reveal finds out whether an object without a sidecar is a symlink, which only
// its metadata tells, and then gives the name a node of that kind.
func (v *Volume) reveal(ctx context.Context, d *Node, name string, c *Node) (*Node, error) {
	v.mu.Lock()
	doubtful := c.kind == File && !c.localLocked() && c.listed.key != "" && (c.listed.side.etag == "" || c.isCalledLink())
	v.mu.Unlock()
	if !doubtful {
		return c, nil
	}
	if err := c.describe(ctx); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c.lock()
	ver := c.ver
	c.unlock()
	if ver == nil || !ver.isLink() {
		return c, nil
	}
	switch now := d.dir.children[name]; {
	case now == nil || now.kind == File && now != c:
		return nil, d.dir.missing(name)
	case now != c:
		return now, nil // somebody else was faster
	}
	l := v.newLink(d, name, ver)
	l.listed, l.changed = c.listed, c.changed
	if _, doubtful := v.doubts[c]; doubtful {
		v.doubtLocked(l, lookSoon)
	}
	d.dir.children[name] = l
	c.gone = true
	return l, nil
}
