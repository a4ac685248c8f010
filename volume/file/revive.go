package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/flaw"
	"mcfs/volume/remote"
)

// Revive opens a recovered draft's sealed file, which needs the keeper.
func (c *Content) Revive(ctx context.Context) error {
	c.Lock()
	opened := c.stored == nil
	c.Unlock()
	if opened {
		return nil
	}
	if err := c.LockOpening(ctx); err != nil {
		return err
	}
	defer c.UnlockOpening()
	c.Lock()
	e, loose := c.stored, c.boot != ""
	c.Unlock()
	if e == nil {
		return nil
	}
	key, err := c.shared.Unwrap(ctx, e.Wrapped, e.KeyID)
	if err != nil {
		return fmt.Errorf("key of the draft of %s: %w", e.Path, AsIO(err))
	}
	defer clear(key)
	f, err := c.load(e, key)
	if f == nil && err == nil {
		c.comeBackEmpty(e)
		return nil
	}
	if err != nil && !errors.Is(err, spool.ErrCorrupt) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("draft of %s: %w", e.Path, AsIO(err)) // the disk may answer the next time
	}
	if err = c.takeStored(e, f, err); err == nil && f.Size() != e.Size {
		c.Lock()
		c.resized = true // the kill came between a sync of the file and of the journal
		if loose && f.Size() < e.Size && c.State == Temporary {
			c.StepLocked(EvKill) // it is cut short: nobody means it as it is
		}
		c.Unlock()
		c.host.SaveSoon()
	}
	return err
}

// load opens the sealed file; nil without an error: no fsync had asked for it, and it is
// not there. Nothing that is about to be committed becomes empty so.
func (c *Content) load(e *spool.Entry, key []byte) (*spool.File, error) {
	c.Lock()
	boot, waits := c.boot, c.State.Waits()
	c.Unlock()
	load := c.shared.Spool.Load // which keeps what is damaged, as long as the machine has not gone down
	if boot != "" && boot != c.shared.Boot {
		load = c.shared.Spool.LoadLoose
	}
	f, err := load(e.ID, key)
	if boot != "" && waits && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, spool.ErrCorrupt)) {
		c.shared.Log.Warn("a file that was never fsynced is empty: it was not on the disk, or damaged there", "path", e.Path, "cause", err)
		return nil, nil
	}
	return f, err
}

// comeBackEmpty makes the node an empty file: nobody was promised its content.
func (c *Content) comeBackEmpty(e *spool.Entry) {
	c.Lock()
	c.stored, c.boot = nil, ""
	c.blank, c.blankID, c.resized = true, e.ID, e.Size != 0
	if c.State == Temporary {
		c.StepLocked(EvKill) // nobody means it as it is
	}
	c.Unlock()
	c.host.SaveSoon()
}

// TurnedOut says, once, that the size which stat has told until now was the journal's.
func (c *Content) TurnedOut() bool {
	c.Lock()
	defer c.Unlock()
	resized := c.resized
	c.resized = false
	return resized
}

// takeStored makes the sealed file the draft's, if it could be loaded and has, with the
// base, all its bytes.
func (c *Content) takeStored(e *spool.Entry, f *spool.File, err error) error {
	settling := c.host.IsRecovering()
	c.Lock()
	defer c.Unlock()
	c.stored, c.boot = nil, ""
	if err == nil && !settling {
		if err = c.nowhereLocked(f); err != nil {
			err = errors.Join(err, f.Close(), c.shared.Spool.Quarantine(e.ID, err.Error()))
		}
	}
	if err != nil {
		c.LoseLocked(*e, errors.Join(ErrIO, spool.ErrCorrupt, err))
		c.StepLocked(EvLose)
		c.WakeLocked()
		c.shared.Log.Error("a draft is corrupt and in quarantine", "path", e.Path, "cause", err)
		return c.Failure
	}
	c.adoptLocked(f, e.Wrapped, e.KeyID)
	if errors.Is(c.Failure, ErrLocked) {
		c.Failure = nil
	}
	return nil
}

// nowhereLocked is an error where bytes of a recovered draft's sealed file are neither in it
// nor in the base: an upload had them that has ended with its mount.
func (c *Content) nowhereLocked(f *spool.File) error {
	if c.Base != nil {
		f.Landed(uploadID(c.Base.IV))
	}
	if err := f.Whole(); err != nil {
		return err
	}
	if at, length, absent := f.Absent(0); absent && c.Base == nil {
		return fmt.Errorf("bytes %d+%d were sent and dropped from the full spool, and their upload has ended", at, length)
	}
	return nil
}

// LoseLocked makes the node, of which there is no content any more, one that is to be
// seen as lost, in this mount and the next ones, until it is removed.
func (c *Content) LoseLocked(e spool.Entry, cause error) {
	c.stored, c.boot, c.blank = nil, "", false
	c.blankID, c.lostSize, c.Failure = e.ID, e.Size, cause
}

// LetGoLost closes the sealed file of a draft that was lost in this mount.
func (c *Content) LetGoLost() {
	c.Lock()
	defer c.Unlock()
	if f := c.sealed; f != nil {
		c.sealed, c.blankID, c.lostSize = nil, f.ID(), f.Size()
		if err := f.Close(); err != nil {
			c.shared.Log.Warn("a sealed file could not be closed", "id", f.ID(), "cause", err)
		}
	}
}

// Reinstate makes a sealed file that comes back from quarantine the content of a lost draft.
func (c *Content) Reinstate(f *spool.File, h spool.Header) {
	c.Lock()
	defer c.Unlock()
	c.adoptLocked(f, h.Wrapped, h.KeyID)
	c.StepLocked(evRestore)
	c.Gen = max(c.Gen, c.Committed+1)
	c.Kept, c.Failure, c.lostSize = c.Gen, nil, 0
	c.Quiet = time.Now()
}

// BringBack makes a sealed file of which the journal knows nothing the content of an
// interrupted draft. Nobody else knows the content yet.
func (c *Content) BringBack(f *spool.File, h spool.Header, attr sidecar.Attr) {
	c.Attr = attr
	c.described, c.State, c.Gen, c.Kept, c.Quiet = true, Interrupted, 1, 1, time.Now()
	c.adoptLocked(f, h.Wrapped, h.KeyID)
}

// Recovered is what the journal says of a draft.
type Recovered struct {
	Entry          *spool.Entry
	State          State
	Base, Replaces *remote.Version
	Blank, Bare    bool // there is no sealed file: it is empty, or all the base's
	Boot           string
	Flaws          flaw.Set
	Unchecked      bool
	Awaits         bool // the end of its control file
}

// Recover makes the content what an earlier mount has left, without its bytes: those wait
// for the keeper. Nobody else knows the content yet.
func (c *Content) Recover(r Recovered) {
	e := r.Entry
	c.Base, c.Replaces, c.Attr, c.described = r.Base, r.Replaces, e.Attr, true
	c.Gen, c.Kept, c.Flaws, c.unchecked = 1, 1, r.Flaws, r.Unchecked
	c.stored, c.boot, c.Quiet = e, r.Boot, e.Updated
	if r.Blank || r.Bare {
		c.blank, c.blankID, c.stored, c.boot = r.Blank, e.ID, nil, ""
	}
	switch c.State = r.State; c.State {
	case Interrupted:
		if r.Awaits {
			c.Control = ClosedUnfinished
		}
	case Queued:
		c.Asked = 1
	case Temporary:
		c.BeginGraceLocked()
	case Lost:
		c.LoseLocked(*e, errors.Join(ErrIO, errors.New(e.Reason)))
	}
}

// ComeBackAsLocked is the state of a recovered draft once it is known what has arrived of it.
func (c *Content) ComeBackAsLocked(s State, asked uint64) { c.State, c.Asked = s, asked }

// TakeArrivedLocked makes a version whose upload the last mount had not seen the end of the
// content. It reports whether a sealed file is open, which is a cache now.
func (c *Content) TakeArrivedLocked(ver *remote.Version, stated sidecar.Attr) (cached bool) {
	set, size := c.Attr, c.SizeLocked()
	c.State, c.stored, c.blank = Clean, nil, false
	c.SetBaseLocked(ver)
	c.resized = c.resized || c.SizeLocked() != size // which stat may have told
	c.Attr = sidecar.Merge(stated, set, c.Attr)     // what was set after the upload had begun to end, also in this mount
	c.Committed = c.Gen
	if c.sealed == nil {
		return false
	}
	c.sealed.Landed(uploadID(ver.IV))
	c.sealed.SetClean(0, -1) // somebody reads it: what the draft had is a cache now
	return true
}

// IsLooseLocked reports whether the sealed file of a recovered draft was never fsynced.
func (c *Content) IsLooseLocked() bool { return c.boot != "" }

// Dormant is the entry of a recovered draft that waits for somebody to do something with it.
func (c *Content) Dormant() *spool.Entry {
	c.Lock()
	defer c.Unlock()
	if !c.State.Waits() {
		return nil
	}
	return c.stored
}

// NoteNoKeeper notes why a recovered draft cannot be opened with the keeper that there is.
func (c *Content) NoteNoKeeper(e *spool.Entry, cause error) {
	c.Lock()
	defer c.Unlock()
	if c.stored == e && c.Failure == nil {
		c.Failure = cause
	}
}

// WaitsForKeeper reports whether the draft's last try failed for want of the right keeper.
func (c *Content) WaitsForKeeper() bool {
	c.Lock()
	defer c.Unlock()
	return errors.Is(c.Failure, ErrLocked)
}
