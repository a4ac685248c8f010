package file

import (
	"context"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/spool"
)

// WriteAt stores p at off, and says how much of it: less than all only with an error,
// where the spool has no room for the rest. drafted reports whether the file became a draft by it.
func (c *Content) WriteAt(ctx context.Context, p []byte, off int64) (done int, drafted bool, err error) {
	end := off + int64(len(p))
	if off < 0 || end < 0 {
		return 0, false, ErrTooBig
	}
	if err := c.shared.CheckSize(end); err != nil {
		return 0, false, err
	}
	err = c.attempt(ctx, func() (obstacle, error) {
		if err := c.shared.CheckSize(c.SizeLocked()); err != nil {
			return nil, err // it was made elsewhere, and could not be committed from here
		}
		if o, err := c.preserveLocked(); o != nil || err != nil {
			return o, err
		}
		at, acks := off+int64(done), c.shared.Acks.Load()
		if o := c.obstacleToLocked(at, end); o != nil {
			return o, nil
		}
		k, err := c.sealed.WriteAt(p[done:], at)
		if err == nil || k > 0 {
			drafted = drafted || c.State == Clean
			c.wroteLocked(p[done:done+k], at)
			done += k
		}
		if isFull(err) {
			return c.awaitSpaceLocked(acks, err), nil
		}
		if err != nil {
			return c.overcomeLocked(err)
		}
		return nil, nil
	})
	return done, drafted, err
}

// wroteLocked notes what the spool has taken.
func (c *Content) wroteLocked(p []byte, off int64) {
	c.blank = false
	c.Flaws = c.Flaws.Without(off, off+int64(len(p)))
	c.changedLocked(time.Now())
	if c.early != nil {
		c.early.Wrote(p, off)
	}
	c.advanceLocked()
}

// Truncate sets the size. local says that a file which was lost, and is begun anew, bears a
// local-only name.
func (c *Content) Truncate(ctx context.Context, by *Cursor, size int64, local bool) error {
	return c.attempt(ctx, func() (obstacle, error) {
		if c.State == Lost && size == 0 {
			c.beginAnewLocked(local)
			return nil, nil
		}
		if size == c.SizeLocked() && c.KnownLocked() && size > 0 {
			c.cutFlawsLocked(by, size)
			return nil, nil
		}
		if o, err := c.preserveLocked(); o != nil || err != nil {
			return o, err
		}
		if size == 0 {
			return c.emptyLocked(by)
		}
		if o := c.obstacleToLocked(min(size, c.SizeLocked()), -1); o != nil {
			return o, nil
		}
		if o := c.fillNewCutLocked(size); o != nil {
			return o, nil
		}
		if err := c.sealed.Truncate(size); err != nil {
			return c.overcomeLocked(err)
		}
		c.blank = false
		c.cutFlawsLocked(by, size)
		c.changedLocked(time.Now())
		return nil, nil
	})
}

// fillNewCutLocked fetches the block that a smaller size cuts, if it is absent.
func (c *Content) fillNewCutLocked(size int64) obstacle {
	start := size - size%crypt.BlockSize
	if size >= c.sealed.Size() || start == size {
		return nil
	}
	if at, _, ok := c.sealed.Absent(start); !ok || at > start {
		return nil
	}
	length := min(int64(crypt.BlockSize), c.sealed.Size()-start)
	return func(ctx context.Context) error { return c.fill(ctx, start, length) }
}

// emptyLocked makes the file empty: nothing needs fetching, and parts may leave early again.
func (c *Content) emptyLocked(by *Cursor) (obstacle, error) {
	needed := c.needsBaseLocked()
	switch {
	case c.stored != nil:
		return c.Revive, nil
	case c.sealed == nil:
		c.blank = true
	default:
		if err := c.emptySealedLocked(); err != nil {
			return nil, err
		}
		c.leave = atOnce
	}
	c.leaveBaseLocked(needed)
	if c.Attr.Mode == 0 {
		c.Attr = sidecar.Attr{Mode: modeRegular | 0o644, UID: c.shared.UID, GID: c.shared.GID}
	}
	c.cutFlawsLocked(by, 0)
	c.changedLocked(time.Now())
	return nil, nil
}

// beginAnewLocked makes a lost draft an empty file. What is left of it stays in quarantine.
func (c *Content) beginAnewLocked(local bool) {
	if id, filed := c.EntryIDLocked(); filed {
		c.host.ForgetEntry(id)
	}
	c.leaveBaseLocked(c.needsBaseLocked())
	if f := c.sealed; f != nil {
		c.sealed = nil
		c.shared.drop(f)
	}
	c.fresh.Wipe()
	c.stored, c.boot, c.blankID, c.wrapped, c.keyID = nil, "", spool.ID{}, nil, ""
	c.blank, c.lostSize, c.unkept, c.held, c.Failure, c.Flaws = true, 0, 0, false, nil, nil
	c.changedLocked(time.Now())
	if local {
		c.StepLocked(EvHide)
	}
}

// emptySealedLocked drops all that the sealed file has, what its upload alone has, too. What
// was promised of it before stays on the disk, as the map there has it.
func (c *Content) emptySealedLocked() error {
	if err := c.sealed.Truncate(0); err != nil {
		return FromSpool(err)
	}
	if err := c.GiveUpEarlyLocked(); err != nil {
		return FromSpool(err)
	}
	c.unholdBytesLocked()
	if c.State == Interrupted { // what it held is given up, and who saves it anew needs its room
		if err := c.sealed.Sync(false); err != nil {
			c.shared.Log.Debug("an emptied file takes its room as before", "inode", c.host.Ino(), "cause", err)
		}
	}
	return nil
}

// Punch makes a range read as zeros.
func (c *Content) Punch(ctx context.Context, off, length int64) error {
	return c.attempt(ctx, func() (obstacle, error) {
		length := min(length, c.SizeLocked()-off)
		if length <= 0 || c.blank {
			return nil, nil
		}
		if err := c.shared.CheckSize(c.SizeLocked()); err != nil {
			return nil, err
		}
		if o, err := c.preserveLocked(); o != nil || err != nil {
			return o, err
		}
		if o := c.obstacleToLocked(off, off+length); o != nil {
			return o, nil
		}
		if err := c.sealed.PunchHole(off, length); err != nil {
			return c.overcomeLocked(err)
		}
		c.Flaws = c.Flaws.Without(off, off+length)
		c.changedLocked(time.Now())
		return nil, nil
	})
}

// BeginNew makes the content that of a new file.
func (c *Content) BeginNew(a sidecar.Attr) {
	c.Lock()
	defer c.Unlock()
	c.blank, c.leave, c.described = true, atOnce, true
	c.Attr = a
	c.changedLocked(time.Now())
}

// modeRegular are the type bits of st_mode of a file.
const modeRegular = 0o100000
