package volume

import (
	"bytes"
	"context"
	"errors"
	"maps"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
)

// Programs that copy a bucket take sidecars along, which are objects, and often no metadata,
// or only some. What an object does not state of itself its sidecar says. Nothing is
// gained by that for who may write the bucket: he can take all of it away (docs/security.md).

// stated is what an object states of itself: nothing, all, or some of it.
type stated struct {
	sidecar.Object
	whole bool  // it is one of ours, and nothing is missing
	lacks error // it is one of ours, and this is missing
}

// statedBy reads an object's metadata; what is malformed there is an error.
func statedBy(metadata map[string]string) (stated, error) {
	obj, ours, err := sidecar.ParseObject(metadata)
	if errors.Is(err, sidecar.ErrIncomplete) {
		return stated{Object: obj, lacks: err}, nil
	}
	return stated{Object: obj, whole: ours}, err
}

// agrees reports whether nothing that is stated contradicts this mode and IV.
func (s stated) agrees(mode string, iv []byte) bool {
	return (s.Mode == "" || s.Mode == mode) && (len(s.IV) == 0 || bytes.Equal(s.IV, iv))
}

// movedAttributes restates what the object is born with. What it lacks it gets back; where
// that takes a key which cannot be had, it goes as it is, and its sidecar as before has the rest.
func (v *Volume) movedAttributes(ctx context.Context, c *change, info store.Info) (store.Attributes, error) {
	attr := store.Attributes{ContentType: info.ContentType, Metadata: maps.Clone(info.Metadata)}
	if c.itself = nil; c.ver.foreign() {
		return attr, nil
	}
	sidecar.TakeFrom(attr.Metadata)
	if obj, err := statedBy(info.Metadata); err == nil && obj.Check != "" {
		c.ver.proven(obj.Check)
	}
	object := c.ver.object()
	if object.Check == "" && c.ver.hasSidecar() {
		check, err := v.fileCheck(ctx, c.ver)
		if err != nil {
			return attr, err
		}
		c.ver.proven(check)
		object.Check = check
	}
	if object.Validate() != nil {
		return attr, nil
	}
	if attr.Metadata == nil {
		attr.Metadata = make(map[string]string)
	}
	maps.Copy(attr.Metadata, object.Encode())
	if v.wantsNone(c) {
		c.stateItself(attr.Metadata)
	}
	return attr, nil
}

// fileCheck computes the check of a file whose object states none; "" without an error: it
// cannot be told, for want of the key, or because what the sidecar says is not so.
func (v *Volume) fileCheck(ctx context.Context, x *version) (string, error) {
	wrapped, keyID := x.dataKey()
	key, err := v.unwrap(ctx, wrapped, keyID)
	if errors.Is(err, keys.ErrUnavailable) || ctx.Err() != nil {
		return "", err
	}
	if err != nil {
		return "", nil
	}
	defer clear(key)
	g, err := crypt.NewIntegrity(x.mode, key, x.iv)
	if err != nil {
		return "", nil
	}
	defer g.Wipe()
	if f := x.fetchable(); f.MAC != "" && g.VerifySize(f.MAC, f.Plain) != nil {
		return "", nil
	}
	return g.Check(), nil
}

// standsAt reports whether an object that was found at key is x, by the IV that it states
// or, where it states none, by that of the sidecar beside it.
func (v *Volume) standsAt(ctx context.Context, x *version, key string, info store.Info) (bool, error) {
	obj, err := statedBy(info.Metadata)
	if err != nil || len(obj.IV) > 0 {
		return err == nil && bytes.Equal(obj.IV, x.iv), nil
	}
	there, err := v.lookSidecar(ctx, key)
	if err != nil || there == nil {
		return false, err
	}
	doc, err := sidecar.Parse(there.text)
	return err == nil && bytes.Equal(doc.IV, x.iv), nil
}
