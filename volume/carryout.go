package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/queue"
)

// errUnknownChange: another release of mcfs has journaled it.
var errUnknownChange = errors.New("change is not known")

func (v *Volume) carryOut(ctx context.Context, c *change) error {
	if err := v.awaitArrival(ctx, c); err != nil {
		return err
	}
	switch c.Op {
	case opRemove:
		v.cache.Delete(c.Path)
		return v.removeObject(ctx, c.ver, c.Path, nil)
	case opRename:
		v.cache.Delete(c.Path)
		err := v.renameObject(ctx, c)
		if errors.Is(err, store.ErrNotExist) && v.unarrived(c) {
			return v.forgo(ctx, c)
		}
		return err
	case opDraw:
		return v.drawIn(ctx, c)
	case opLink:
		return v.putLink(ctx, c)
	case opMove:
		return v.moveObjects(ctx, c)
	case opMkdir:
		return v.putMarker(ctx, c)
	case opRmdir:
		v.cache.Delete(c.Path)
		return v.store.Delete(ctx, c.Path, store.Condition{})
	case opAttr:
		return v.rewriteSidecar(ctx, c)
	}
	return fmt.Errorf("%w: %q", errUnknownChange, c.Op)
}

// awaitArrival waits, for as long as settling does, for the object of a commit that was
// under way at a kill: what an earlier mount has queued for it is done to that, and not
// to what it was to replace, if its request is still on its way.
func (v *Volume) awaitArrival(ctx context.Context, c *change) error {
	if !c.again || c.Tries > 0 || c.Op != opRemove && c.Op != opRename && c.Op != opDraw || c.ver.foreign() {
		return nil
	}
	if _, etag := c.ver.place(); etag != "" {
		return nil
	}
	for _, wait := range tardy {
		if ours, err := v.isOurs(ctx, c.ver, c.Path); ours || err != nil {
			return err
		}
		if err := queue.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// renameObject copies on the server and then deletes, in the order that keeps
// every sidecar true: the target's sidecar, copy, new sidecar, old sidecar, old object.
func (v *Volume) renameObject(ctx context.Context, c *change) error {
	if !c.copied {
		if err := v.copyObject(ctx, c); err != nil {
			return err
		}
		c.copied = true
		c.stride.Step(1)
	}
	if err := v.rebase(c); err != nil {
		return err
	}
	if c.wantsSidecar() {
		if err := v.putMovedSidecar(ctx, c); err != nil {
			return err
		}
		c.stride.Step(1)
	}
	if c.source == nil {
		c.source = &version{mode: c.ver.mode, iv: c.ver.iv, attr: c.ver.attr}
	}
	if c.bareOld {
		return v.deleteIfThere(ctx, c.Path)
	}
	return v.removeObject(ctx, c.source, c.Path, func(there *foundSidecar) error { return v.carryAttr(ctx, c, there) })
}

// carryAttr takes attributes along that another machine has set under the old name.
func (v *Volume) carryAttr(ctx context.Context, c *change, there *foundSidecar) error {
	c.ver.mu.Lock()
	base, side := c.ver.attr, c.ver.side.etag
	c.ver.mu.Unlock()
	doc, meta, err := there.stated(base)
	if err != nil {
		return nil // it says nothing that could be taken along
	}
	rewrapped := c.ver.takeKey(doc, meta.KeyID)
	if c.bare {
		c.ver.mu.Lock()
		c.ver.attr = meta.Attr // for the sidecar at the end of the way
		c.ver.mu.Unlock()
		v.mu.Lock()
		v.restateCarriers(c.ver)
		v.mu.Unlock()
	} else if cond, put := c.carried(side, meta.Attr, rewrapped); put {
		if err := v.putAttr(ctx, c.ver, c.To, meta.Attr, cond); err != nil && !refused(err) {
			return err
		}
	}
	v.adoptAttr(c.node, c.ver, base, meta.Attr)
	return nil
}

// carried is how the sidecar of the copy is to be put with what was taken along; not put:
// the copy has none, and states that itself.
func (c *change) carried(side string, attr sidecar.Attr, rewrapped bool) (cond store.Condition, put bool) {
	switch {
	case side != "" || c.itself == nil:
		return store.Condition{IfMatch: side}, true
	case rewrapped || differ(attr, *c.itself):
		return store.Condition{IfNone: true}, true
	}
	return store.Condition{}, false
}

// takeKey takes the key over that a sidecar of the version states, and reports whether it
// is wrapped otherwise than was known.
func (x *version) takeKey(doc sidecar.Settings, keyID string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if bytes.Equal(doc.Key, x.wrapped) {
		return false
	}
	x.wrapped, x.keyID, x.region = doc.Key, keyID, doc.Region
	return true
}

// at is the version as it is known to be at key, apart from where it goes.
func (x *version) at(key string) *version {
	x.mu.Lock()
	defer x.mu.Unlock()
	return &version{mode: x.mode, iv: x.iv, attr: x.attr, cipher: x.cipher, key: key, etag: x.etag, side: x.side}
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
				v.adoptSidecar(c.ver, there)
				return nil
			}
		}
	}
	return v.putSidecar(ctx, c.ver, c.To, store.Condition{IfNone: true}, nil)
}

// errTaken: another machine has saved the name to which something was to go.
var errTaken = errors.New("another machine has saved that name")

// copyObject makes the object under its new name, or finds that an earlier try did.
func (v *Volume) copyObject(ctx context.Context, c *change) error {
	for range maxLooks {
		info, err := v.store.Head(ctx, c.Path)
		if errors.Is(err, store.ErrNotExist) {
			return v.adoptCopy(ctx, c, err)
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", c.Path, err)
		}
		if !c.ver.is(info) {
			if queued := c.carries; queued != nil && queued.is(info) {
				c.ver = queued // it has arrived after all
				continue
			}
			if over := c.ver.before(info); over != nil {
				over.moved(c.Path, info.ETag, over.sidecar())
				c.ver = over // the commit under way, which was to replace it, never arrived
				continue
			}
			if c.again {
				// An earlier mount had moved it, and its old name has another file since.
				return v.adoptCopy(ctx, c, store.ErrNotExist)
			}
			if err := v.followSource(ctx, c, info); err != nil {
				return err
			}
		}
		c.source = c.ver.at(c.Path)
		c.source.etag = info.ETag
		if side, wanted := c.replacedSidecar(); wanted {
			if err := v.deleteSidecar(ctx, c.replaces, c.To, side, nil); err != nil {
				return err
			}
			c.replaces.setSidecar(sideInfo{})
		}
		attr, err := v.movedAttributes(ctx, c, info)
		if err != nil {
			return fmt.Errorf("copy %s to %s: %w", c.Path, c.To, err)
		}
		made, err := v.copyJournaled(ctx, store.Copy{
			Source: c.Path, SourceIfMatch: info.ETag, Target: c.To, Size: info.Size,
			Attributes: attr, Condition: c.onTarget(),
		}, c.stride)
		if err == nil {
			c.ver.moved(c.To, made.ETag, sideInfo{itself: c.itself})
			return v.confirmItself(ctx, c)
		}
		// No such upload: it was completed, and the answer to that got lost.
		if !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNoUpload) {
			return fmt.Errorf("copy %s to %s: %w", c.Path, c.To, err)
		}
		if done, err := v.judgeCopy(ctx, c, attr, err); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("copy %s to %s: %w", c.Path, c.To, errKeepsChanging)
}

// copyJournaled copies; the upload of a copy by parts is in the journal until it
// is over, so that a crash leaves none behind (P5).
func (v *Volume) copyJournaled(ctx context.Context, c store.Copy, s *queue.Stride) (store.Info, error) {
	u, err := v.announce(c.Target)
	if err != nil {
		return store.Info{}, err
	}
	var up store.Upload
	c.Begun = func(begun store.Upload) error {
		up = begun
		return v.uploadAnswered(u, up, nil)
	}
	c.Moved = s.Step
	made, err := v.store.Copy(ctx, c)
	switch {
	case up.ID == "" && err == nil: // it needed no upload
		v.begins.Arrive("")
		v.forgetUpload(store.Upload{ID: u.ID})
	case up.ID == "":
		_ = v.uploadAnswered(u, up, err)
	case err == nil:
		v.forgetUpload(up)
	default:
		v.orphans.Abort(up) // again: the store may have been away when the copy itself tried, or at work on a part
	}
	return made, err
}

// followSource: another machine has saved the name that is being renamed. What
// it saved goes along, under its own key, since the rename was of the name.
func (v *Volume) followSource(ctx context.Context, c *change, info store.Info) error {
	newer, err := v.load(ctx, listing{
		key: c.Path, etag: info.ETag, size: info.Size, modified: info.Modified, side: sideInfo{etag: "?"},
	})
	if err != nil {
		return err
	}
	if newer.damage != nil {
		return newer.damage
	}
	v.log.Warn("another machine saved a file while it was renamed here; the newer version is moved", "path", c.Path, "to", c.To)
	c.ver = newer
	return nil
}

// onTarget guards the copy: it replaces what this machine knows to be there, or nothing.
func (c *change) onTarget() store.Condition {
	if c.replaces != nil {
		if _, etag := c.replaces.place(); etag != "" {
			return store.Condition{IfMatch: etag}
		}
	}
	return store.Condition{IfNone: true}
}

// replacedSidecar is the ETag of the target's sidecar. It is not known after a
// crash, nor where the move of a directory has brought the target to its name.
func (c *change) replacedSidecar() (etag string, wanted bool) {
	if c.replaces == nil {
		return "", false
	}
	if key, _ := c.replaces.place(); key == c.To {
		etag = c.replaces.sidecar().etag
		return etag, etag != "" || c.again && c.replaces.hasSidecar()
	}
	return "", c.replaces.hasSidecar()
}

// judgeCopy looks at the target of a copy that was refused. Neither done nor an
// error: it may be tried again. What states no IV is known by all else that the copy has.
func (v *Volume) judgeCopy(ctx context.Context, c *change, attr store.Attributes, cause error) (done bool, err error) {
	info, ours, err := v.find(ctx, c.ver, c.To)
	switch {
	case err != nil:
		return false, errors.Join(cause, err)
	case ours, (c.again || c.Tries > 0) && c.isCopy(info, attr):
		v.takeCopy(c, info)
		return true, nil
	case info.ETag == "": // removed elsewhere
		c.replaces = nil
		return false, nil
	case c.replaces != nil && c.replaces.is(info): // under another ETag
		c.replaces.moved(c.To, info.ETag, c.replaces.sidecar())
		return false, nil
	case c.replaces.before(info) != nil:
		c.replaces = c.replaces.before(info) // what was to come there before never arrived
		c.replaces.moved(c.To, info.ETag, c.replaces.sidecar())
		return false, nil
	case c.onTarget() == store.Condition{IfMatch: info.ETag}:
		return false, nil // the source has changed
	}
	return false, fmt.Errorf("rename %s to %s: %w", c.Path, c.To, errTaken)
}

// isCopy reports whether an object is what a copy with these attributes makes, as far as
// it can be told of one that states no IV.
func (c *change) isCopy(info store.Info, attr store.Attributes) bool {
	return info.ETag != "" && info.Size == c.ver.cipher && attr.Metadata[sidecar.KeyIV] == "" && maps.Equal(info.Metadata, attr.Metadata)
}

// adoptCopy looks whether an earlier try made the copy, now that the source is gone.
func (v *Volume) adoptCopy(ctx context.Context, c *change, cause error) error {
	info, err := v.store.Head(ctx, c.To)
	if errors.Is(err, store.ErrNotExist) {
		return errors.Join(cause, err)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", c.To, err)
	}
	if c.ver.foreign() {
		if info.Size != c.ver.cipher {
			return cause
		}
		c.ver.moved(c.To, info.ETag, sideInfo{})
		return nil
	}
	ours, err := v.standsAt(ctx, c.ver, c.To, info)
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("rename %s to %s: the source is gone: %w", c.Path, c.To, cause)
	}
	v.takeCopy(c, info)
	return nil
}
