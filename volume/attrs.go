package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

// stated reads a sidecar that was found: the document, and its metadata with
// attributes that it does not state taken from base.
func (f *foundSidecar) stated(base sidecar.Attr) (sidecar.Settings, sidecar.Meta, error) {
	doc, err := sidecar.Parse(f.text)
	if err != nil {
		return sidecar.Settings{}, sidecar.Meta{}, fmt.Errorf("sidecar: %w", err)
	}
	meta, _, err := sidecar.ParseMeta(f.meta)
	if err != nil {
		return sidecar.Settings{}, sidecar.Meta{}, fmt.Errorf("sidecar metadata: %w", err)
	}
	attr := base
	mergeAttr(&attr, meta.Attr)
	meta.Attr = attr
	return doc, meta, nil
}

// rewriteSidecar puts the sidecar again with the attributes of now. Where another
// machine has put one meanwhile, what was changed here goes over what that one
// states: of the same version, or of a newer one, whose sidecar stays true.
func (v *Volume) rewriteSidecar(ctx context.Context, c *change) error {
	v.mu.Lock()
	if v.attrs[c.node] == c {
		delete(v.attrs, c.node) // what changes from now on is another change
	}
	displaced := c.node != nil && (c.node.parent == nil || c.node.parent.dir.children[c.node.name] != c.node)
	overtaken := c.again && c.node == nil
	drawn := c.node != nil && v.drawsAway(c.node, c.ver)
	v.mu.Unlock()
	if overtaken {
		return nil // before a kill, by a newer version, or by its removal
	}
	if drawn {
		return nil // the version goes, and its file has them in the spool
	}
	if displaced {
		return nil // removed meanwhile, or, after a crash, a draft that has these attributes stands in its place
	}
	ver := c.ver
	v.followMove(c)
	if n := c.node; n != nil {
		n.lock()
		current, attr := n.ver == ver, n.attr
		since := n.state == Clean && n.ver != nil && attrDiffer(attr, n.ver)
		n.unlock()
		switch {
		case !current && since:
			return v.queueAttr(n) // they were set after the commit of a newer version
		case !current:
			return nil // a newer version was committed with its attributes, or will be
		}
		c.attr = attr
	}
	if ver.isLink() {
		return v.restateLink(ctx, c)
	}
	key, _ := ver.place()
	ver.mu.Lock()
	base, side := ver.attr, ver.side.etag
	ver.mu.Unlock()
	if v.isStated(c, key) {
		return nil
	}
	if side != "" {
		err := v.putAttr(ctx, ver, key, c.attr, store.Condition{IfMatch: side})
		if !refused(err) {
			return err
		}
	}
	for range maxLooks {
		there, err := v.lookSidecar(ctx, key)
		if err != nil {
			return err
		}
		if there == nil {
			err = v.putMissing(ctx, c, key)
		} else {
			err = v.putMerged(ctx, c, key, base, there)
		}
		if !refused(err) {
			return err
		}
	}
	return fmt.Errorf("put sidecar of %s: %w", key, errKeepsChanging)
}

// followMove has a change from the journal know where its object stands by now. A
// directory's move, for which it has waited, may have taken the object along before
// the kill: then nobody but the place itself tells.
func (v *Volume) followMove(c *change) {
	if !c.again {
		return
	}
	v.mu.Lock()
	arrived := v.moves.AtRest(c.Path)
	v.mu.Unlock()
	if key, etag := c.ver.place(); arrived && key != c.Path {
		c.ver.moved(c.Path, etag, sideInfo{})
	}
}

// refused says that a condition did not hold: look, and try again.
func refused(err error) bool {
	return errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotExist)
}

func (x *version) mtime() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.attr.Mtime
}

func (x *version) attrMode() uint32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.attr.Mode
}

// putAttr puts the sidecar of ver with other attributes, under a condition.
func (v *Volume) putAttr(ctx context.Context, ver *version, key string, attr sidecar.Attr, cond store.Condition) error {
	meta := ver.meta()
	meta.Attr = attr
	side, err := v.putDocument(ctx, key, v.settings(ver, key), meta, cond)
	if err != nil {
		return err
	}
	ver.mu.Lock()
	ver.attr = attr
	ver.mu.Unlock()
	ver.published(side)
	v.remember(ver)
	return nil
}

// putMissing: there is no sidecar. It is put if the object is still ours. Beside
// another machine's object its sidecar is about to appear: that one is waited for.
func (v *Volume) putMissing(ctx context.Context, c *change, key string) error {
	info, ours, err := v.find(ctx, c.ver, key)
	switch {
	case err != nil:
		return err
	case ours && (c.ver.sidecar().etag == "" || c.Tries > 2): // nobody is about to replace the object
		return v.putAttr(ctx, c.ver, key, c.attr, store.Condition{IfNone: true})
	case info.ETag == "" || c.Tries > 6:
		return nil // removed elsewhere, or left without a sidecar
	}
	return fmt.Errorf("the sidecar of %s is on its way: %w", key, store.ErrUnavailable)
}

// putMerged puts a sidecar that another machine has put again, with our changes.
func (v *Volume) putMerged(ctx context.Context, c *change, key string, base sidecar.Attr, there *foundSidecar) error {
	doc, meta, err := there.stated(base)
	if err != nil {
		return err
	}
	ours := bytes.Equal(doc.IV, c.ver.iv)
	if _, whole := there.meta[sidecar.KeySize]; !whole {
		if !ours {
			return nil // made by hand, of a version of which nothing is known here: its size cannot be stated
		}
		own := c.ver.meta()
		meta.ETag, meta.Size, meta.MAC = own.ETag, own.Size, own.MAC
	}
	meta.Attr = sidecar.Merge(base, c.attr, meta.Attr)
	doc.FileInput = v.store.Address(key)
	side, err := v.putDocument(ctx, key, doc, meta, store.Condition{IfMatch: there.info.etag})
	if err != nil || !ours {
		return err
	}
	c.ver.mu.Lock()
	c.ver.attr = meta.Attr
	c.ver.wrapped, c.ver.keyID, c.ver.region = doc.Key, meta.KeyID, doc.Region // somebody may have rewrapped it
	c.ver.mu.Unlock()
	c.ver.published(side)
	v.remember(c.ver)
	v.adoptAttr(c.node, c.ver, c.attr, meta.Attr)
	return nil
}

// adoptSidecar takes over what the sidecar of x says.
func (v *Volume) adoptSidecar(x *version, there *foundSidecar) {
	x.mu.Lock()
	base := x.attr
	x.mu.Unlock()
	doc, meta, err := there.stated(base)
	if err != nil {
		x.setSidecar(there.info)
		return
	}
	x.mu.Lock()
	x.attr, x.wrapped, x.keyID, x.region = meta.Attr, doc.Key, meta.KeyID, doc.Region
	x.mu.Unlock()
	x.published(there.info)
	v.remember(x)
}

// adoptAttr shows attributes that came from elsewhere, unless others were set
// here since before.
func (v *Volume) adoptAttr(n *Node, ver *version, before, now sidecar.Attr) {
	if n == nil {
		return
	}
	n.lock()
	defer n.unlock()
	if n.ver == ver && n.state == Clean {
		n.attr = sidecar.Merge(before, n.attr, now)
	}
}
