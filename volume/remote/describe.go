package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// Listing is what a listing said of an object and of its sidecar.
type Listing struct {
	Key      string
	ETag     string
	Size     int64
	Modified time.Time
	Sidecar  Sidecar
	// SidecarUnknown: nobody has looked for a sidecar, so that there may be one.
	SidecarUnknown bool
}

// ListingOf is what one look at an object says, where nobody has looked for its sidecar.
func ListingOf(info store.Info) Listing {
	return Listing{Key: info.Key, ETag: info.ETag, Size: info.Size, Modified: info.Modified, SidecarUnknown: true}
}

// Listed is the version of which nothing is known but what a listing said: enough to
// remove or replace it.
func Listed(l Listing) *Version {
	return NewVersion(Content{Cipher: l.Size}, State{Key: l.Key, ETag: l.ETag, Modified: l.Modified, Sidecar: l.Sidecar})
}

// Load gives the description of an object that was listed, from the store where it is
// not remembered. It fails where the store gives no answer, or has no such object.
func (c *Client) Load(ctx context.Context, l Listing) (*Version, error) {
	if x := c.recall(l); x != nil {
		return x, nil
	}
	x, err := c.Describe(ctx, l)
	if err == nil {
		x.FromStore = true
		c.Remember(x)
	}
	return x, err
}

// LoadMoving describes an object that is on its way between places, given oldest first.
// The new sidecar is put before the old one goes, so that looking from the newest place
// back finds one; a look that meets neither comes again.
func (c *Client) LoadMoving(ctx context.Context, places []string) (*Version, error) {
	var bare *Version
	for range 4 {
		bare = nil
		for i := len(places) - 1; i >= 0; i-- {
			x, err := c.Load(ctx, Listing{Key: places[i], SidecarUnknown: true})
			if errors.Is(err, store.ErrNotExist) {
				continue
			}
			if err != nil || !x.Sidecar().IsNone() {
				return x, err
			}
			bare = x
		}
	}
	if bare == nil {
		return nil, fmt.Errorf("describe %s: %w", places[len(places)-1], store.ErrNotExist)
	}
	return bare, nil
}

// Describe asks the store: one GET of the sidecar where there may be one, else one HEAD.
// What is malformed, or belongs to another object, gives a version that can be listed but
// not read (Damage). It fails where the store gives no answer, or has no such object.
func (c *Client) Describe(ctx context.Context, l Listing) (*Version, error) {
	x, err := c.ask(ctx, l)
	if err != nil && !isOpen(ctx, err) { // it may have been well when it left the store: damage is remembered
		x, err = c.ask(ctx, l)
	}
	if err != nil && isOpen(ctx, err) {
		return nil, fmt.Errorf("describe %s: %w", l.Key, err)
	}
	if err != nil {
		c.log.Error("file cannot be read", "path", l.Key, "cause", err)
		x.Plain, x.Damage = x.Cipher, err
	}
	return x, nil
}

// isOpen reports whether an error says nothing of the object: it may pass, or the caller
// has given up.
func isOpen(ctx context.Context, err error) bool { return IsTransient(err) || ctx.Err() != nil }

// ask gives as much of the description as could be had, also with an error. Nobody else
// has the version yet.
func (c *Client) ask(ctx context.Context, l Listing) (*Version, error) {
	x := Listed(l)
	x.now.Sidecar = Sidecar{} // until it has been read
	x.now.Attr = sidecar.Attr{Mode: fileBits | 0o644, UID: c.o.UID, GID: c.o.GID, Mtime: l.Modified}
	if l.Sidecar.ETag != "" || l.SidecarUnknown {
		return x, c.askSidecar(ctx, x)
	}
	return x, c.askObject(ctx, x)
}

// askSidecar believes the sidecar if its hint names the object's ETag, else if its IV is the object's.
func (c *Client) askSidecar(ctx context.Context, x *Version) error {
	there, err := c.LookSidecar(ctx, x.now.Key)
	if err != nil {
		return err
	}
	if there == nil {
		return c.askObject(ctx, x)
	}
	doc, err := sidecar.Parse(there.Text)
	if err != nil {
		return c.askSymlink(ctx, x, fmt.Errorf("sidecar: %w", err))
	}
	meta, whole, err := sidecar.ParseMeta(there.Metadata)
	if err != nil {
		return fmt.Errorf("sidecar metadata: %w", err)
	}
	if !whole || meta.ETag != x.now.ETag {
		believed, err := c.compareObject(ctx, x, doc)
		if err != nil || !believed {
			return err
		}
	}
	if x.Mode, err = crypt.ParseMode(doc.Mode); err != nil {
		return fmt.Errorf("sidecar: %w", err)
	}
	x.IV, x.MAC = doc.IV, meta.MAC
	x.now.Wrapped, x.now.KeyID, x.now.Region = doc.Key, meta.KeyID, doc.Region
	c.noteAddress(x.now.Key, doc.FileInput)
	x.now.Sidecar, x.now.Job = there.Sidecar, meta.Job
	addStated(&x.now.Attr, meta.Attr)
	x.byTime = meta.Attr.Mtime.IsZero()
	if whole {
		x.Plain = meta.Size
		return nil
	}
	return c.deriveSize(ctx, x)
}

// askSymlink describes an object beside which something stands that is called as its
// sidecar is and is none: a symlink has no sidecar, so that may be anybody's file. Of any
// other object the cause says why it cannot be described.
func (c *Client) askSymlink(ctx context.Context, x *Version, cause error) error {
	info, err := c.store.Head(ctx, x.now.Key)
	if err != nil {
		return err
	}
	if attr, err := sidecar.ParseAttr(info.Metadata); err != nil || attr.Mode&typeBits != symlinkBits {
		return cause
	}
	return c.askObject(ctx, x)
}

// compareObject looks at the object itself. A sidecar with another IV is not believed:
// then x is what the object says of itself.
func (c *Client) compareObject(ctx context.Context, x *Version, doc sidecar.Settings) (believed bool, err error) {
	info, err := c.store.Head(ctx, x.now.Key)
	if err != nil {
		return false, err
	}
	x.Cipher, x.now.ETag, x.now.Modified = info.Size, info.ETag, info.Modified
	obj, err := statedBy(info.Metadata)
	if err != nil {
		return false, fmt.Errorf("object metadata: %w", err)
	}
	if obj.agrees(strings.TrimPrefix(doc.Mode, "AES_"), doc.IV) { // or is silent: the sidecar is all there is
		x.now.Check = obj.Check
		return true, nil
	}
	c.log.Warn("sidecar belongs to another object and is ignored", "path", x.now.Key)
	if obj.lacks != nil {
		return false, fmt.Errorf("object metadata: %w", obj.lacks)
	}
	return false, c.takeObject(ctx, x, obj.Object, info.Metadata)
}

// askObject describes an object that has no sidecar by its own metadata.
func (c *Client) askObject(ctx context.Context, x *Version) error {
	info, err := c.store.Head(ctx, x.now.Key)
	if err != nil {
		return err
	}
	x.Cipher, x.now.ETag, x.now.Modified = info.Size, info.ETag, info.Modified
	x.now.Attr.Mtime = info.Modified
	x.byTime = true
	if info.Answered.Sub(info.Modified) < sameTime {
		x.recheck = RecheckSoon
	}
	obj, ours, err := sidecar.ParseObject(info.Metadata)
	if err != nil { // nothing beside it says what is missing
		return fmt.Errorf("object metadata: %w", err)
	}
	if !ours {
		x.Plain = info.Size
		return nil
	}
	if attr, err := sidecar.ParseAttr(info.Metadata); err == nil && attr.Mode&typeBits == symlinkBits {
		x.now.Attr = attr // a symlink states its attributes itself
	}
	return c.takeObject(ctx, x, obj, info.Metadata)
}

// takeObject takes over what the object states of itself by its metadata, which has been
// read, and may state what a sidecar would.
func (c *Client) takeObject(ctx context.Context, x *Version, obj sidecar.Object, metadata map[string]string) error {
	mode, err := crypt.ParseMode(obj.Mode)
	if err != nil {
		return fmt.Errorf("object metadata: %w", err)
	}
	x.Mode, x.IV = mode, obj.IV
	x.now.Wrapped, x.now.KeyID, x.now.Check = obj.Key, obj.KeyID, obj.Check
	if x.WantsSidecar() && x.takeStated(metadata) {
		return nil
	}
	return c.deriveSize(ctx, x)
}

// deriveSize finds the plaintext's size from the ciphertext's: by arithmetic, or in CBC
// from the padding of the last block.
func (c *Client) deriveSize(ctx context.Context, x *Version) error {
	size, exact, err := x.Mode.PlainSize(x.Cipher)
	if err != nil {
		return err
	}
	x.Plain = size
	if exact {
		return nil
	}
	key, err := c.o.Unwrap(ctx, x.now.Wrapped, x.now.KeyID)
	if err != nil {
		return err
	}
	defer clear(key)
	x.Plain, err = c.o.Fetch.PlainSize(ctx, x.Fetchable(), key)
	return err
}
