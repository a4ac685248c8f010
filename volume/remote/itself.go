package remote

import (
	"bytes"
	"context"
	"fmt"

	"mcfs/sidecar"
	"mcfs/store"
)

// A sidecar says that a file is ready. What a rename brings in the store to a local-only
// name, a large film in a trash, is not: there its object states itself what its sidecar
// did, and it has none. Attributes that are set there bring one, for an object is never
// copied for them.

// isLocalOnly reports whether a name is one by which nobody means an object.
func (c *Client) isLocalOnly(key string) bool { return c.o.LocalOnly != nil && c.o.LocalOnly(key) }

// wantsNone reports whether the copy is to have no sidecar: its new name is local-only. A
// sidecar that it had under such a name already it keeps, for whoever put it.
func (c *Client) wantsNone(r *Relocation) bool {
	if !r.Version.WantsSidecar() || r.Version.Damage != nil || !c.isLocalOnly(r.To) {
		return false
	}
	return !c.isLocalOnly(r.From) || r.Version.Sidecar().Itself != nil
}

// stateItself has the metadata of a copy state what its sidecar would. What S3 has no room
// for beside the key is left to a sidecar, as anywhere.
func (r *Relocation) stateItself(object map[string]string) {
	meta := r.Version.meta()
	if err := meta.EncodeInto(object); err == nil {
		r.itself = &meta.Attr
	}
}

// confirmItself looks whether a copy states what it was to state: there are servers that
// leave it with the metadata of the original. The sidecar there is about to go.
func (c *Client) confirmItself(ctx context.Context, r *Relocation) error {
	if r.itself == nil {
		return nil
	}
	info, ours, err := c.Find(ctx, r.Version, r.To)
	if err == nil && ours {
		c.takeCopy(r, info)
	}
	if err != nil {
		return fmt.Errorf("look at the copy %s: %w", r.To, err)
	}
	return nil
}

// wantsSidecar reports whether the copy is yet to get a sidecar: unless it states itself all
// that is known of the version by now.
func (r *Relocation) wantsSidecar() bool {
	now := r.Version.State()
	return r.Version.WantsSidecar() && now.Sidecar.ETag == "" && !r.NoSidecarTo && (r.itself == nil || Differ(*r.itself, now.Attr))
}

// takeCopy takes over a copy that an earlier try has made, and what it states in place of a
// sidecar. That is more than the journal knows, and than an object says that has none.
func (c *Client) takeCopy(r *Relocation, info store.Info) {
	x := r.Version
	knows := !r.Recovered && !x.Sidecar().IsNone()
	r.found, r.itself = true, nil
	x.Moved(r.To, info.ETag, Sidecar{})
	meta, whole := x.said(info.Metadata)
	if !x.WantsSidecar() || !whole {
		return
	}
	if c.isLocalOnly(r.To) {
		r.itself = &meta.Attr
		x.SetSidecar(Sidecar{Itself: r.itself})
	}
	if knows {
		return
	}
	before := x.Attr()
	x.SetAttr(meta.Attr)
	if r.AttrChanged != nil {
		r.AttrChanged(before, meta.Attr)
	}
}

// carried is how the sidecar of the copy is to be put with what was taken along; not put:
// the copy has none, and states that itself.
func (r *Relocation) carried(side string, attr sidecar.Attr, changed bool) (cond store.Condition, put bool) {
	switch {
	case side != "":
		return store.Condition{IfMatch: side}, true
	case changed || Differ(attr, *r.itself):
		return store.Condition{IfNone: true}, true
	}
	return store.Condition{}, false
}

// takeKey takes the key over that a sidecar of the version states, and reports whether it
// is wrapped otherwise than was known.
func (x *Version) takeKey(doc sidecar.Settings, keyID string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if bytes.Equal(doc.Key, x.now.Wrapped) {
		return false
	}
	x.now.Wrapped, x.now.KeyID, x.now.Region = doc.Key, keyID, doc.Region
	return true
}

// said is what an object's metadata states in place of the sidecar of x; not whole: it does not.
func (x *Version) said(metadata map[string]string) (meta sidecar.Meta, whole bool) {
	meta, whole, err := sidecar.ParseMeta(metadata)
	if err != nil || !whole {
		return sidecar.Meta{}, false
	}
	attr := x.Attr()
	addStated(&attr, meta.Attr)
	meta.Attr = attr
	return meta, true
}

// takeStated has a version that is being described be what its object states in place of a
// sidecar, and reports whether it does. Nobody else has the version yet.
func (x *Version) takeStated(metadata map[string]string) bool {
	meta, whole := x.said(metadata)
	if whole {
		x.Plain, x.MAC, x.now.Attr, x.now.Job = meta.Size, meta.MAC, meta.Attr, meta.Job
		x.now.Sidecar = Sidecar{Itself: &meta.Attr}
	}
	return whole
}

// needsNone reports whether an object that was found at key without a sidecar is to have
// none: its name is local-only, and it states itself all that is known of x.
func (c *Client) needsNone(x *Version, key string, metadata map[string]string) bool {
	meta, whole := x.said(metadata)
	obj, err := statedBy(metadata)
	wrapped, _ := x.DataKey()
	if !whole || err != nil || !bytes.Equal(obj.Key, wrapped) || Differ(meta.Attr, x.Attr()) || !c.isLocalOnly(key) {
		return false
	}
	x.SetSidecar(Sidecar{Itself: &meta.Attr})
	return true
}

// isStated reports whether nothing need be put for a change of attributes: they are those
// that the object of a local-only name states itself.
func (c *Client) isStated(a AttrChange, key string) bool {
	itself := a.Version.Sidecar().Itself
	return itself != nil && c.isLocalOnly(key) && !Differ(a.Attr, *itself)
}
