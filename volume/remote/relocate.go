package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"mcfs/sidecar"
	"mcfs/store"
)

// Relocation is the rename of one object, over all its tries. Who asks for it sets what is
// exported before each try, and reads Version and Replaces after it.
type Relocation struct {
	From, To string
	Version  *Version // what is renamed. Another one after a try has met what another machine saved
	Queued   *Version // what was asked to be renamed, which may arrive only now; nil: Version
	Replaces *Version // what the object replaces at To; nil: nothing
	// NoSidecarFrom, NoSidecarTo: nobody is to see the object under that name, which has none.
	NoSidecarFrom, NoSidecarTo bool

	Recovered bool // an earlier mount may have begun it
	Retried   bool // this one has

	Moved func(n int64) // is told of steps, and of bytes copied
	// Copied is called, if it is not nil, before the original goes: of what it was, by key
	// and ETag, "" if an earlier try made the copy. Its error ends the try.
	Copied func(key, etag string) error
	// AttrChanged is told, if it is not nil, of attributes that another machine has set under
	// the old name, and that have gone along, and of those that only an earlier try knew.
	AttrChanged func(before, now sidecar.Attr)

	itself *sidecar.Attr // what the copy states in place of a sidecar, and gets none; nil: it states nothing
	found  bool          // the copy was there already: an earlier try made it
	copied bool          // the object stands under the new name: this relocation, and no other, has brought it there
	source *Version      // what is to be removed under the old name, once the copy stands
}

// IsCopied reports whether the object stands under the new name.
func (r *Relocation) IsCopied() bool { return r.copied }

// Source returns what stood under the old name when it was copied; nil where that is not known.
func (r *Relocation) Source() *Version { return r.source }

// Relocate copies on the server and then deletes, in the order that keeps every sidecar
// true (P3): the target's sidecar, copy, new sidecar, old sidecar, old object. It may be
// repeated after any failure, and by the next mount. store.ErrNotExist: neither the object
// nor its copy is there. ErrTaken: another machine has saved To.
func (c *Client) Relocate(ctx context.Context, r *Relocation) error {
	if !r.copied {
		if err := c.copyObject(ctx, r); err != nil {
			return err
		}
		r.copied = true
		r.step()
	}
	if r.Copied != nil && r.source != nil {
		_, etag := r.source.Place()
		if err := r.Copied(r.From, etag); err != nil {
			return err
		}
	}
	if r.wantsSidecar() {
		if err := c.putMovedSidecar(ctx, r); err != nil {
			return err
		}
		r.step()
	}
	if r.source == nil {
		x := r.Version
		r.source = NewVersion(Content{Mode: x.Mode, IV: x.IV}, State{Attr: x.Attr()})
	}
	if r.NoSidecarFrom {
		return c.deleteIfThere(ctx, r.From)
	}
	_, err := c.Remove(ctx, r.source, r.From, func(there *FoundSidecar) error { return c.takeAlong(ctx, r, there) })
	return err
}

// CopyAside copies the object, with a sidecar of its own, and leaves the original where it
// is, for something else to replace it. Its errors are those of Relocate.
func (c *Client) CopyAside(ctx context.Context, r *Relocation) error {
	if err := c.copyObject(ctx, r); err != nil || !r.wantsSidecar() {
		return err
	}
	return c.putMovedSidecar(ctx, r)
}

func (r *Relocation) step() {
	if r.Moved != nil {
		r.Moved(1)
	}
}

// takeAlong takes attributes along that another machine has set under the old name.
func (c *Client) takeAlong(ctx context.Context, r *Relocation, there *FoundSidecar) error {
	now := r.Version.State()
	doc, meta, err := there.Stated(now.Attr)
	if err != nil {
		return nil // it says nothing that could be taken along
	}
	if now.Sidecar.ETag == "" && r.itself == nil && !r.NoSidecarTo {
		return nil // another machine has saved the new name meanwhile, and has a sidecar there
	}
	changed := r.Version.takeKey(doc, meta.KeyID)
	changed = r.Version.takeJob(meta.Job) || changed
	if r.NoSidecarTo {
		r.Version.SetAttr(meta.Attr) // for the sidecar at the end of the way
	} else if cond, put := r.carried(now.Sidecar.ETag, meta.Attr, changed); put {
		if err := c.putAttr(ctx, r.Version, r.To, meta.Attr, cond); err != nil && !Refused(err) {
			return err
		}
	}
	if r.AttrChanged != nil {
		r.AttrChanged(now.Attr, meta.Attr)
	}
	return nil
}

// putMovedSidecar puts the sidecar beside the copy. Where an earlier try made the copy it
// may have put the sidecar, too, and have deleted the old one: then only that one knows the
// attributes.
func (c *Client) putMovedSidecar(ctx context.Context, r *Relocation) error {
	if r.found {
		there, err := c.LookSidecar(ctx, r.To)
		if err != nil {
			return err
		}
		if there.IsOf(r.Version) {
			c.takeSidecar(r.Version, there)
			return nil
		}
	}
	return c.PutSidecar(ctx, r.Version, r.To, store.Condition{IfNone: true}, nil)
}

// copyObject makes the object under its new name, or finds that an earlier try did.
func (c *Client) copyObject(ctx context.Context, r *Relocation) error {
	for range MaxLooks {
		info, err := c.store.Head(ctx, r.From)
		if errors.Is(err, store.ErrNotExist) {
			return c.findCopy(ctx, r, err)
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", r.From, err)
		}
		if !r.Version.Is(info) {
			if r.turnTo(info) {
				continue
			}
			if r.Recovered { // an earlier mount had moved it, and its old name has another file since
				return c.findCopy(ctx, r, store.ErrNotExist)
			}
			if err := c.takeNewer(ctx, r, info); err != nil {
				return err
			}
		}
		if done, err := c.copyOnce(ctx, r, info); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("copy %s to %s: %w", r.From, r.To, errKeepsChanging)
}

// turnTo makes the version that stands under the old name the one that is renamed, if it is
// one that this machine has put there.
func (r *Relocation) turnTo(info store.Info) bool {
	if r.Queued != nil && r.Queued.Is(info) {
		r.Version = r.Queued // it has arrived after all
		return true
	}
	fallback := r.Version.FallbackThatIs(info)
	if fallback == nil {
		return false
	}
	fallback.Moved(r.From, info.ETag, fallback.Sidecar())
	r.Version = fallback // the commit under way, which was to replace it, never arrived
	return true
}

// takeNewer takes along what another machine has saved under the name that is being
// renamed: the rename was of the name.
func (c *Client) takeNewer(ctx context.Context, r *Relocation, info store.Info) error {
	l := ListingOf(info)
	l.Key = r.From
	newer, err := c.Load(ctx, l)
	if err != nil {
		return err
	}
	if newer.Damage != nil {
		return newer.Damage
	}
	c.log.Warn("another machine saved a file while it was renamed here; the newer version is moved", "path", r.From, "to", r.To)
	r.Version = newer
	return nil
}

// copyOnce withdraws the target's sidecar and copies. Neither done nor an error: something
// has changed, and it may be tried again.
func (c *Client) copyOnce(ctx context.Context, r *Relocation, info store.Info) (done bool, err error) {
	x := r.Version
	now := x.State()
	r.source = NewVersion(Content{Mode: x.Mode, IV: x.IV, Cipher: x.Cipher},
		State{Attr: now.Attr, Key: r.From, ETag: info.ETag, Sidecar: now.Sidecar})
	if side, wanted := r.replacedSidecar(); wanted {
		if err := c.DeleteSidecar(ctx, r.Replaces, r.To, side, nil); err != nil {
			return false, err
		}
		r.Replaces.SetSidecar(Sidecar{})
	}
	attr, err := c.copyAttributes(ctx, r, info)
	if err != nil {
		return false, fmt.Errorf("copy %s to %s: %w", r.From, r.To, err)
	}
	made, err := c.store.Copy(ctx, store.Copy{
		Source: r.From, SourceIfMatch: info.ETag, Target: r.To, Size: info.Size,
		Attributes: attr, Condition: r.onTarget(), Moved: r.Moved,
	})
	if err == nil {
		x.Moved(r.To, made.ETag, Sidecar{Itself: r.itself})
		return true, c.confirmItself(ctx, r)
	}
	// No such upload: it was completed, and the answer to that got lost.
	if !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNoUpload) {
		return false, fmt.Errorf("copy %s to %s: %w", r.From, r.To, err)
	}
	return c.judgeCopy(ctx, r, attr, err)
}

// onTarget guards the copy: it replaces what this machine knows to be there, or nothing.
func (r *Relocation) onTarget() store.Condition {
	if r.Replaces != nil {
		if _, etag := r.Replaces.Place(); etag != "" {
			return store.Condition{IfMatch: etag}
		}
	}
	return store.Condition{IfNone: true}
}

// replacedSidecar is the ETag of the target's sidecar. It is not known after a crash, nor
// where the move of a directory has brought the target to its name.
func (r *Relocation) replacedSidecar() (etag string, wanted bool) {
	if r.Replaces == nil {
		return "", false
	}
	if key, _ := r.Replaces.Place(); key == r.To {
		etag = r.Replaces.Sidecar().ETag
		return etag, etag != "" || r.Recovered && r.Replaces.WantsSidecar()
	}
	return "", r.Replaces.WantsSidecar()
}

// judgeCopy looks at the target of a copy that was refused. Neither done nor an error: it
// may be tried again. What states no IV is known by all else that the copy has.
func (c *Client) judgeCopy(ctx context.Context, r *Relocation, attr store.Attributes, cause error) (done bool, err error) {
	info, ours, err := c.Find(ctx, r.Version, r.To)
	fallback := r.Replaces.FallbackThatIs(info)
	switch {
	case err != nil:
		return false, errors.Join(cause, err)
	case ours, (r.Recovered || r.Retried) && r.isCopy(info, attr):
		c.takeCopy(r, info)
		return true, nil
	case info.ETag == "": // removed elsewhere
		r.Replaces = nil
		return false, nil
	case r.Replaces != nil && r.Replaces.Is(info): // under another ETag
		r.Replaces.Moved(r.To, info.ETag, r.Replaces.Sidecar())
		return false, nil
	case fallback != nil: // what was to come there before never arrived
		r.Replaces = fallback
		fallback.Moved(r.To, info.ETag, fallback.Sidecar())
		return false, nil
	case r.onTarget() == store.Condition{IfMatch: info.ETag}:
		return false, nil // the source has changed
	}
	return false, fmt.Errorf("rename %s to %s: %w", r.From, r.To, ErrTaken)
}

// isCopy reports whether an object is what a copy with these attributes makes, as far as it
// can be told of one that states no IV.
func (r *Relocation) isCopy(info store.Info, attr store.Attributes) bool {
	return info.ETag != "" && info.Size == r.Version.Cipher && attr.Metadata[sidecar.KeyIV] == "" && maps.Equal(info.Metadata, attr.Metadata)
}

// findCopy looks whether an earlier try made the copy, now that the source is gone.
func (c *Client) findCopy(ctx context.Context, r *Relocation, cause error) error {
	info, err := c.store.Head(ctx, r.To)
	if errors.Is(err, store.ErrNotExist) {
		return errors.Join(cause, err)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", r.To, err)
	}
	if r.Version.Foreign() {
		if info.Size != r.Version.Cipher {
			return cause
		}
		r.Version.Moved(r.To, info.ETag, Sidecar{})
		return nil
	}
	ours, err := c.standsAt(ctx, r.Version, r.To, info)
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("rename %s to %s: the source is gone: %w", r.From, r.To, cause)
	}
	c.takeCopy(r, info)
	return nil
}
