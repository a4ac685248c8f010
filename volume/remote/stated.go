package remote

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
	lacks error // it is one of ours, and this is missing
}

// statedBy reads an object's metadata; what is malformed there is an error.
func statedBy(metadata map[string]string) (stated, error) {
	obj, _, err := sidecar.ParseObject(metadata)
	if errors.Is(err, sidecar.ErrIncomplete) {
		return stated{Object: obj, lacks: err}, nil
	}
	return stated{Object: obj}, err
}

// agrees reports whether nothing that is stated contradicts this mode and IV.
func (s stated) agrees(mode string, iv []byte) bool {
	return (s.Mode == "" || s.Mode == mode) && (len(s.IV) == 0 || bytes.Equal(s.IV, iv))
}

// copyAttributes restates what the object that is renamed is born with, and under a local-only
// name what its sidecar does. What it lacks it gets back; where that takes a key which cannot
// be had, it goes as it is, and its sidecar has the rest as before.
func (c *Client) copyAttributes(ctx context.Context, r *Relocation, info store.Info) (store.Attributes, error) {
	x := r.Version
	attr := store.Attributes{ContentType: info.ContentType, Metadata: maps.Clone(info.Metadata)}
	if r.itself = nil; x.Foreign() {
		return attr, nil
	}
	sidecar.TakeFrom(attr.Metadata)
	if obj, err := statedBy(info.Metadata); err == nil && obj.Check != "" {
		x.NoteCheck(obj.Check)
	}
	object := x.Object()
	if object.Check == "" && x.WantsSidecar() {
		check, err := c.fileCheck(ctx, x)
		if err != nil {
			return attr, err
		}
		x.NoteCheck(check)
		object.Check = check
	}
	if object.Validate() != nil {
		return attr, nil
	}
	if attr.Metadata == nil {
		attr.Metadata = make(map[string]string)
	}
	maps.Copy(attr.Metadata, object.Encode())
	if c.wantsNone(r) {
		r.stateItself(attr.Metadata)
	}
	return attr, nil
}

// fileCheck computes the check of a file whose object states none; "" without an error: it
// cannot be told, for want of the key, or because what the sidecar says is not so.
func (c *Client) fileCheck(ctx context.Context, x *Version) (string, error) {
	wrapped, keyID := x.DataKey()
	key, err := c.o.Unwrap(ctx, wrapped, keyID)
	if errors.Is(err, keys.ErrUnavailable) || ctx.Err() != nil {
		return "", err
	}
	if err != nil {
		return "", nil
	}
	defer clear(key)
	g, err := crypt.NewIntegrity(x.Mode, key, x.IV)
	if err != nil {
		return "", nil
	}
	defer g.Wipe()
	if x.MAC != "" && g.VerifySize(x.MAC, x.Plain) != nil {
		return "", nil
	}
	return g.Check(), nil
}
