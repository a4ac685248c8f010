package file

import (
	"context"
	"fmt"
	"io"

	"mcfs/keys"
	"mcfs/spool"
	"mcfs/volume/remote"
)

// openDraft gives the file a sealed file to write into. That of a version which is
// being read serves, where there is one; else one is made.
func (c *Content) openDraft(ctx context.Context) error {
	c.Lock()
	unread := c.BasedLocked() != nil && c.reader == nil
	c.Unlock()
	if unread {
		if err := c.prepare(ctx); err != nil {
			return err
		}
	}
	acks := c.shared.Acks.Load()
	err := c.makeFile(ctx)
	if isFull(err) {
		return c.host.WaitForSpace(ctx, acks, err)
	}
	return err
}

// BasedLocked is the version that has the bytes which the draft has not; nil: there is none.
func (c *Content) BasedLocked() *remote.Version {
	if c.blank {
		return nil
	}
	return c.Base
}

// makeFile gives a file that has no sealed file one, under a data key of its own, with
// the bytes of its base absent.
func (c *Content) makeFile(ctx context.Context) error {
	if err := c.LockOpening(ctx); err != nil {
		return err
	}
	defer c.UnlockOpening()
	c.Lock()
	made, base := c.sealed != nil, c.BasedLocked()
	c.Unlock()
	if made {
		return nil
	}
	key, err := c.shared.Keys.Get(ctx)
	if err != nil {
		return fmt.Errorf("data key: %w", AsIO(err))
	}
	f, err := c.createFile(key, base)
	if err != nil {
		key.Wipe()
		return err
	}
	c.Lock()
	defer c.Unlock()
	if c.sealed != nil || c.stored != nil || c.BasedLocked() != base {
		key.Wipe()
		return c.shared.Discard(f)
	}
	c.adoptLocked(f, key.Wrapped, key.KeyID)
	c.fresh = key
	if c.blank = false; base == nil {
		c.leave = atOnce
	}
	return nil
}

// createFile makes a sealed file under the key: an empty one, or one that has of its
// base no byte yet.
func (c *Content) createFile(key keys.DataKey, base *remote.Version) (*spool.File, error) {
	path := c.host.Path()
	f, err := c.shared.Spool.Create(spool.Header{ID: c.fileID(), Wrapped: key.Wrapped, KeyID: key.KeyID, Path: path}, key.Plain)
	if err != nil {
		return nil, FromSpool(fmt.Errorf("draft of %s: %w", path, err))
	}
	if base == nil {
		return f, nil
	}
	if err := f.SetBase(base.Plain); err != nil {
		c.shared.drop(f)
		return nil, FromSpool(fmt.Errorf("draft of %s: %w", path, err))
	}
	f.SetClean(0, -1)
	return f, nil
}

// fileID is the id for a sealed file that is to be made: the one under which the
// journal knows the draft already, if it does.
func (c *Content) fileID() spool.ID {
	c.Lock()
	defer c.Unlock()
	if c.blankID != (spool.ID{}) {
		return c.blankID
	}
	return spool.NewID()
}

// adoptLocked makes f the node's file.
func (c *Content) adoptLocked(f *spool.File, wrapped []byte, keyID string) {
	c.sealed, c.wrapped, c.keyID, c.blankID = f, wrapped, keyID, spool.ID{}
	c.fast = false
}

// LetGoLocked closes the reader and removes the sealed file.
func (c *Content) LetGoLocked() {
	c.CloseReaderLocked()
	if f := c.sealed; f != nil {
		c.sealed, c.fast = nil, false
		c.shared.drop(f)
	}
	c.abandonSnapshotLocked()
	c.fresh.Wipe()
}

// EntryIDLocked is the id under which the journal knows the node: its sealed file's.
func (c *Content) EntryIDLocked() (spool.ID, bool) {
	if c.stored != nil {
		return c.stored.ID, true
	}
	if c.sealed == nil {
		return c.blankID, c.blankID != spool.ID{}
	}
	return c.sealed.ID(), true
}

// ThroughBootLocked is record.Boot of the node's sealed file.
func (c *Content) ThroughBootLocked() string {
	switch {
	case c.stored != nil:
		return c.boot
	case c.Base != nil || c.sealed.Durable():
		return ""
	}
	return c.shared.Boot
}

// IsAllHereLocked reports whether the spool has all bytes.
func (c *Content) IsAllHereLocked() bool {
	if c.sealed == nil {
		return false
	}
	_, _, absent := c.sealed.Absent(0)
	return !absent && c.sealed.Whole() == nil
}

// IsDroppedLocked reports whether blocks of a part that was sent were dropped from the spool.
func (c *Content) IsDroppedLocked() bool { return c.sealed != nil && c.sealed.WholeEverywhere() != nil }

// PeekAllocated is what the sealed file takes on the disk.
func (c *Content) PeekAllocated() int64 {
	c.Lock()
	defer c.Unlock()
	if c.sealed == nil {
		return 0
	}
	return c.sealed.Allocated()
}

// Sync makes the blocks of a draft durable.
func (c *Content) Sync() error {
	c.Lock()
	file := c.sealed
	c.Unlock()
	if file == nil {
		return nil
	}
	return FromSpool(file.Sync(false))
}

// SeekLocked is SEEK_DATA, or SEEK_HOLE, from an offset within the file; ok is false where there is no data.
func (c *Content) SeekLocked(off int64, data bool) (at int64, ok bool) {
	switch {
	case c.sealed != nil && data:
		return c.sealed.Data(off)
	case c.sealed != nil:
		return c.sealed.Hole(off), true
	case data:
		return off, true
	}
	return c.SizeLocked(), true
}

// HeadLocked reads the first bytes as far as the spool has them.
func (c *Content) HeadLocked(p []byte) error {
	if c.sealed == nil {
		return io.ErrUnexpectedEOF
	}
	_, err := c.sealed.ReadAt(p, 0)
	return err
}

// SealedAsLocked is what the journal has to know of the sealed file. A draft without one gets an id.
func (c *Content) SealedAsLocked() (id spool.ID, wrapped []byte, keyID string, filed bool) {
	filed = c.sealed != nil || c.stored != nil
	if !filed && c.blankID == (spool.ID{}) {
		c.blankID = spool.NewID()
	}
	id, _ = c.EntryIDLocked()
	if c.stored != nil {
		return id, c.stored.Wrapped, c.stored.KeyID, filed
	}
	return id, c.wrapped, c.keyID, filed
}

// PromisedSizeLocked is the size of what the journal promises as of gen kept.
func (c *Content) PromisedSizeLocked(kept uint64) int64 {
	if c.sealed != nil && kept > c.Committed {
		return c.sealed.Kept()
	}
	return c.SizeLocked()
}

// IsPartialLocked reports whether content was to be kept after gen kept, and could not be.
func (c *Content) IsPartialLocked(kept uint64) bool { return c.unkept > max(kept, c.Committed) }

// Forget lets go of a clean file's blocks and key, and of a draft's that is gone, once nobody has it open.
func (c *Content) Forget(gone bool) {
	c.Lock()
	defer c.Unlock()
	if c.Opens > 0 || (c.State != Clean && !gone) {
		return
	}
	if e := c.stored; e != nil && gone { // a draft that nobody had opened in this mount
		c.stored = nil
		if err := c.shared.Spool.Remove(e.ID); err != nil {
			c.shared.Log.Warn("a sealed file could not be removed", "id", e.ID, "cause", err)
		}
	}
	c.LetGoLocked()
}

// Release closes the sealed file at the volume's end: a draft stays on the disk, a cache goes.
func (c *Content) Release() {
	c.Lock()
	defer c.Unlock()
	c.abandonSnapshotLocked()
	if c.reader != nil {
		c.reader.Close()
		c.reader = nil
	}
	if f := c.sealed; f != nil {
		c.sealed = nil
		if c.State == Clean {
			c.shared.drop(f)
		} else if err := f.Close(); err != nil {
			c.shared.Log.Warn("a sealed file could not be closed", "id", f.ID(), "cause", err)
		}
	}
	c.fresh.Wipe()
}

// IsComplete reports whether the draft can be sent again under another name: all its bytes
// are here, or in a version that nobody has replaced.
func (c *Content) IsComplete(replaced *remote.Version) bool {
	c.Lock()
	defer c.Unlock()
	switch {
	case c.sealed == nil:
		return true
	case c.sealed.WholeEverywhere() != nil:
		return false
	case c.Base != nil && c.Base != replaced:
		return true
	}
	_, _, absent := c.sealed.Absent(0)
	return !absent
}

// WholeLocked is an error where an upload alone has some of the file.
func (c *Content) WholeLocked() error {
	if c.sealed == nil {
		return nil
	}
	return c.sealed.Whole()
}
