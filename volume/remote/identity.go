package remote

import (
	"bytes"
	"context"
	"errors"

	"mcfs/sidecar"
	"mcfs/store"
)

// likeness is what an IV says of an object or a sidecar: whether it is a version's.
type likeness uint8

const (
	unstated likeness = iota // there is no IV to go by, on one side or the other
	same
	other
)

// compare is the one answer to whether an IV is the version's.
func (x *Version) compare(iv []byte) likeness {
	switch {
	case len(iv) == 0 || len(x.IV) == 0:
		return unstated
	case bytes.Equal(iv, x.IV):
		return same
	}
	return other
}

// Is reports whether an object that was looked at is the version. The IV tells, or the
// ETag where one of the two has no IV: a foreign object, one that was only listed, one
// that has lost its metadata.
func (x *Version) Is(info store.Info) bool {
	if obj, err := statedBy(info.Metadata); err == nil {
		if l := x.compare(obj.IV); l != unstated {
			return l == same
		}
	}
	_, etag := x.Place()
	return etag != "" && info.ETag == etag
}

// Matches reports whether an object with that metadata can be the version: nothing that
// it states says otherwise, neither IV nor mode nor, for its type, the check.
func (x *Version) Matches(metadata map[string]string) bool {
	obj, err := statedBy(metadata)
	if err != nil || x.Foreign() {
		return err == nil
	}
	check := x.State().Check
	return obj.agrees(x.Mode.String(), x.IV) && (obj.Check == "" || check == "" || obj.Check == check)
}

// IsSame reports whether both are descriptions of the same content, or of foreign objects.
func (x *Version) IsSame(y *Version) bool {
	return bytes.Equal(x.IV, y.IV) && x.Foreign() == y.Foreign()
}

// Find looks what stands at key, and whether that is the version. It gives the zero Info
// where there is no object, and the store's error.
func (c *Client) Find(ctx context.Context, x *Version, key string) (info store.Info, ours bool, err error) {
	info, err = c.store.Head(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return store.Info{}, false, nil
	}
	if err != nil {
		return store.Info{}, false, err
	}
	return info, x.Is(info), nil
}

// IsAt looks whether the object at key is the version. It gives the store's error.
func (c *Client) IsAt(ctx context.Context, x *Version, key string) (bool, error) {
	_, ours, err := c.Find(ctx, x, key)
	return ours, err
}

// standsAt reports whether an object that was found at key is the version, by the IV that
// it states or, where it states none, by that of the sidecar beside it.
func (c *Client) standsAt(ctx context.Context, x *Version, key string, info store.Info) (bool, error) {
	obj, err := statedBy(info.Metadata)
	if err != nil || len(obj.IV) > 0 {
		return err == nil && bytes.Equal(obj.IV, x.IV), nil
	}
	there, err := c.LookSidecar(ctx, key)
	return there.IsOf(x), err
}

// IsOf reports whether a sidecar that was found is the version's; nil is nobody's.
func (f *FoundSidecar) IsOf(x *Version) bool { return f.isOf(x.IV) }

func (f *FoundSidecar) isOf(iv []byte) bool {
	if f == nil {
		return false
	}
	doc, err := sidecar.Parse(f.Text)
	return err == nil && bytes.Equal(doc.IV, iv)
}
