package remote

import (
	"bytes"
	"context"
	"fmt"

	"mcfs/sidecar"
	"mcfs/store"
)

// addStated takes what a sidecar's metadata states; a hand-made one may state nothing.
func addStated(to *sidecar.Attr, from sidecar.Attr) {
	if from.Mode != 0 {
		to.Mode = fileBits | from.Mode&0o7777
		to.UID, to.GID = from.UID, from.GID
	}
	if !from.Mtime.IsZero() {
		to.Mtime = from.Mtime
	}
	to.Xattr = from.Xattr
}

// Differ reports whether a and b state different attributes.
func Differ(a, b sidecar.Attr) bool {
	if a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || !a.Mtime.Equal(b.Mtime) || len(a.Xattr) != len(b.Xattr) {
		return true
	}
	for k, v := range a.Xattr {
		if w, ok := b.Xattr[k]; !ok || !bytes.Equal(v, w) {
			return true
		}
	}
	return false
}

// AttrChange is a change of a version's attributes that its sidecar is to state.
type AttrChange struct {
	Version *Version
	Attr    sidecar.Attr
	Tries   int // how many have failed before
	// Merged, if there is one, is told what the sidecar states in the end, where another
	// machine has changed attributes, too.
	Merged func(sidecar.Attr)
}

// PutAttr puts the sidecar again with other attributes. Where another machine has put one
// meanwhile, what was changed here goes over what that one states: of the same version,
// or of a newer one, whose sidecar stays true. A version that was removed elsewhere is no
// error; one that is about to be replaced is ErrUnavailable, until it is.
func (c *Client) PutAttr(ctx context.Context, a AttrChange) error {
	now := a.Version.State()
	if c.isStated(a, now.Key) {
		return nil
	}
	if now.Sidecar.ETag != "" {
		err := c.putAttr(ctx, a.Version, now.Key, a.Attr, store.Condition{IfMatch: now.Sidecar.ETag})
		if !Refused(err) {
			return err
		}
	}
	for range MaxLooks {
		there, err := c.LookSidecar(ctx, now.Key)
		if err != nil {
			return err
		}
		if there == nil {
			err = c.putMissing(ctx, a, now.Key)
		} else {
			err = c.putMerged(ctx, a, now.Key, now.Attr, there)
		}
		if !Refused(err) {
			return err
		}
	}
	return fmt.Errorf("put sidecar of %s: %w", now.Key, errKeepsChanging)
}

// putAttr puts the sidecar of x with other attributes, under a condition.
func (c *Client) putAttr(ctx context.Context, x *Version, key string, attr sidecar.Attr, cond store.Condition) error {
	meta := x.meta()
	meta.Attr = attr
	side, err := c.putDocument(ctx, key, c.settings(x, key), meta, cond)
	if err != nil {
		return err
	}
	x.SetAttr(attr)
	x.sidecarPut(side)
	c.Remember(x)
	return nil
}

// putMissing puts the sidecar where there is none, if the object is still ours. Beside
// another machine's object its sidecar is about to appear: that one is waited for.
func (c *Client) putMissing(ctx context.Context, a AttrChange, key string) error {
	info, ours, err := c.Find(ctx, a.Version, key)
	switch {
	case err != nil:
		return err
	case ours && (a.Version.Sidecar().ETag == "" || a.Tries > 2): // nobody is about to replace the object
		return c.putAttr(ctx, a.Version, key, a.Attr, store.Condition{IfNone: true})
	case info.ETag == "" || a.Tries > 6:
		return nil // removed elsewhere, or left without a sidecar
	}
	return fmt.Errorf("the sidecar of %s is on its way: %w", key, store.ErrUnavailable)
}

// putMerged puts a sidecar that another machine has put again, with our changes.
func (c *Client) putMerged(ctx context.Context, a AttrChange, key string, base sidecar.Attr, there *FoundSidecar) error {
	x := a.Version
	doc, meta, err := there.Stated(base)
	if err != nil {
		return err
	}
	ours := there.IsOf(x)
	if _, whole := there.Metadata[sidecar.KeySize]; !whole {
		if !ours {
			return nil // made by hand, of a version of which nothing is known here: its size cannot be stated
		}
		own := x.meta()
		meta.ETag, meta.Size, meta.MAC = own.ETag, own.Size, own.MAC
	}
	meta.Attr = sidecar.Merge(base, a.Attr, meta.Attr)
	doc.FileInput = c.store.Address(key)
	side, err := c.putDocument(ctx, key, doc, meta, store.Condition{IfMatch: there.ETag})
	if err != nil || !ours {
		return err
	}
	x.mu.Lock()
	x.now.Attr, x.now.Job = meta.Attr, meta.Job
	x.now.Wrapped, x.now.KeyID, x.now.Region = doc.Key, meta.KeyID, doc.Region // somebody may have rewrapped it
	x.mu.Unlock()
	x.sidecarPut(side)
	c.Remember(x)
	if a.Merged != nil {
		a.Merged(meta.Attr)
	}
	return nil
}
