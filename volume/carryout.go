package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"

	"mcfs/sidecar"
	"mcfs/store"
)

func (v *Volume) carryOut(ctx context.Context, c *change) error {
	switch c.Op {
	case opRemove:
		return v.removeObject(ctx, c.ver, c.Path)
	case opRename:
		return v.renameObject(ctx, c)
	case opLink:
		return v.putLink(ctx, c)
	case opMove:
		return v.moveObjects(ctx, c)
	case opMkdir:
		return v.putMarker(ctx, c)
	case opRmdir:
		return v.store.Delete(ctx, c.Path, store.Condition{})
	case opAttr:
		return v.rewriteSidecar(ctx, c)
	}
	return fmt.Errorf("change %q is not known", c.Op)
}

// removeObject deletes first the sidecar, then the object, if they are still those of ver.
func (v *Volume) removeObject(ctx context.Context, ver *version, key string) error {
	if side := ver.sidecar(); side.etag != "" {
		if err := v.deleteSidecar(ctx, ver, key, side.etag); err != nil {
			return err
		}
		ver.setSidecar(sideInfo{})
	}
	_, etag := ver.place()
	err := v.store.Delete(ctx, key, store.Condition{IfMatch: etag})
	if errors.Is(err, store.ErrPrecondition) {
		// Copied onto itself by somebody, perhaps: the IV tells.
		ours, err := v.isOurs(ctx, ver, key)
		if err != nil || !ours {
			return err
		}
		return v.store.Delete(ctx, key, store.Condition{})
	}
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return err
}

// deleteSidecar deletes the sidecar if it is still ver's: by its ETag, or by its IV.
func (v *Volume) deleteSidecar(ctx context.Context, ver *version, key, etag string) error {
	for range 3 {
		err := v.store.Delete(ctx, sidecar.Name(key), store.Condition{IfMatch: etag})
		if err == nil || errors.Is(err, store.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, store.ErrPrecondition) {
			return fmt.Errorf("delete sidecar: %w", err)
		}
		there, err := v.lookSidecar(ctx, key)
		if err != nil || there == nil {
			return err
		}
		doc, err := sidecar.Parse(there.text)
		if err != nil || string(doc.IV) != string(ver.iv) {
			return nil // another version's
		}
		etag = there.info.etag
	}
	return nil
}

// renameObject copies on the server and then deletes, in the order that keeps
// every sidecar true: the target's sidecar, copy, new sidecar, old sidecar, old object.
func (v *Volume) renameObject(ctx context.Context, c *change) error {
	if key, _ := c.ver.place(); key != c.To {
		if err := v.copyObject(ctx, c); err != nil {
			return err
		}
	}
	if c.ver.hasSidecar() && c.ver.sidecar().etag == "" {
		if err := v.putMovedSidecar(ctx, c); err != nil {
			return err
		}
	}
	if !c.ver.hasSidecar() {
		return v.deleteIfThere(ctx, c.Path)
	}
	old := &version{iv: c.ver.iv}
	if there, err := v.lookSidecar(ctx, c.Path); err != nil {
		return err
	} else if there != nil {
		if err := v.deleteSidecar(ctx, old, c.Path, there.info.etag); err != nil {
			return err
		}
	}
	ours, err := v.isOurs(ctx, c.ver, c.Path)
	if err != nil || !ours {
		return err
	}
	return v.deleteIfThere(ctx, c.Path)
}

func (v *Volume) deleteIfThere(ctx context.Context, key string) error {
	if err := v.store.Delete(ctx, key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// putMovedSidecar puts the sidecar beside the copy. Where an earlier try made
// the copy it may have put the sidecar, too, and have deleted the old one: then
// only that one knows the attributes.
func (v *Volume) putMovedSidecar(ctx context.Context, c *change) error {
	if c.adopted {
		there, err := v.lookSidecar(ctx, c.To)
		if err != nil {
			return err
		}
		if there != nil {
			if doc, err := sidecar.Parse(there.text); err == nil && bytes.Equal(doc.IV, c.ver.iv) {
				c.ver.setSidecar(there.info)
				return nil
			}
		}
	}
	return v.putSidecar(ctx, c.ver, c.To, store.Condition{IfNone: true})
}

// copyObject makes the object under its new name, or finds that an earlier try did.
func (v *Volume) copyObject(ctx context.Context, c *change) error {
	info, err := v.store.Head(ctx, c.Path)
	if errors.Is(err, store.ErrNotExist) {
		return v.adoptCopy(ctx, c, err)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", c.Path, err)
	}
	if side := c.replacedSidecar(); side != "" {
		if err := v.deleteSidecar(ctx, c.replaces, c.To, side); err != nil {
			return err
		}
		c.replaces.setSidecar(sideInfo{})
	}
	attr := store.Attributes{ContentType: info.ContentType, Metadata: maps.Clone(info.Metadata)}
	if !c.ver.foreign() {
		if attr.Metadata == nil {
			attr.Metadata = make(map[string]string)
		}
		maps.Copy(attr.Metadata, c.ver.object().Encode())
		if obj, ok, _ := sidecar.ParseObject(info.Metadata); ok {
			attr.Metadata["mcfs-check"] = obj.Check
		}
	}
	cond := store.Condition{IfNone: true}
	if c.replaces != nil {
		if _, etag := c.replaces.place(); etag != "" {
			cond = store.Condition{IfMatch: etag}
		}
	}
	made, err := v.store.Copy(ctx, store.Copy{
		Source: c.Path, SourceIfMatch: info.ETag, Target: c.To, Size: info.Size, Attributes: attr, Condition: cond,
	})
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrConflict) {
		return v.adoptCopy(ctx, c, err)
	}
	if err != nil {
		return fmt.Errorf("copy %s to %s: %w", c.Path, c.To, err)
	}
	c.ver.moved(c.To, made.ETag, sideInfo{})
	return nil
}

func (c *change) replacedSidecar() string {
	if c.replaces == nil {
		return ""
	}
	if key, _ := c.replaces.place(); key != c.To {
		return ""
	}
	return c.replaces.sidecar().etag
}

// adoptCopy settles an unclear copy by looking: our IV at the target means that it was made.
func (v *Volume) adoptCopy(ctx context.Context, c *change, cause error) error {
	info, err := v.store.Head(ctx, c.To)
	if err != nil {
		return errors.Join(cause, err)
	}
	if c.ver.foreign() {
		if info.Size != c.ver.cipher {
			return cause
		}
		c.ver.moved(c.To, info.ETag, sideInfo{})
		return nil
	}
	obj, ok, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !ok || string(obj.IV) != string(c.ver.iv) {
		return fmt.Errorf("rename %s to %s: another version stands there: %w", c.Path, c.To, cause)
	}
	c.adopted = true
	c.ver.moved(c.To, info.ETag, sideInfo{})
	return nil
}

// rewriteSidecar puts the sidecar again with the attributes of now.
func (v *Volume) rewriteSidecar(ctx context.Context, c *change) error {
	v.mu.Lock()
	if v.attrs[c.node] == c {
		delete(v.attrs, c.node) // what changes from now on is another change
	}
	v.mu.Unlock()
	ver := c.ver
	if n := c.node; n != nil {
		n.mu.Lock()
		current, attr := n.ver == ver, n.attr
		n.mu.Unlock()
		if !current {
			return nil // a newer version was committed with its attributes
		}
		c.attr = attr
	}
	ver.mu.Lock()
	ver.attr = c.attr
	side := ver.side.etag
	ver.mu.Unlock()
	if !ver.hasSidecar() {
		return v.restateLink(ctx, c)
	}
	key, _ := ver.place()
	cond := store.Condition{IfMatch: side}
	if side == "" {
		// Removed meanwhile, and its sidecar with it, or never published.
		if ours, err := v.isOurs(ctx, ver, key); err != nil || !ours {
			return err
		}
		cond = store.Condition{IfNone: true}
	}
	return v.putSidecar(ctx, ver, key, cond)
}
