package volume

import (
	"bytes"
	"context"
	"fmt"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/naming"
)

// A sidecar says that a file is ready. What a rename brings in the store to a local-only
// name, a large film in a trash, is not: there its object states itself what its sidecar
// did, and it has none. Attributes that are set there bring one, for an object is never
// copied for them.

// wantsNone reports whether the copy that c makes is to have no sidecar: its new name is
// local-only. A sidecar that it had under such a name already it keeps, for whoever put it.
func (v *Volume) wantsNone(c *change) bool {
	if !c.ver.hasSidecar() || c.ver.damage != nil || !v.rules.LocalOnly(c.To, naming.AsFile) {
		return false
	}
	return !v.rules.LocalOnly(c.Path, naming.AsFile) || c.ver.sidecar().itself != nil
}

// stateItself has the metadata of a copy state what its sidecar would. What S3 has no room
// for beside the key is left to a sidecar, as anywhere.
func (c *change) stateItself(object map[string]string) {
	meta := c.ver.meta()
	if err := meta.EncodeInto(object); err == nil {
		c.itself = &meta.Attr
	}
}

// confirmItself looks whether a copy states what it was to state: there are servers that
// leave it with the metadata of the original. The sidecar there is about to go.
func (v *Volume) confirmItself(ctx context.Context, c *change) error {
	if c.itself == nil {
		return nil
	}
	info, ours, err := v.find(ctx, c.ver, c.To)
	if err == nil && ours {
		v.takeCopy(c, info)
	}
	if err != nil {
		return fmt.Errorf("look at the copy %s: %w", c.To, err)
	}
	return nil
}

// wantsSidecar reports whether the copy is yet to get a sidecar: unless it states itself all
// that is known of the version by now.
func (c *change) wantsSidecar() bool {
	return c.ver.hasSidecar() && c.ver.sidecar().etag == "" && !c.bare && (c.itself == nil || attrDiffer(*c.itself, c.ver))
}

// takeCopy takes over a copy that an earlier try has made, and what it states in place of a
// sidecar. That is more than the journal knows, and than an object says that has none.
func (v *Volume) takeCopy(c *change, info store.Info) {
	knows := !c.again && !c.ver.sidecar().none()
	c.adopted, c.itself = true, nil
	c.ver.moved(c.To, info.ETag, sideInfo{})
	meta, whole := c.ver.said(info.Metadata)
	if !c.ver.hasSidecar() || !whole {
		return
	}
	if v.rules.LocalOnly(c.To, naming.AsFile) {
		c.itself = &meta.Attr
		c.ver.setSidecar(sideInfo{itself: c.itself})
	}
	if knows {
		return
	}
	c.ver.mu.Lock()
	before := c.ver.attr
	c.ver.attr = meta.Attr
	c.ver.mu.Unlock()
	v.adoptAttr(c.node, c.ver, before, meta.Attr)
}

// said is what an object's metadata states in place of the sidecar of x; not whole: it does not.
func (x *version) said(metadata map[string]string) (meta sidecar.Meta, whole bool) {
	meta, whole, err := sidecar.ParseMeta(metadata)
	if err != nil || !whole {
		return sidecar.Meta{}, false
	}
	x.mu.Lock()
	attr := x.attr
	x.mu.Unlock()
	mergeAttr(&attr, meta.Attr)
	meta.Attr = attr
	return meta, true
}

// stated has a version that is being described be what its object states in place of a
// sidecar, and reports whether it does.
func (x *version) stated(metadata map[string]string) bool {
	meta, whole := x.said(metadata)
	if whole {
		x.plain, x.mac, x.attr = meta.Size, meta.MAC, meta.Attr
		x.side = sideInfo{itself: &meta.Attr}
	}
	return whole
}

// needsNone reports whether an object that was found at key without a sidecar is to have
// none: its name is local-only, and it states itself all that is known of x.
func (v *Volume) needsNone(x *version, key string, metadata map[string]string) bool {
	meta, whole := x.said(metadata)
	obj, err := statedBy(metadata)
	wrapped, _ := x.dataKey()
	if !whole || err != nil || !bytes.Equal(obj.Key, wrapped) || attrDiffer(meta.Attr, x) || !v.rules.LocalOnly(key, naming.AsFile) {
		return false
	}
	x.setSidecar(sideInfo{itself: &meta.Attr})
	return true
}

// isStated reports whether nothing need be put for a change of attributes: they are those
// that the object of a local-only name states itself.
func (v *Volume) isStated(c *change, key string) bool {
	side := c.ver.sidecar()
	return side.itself != nil && v.rules.LocalOnly(key, naming.AsFile) && !differ(c.attr, *side.itself)
}
