package file

import (
	"fmt"

	"mcfs/volume/remote"
)

// TakeSnapshotLocked gives the content that was asked for to a commit under the path, as it
// was before later writes: those are the next draft's.
func (c *Content) TakeSnapshotLocked(path string) (*Snapshot, error) {
	if c.snapshot != nil && c.snapshot.Gen != c.Asked {
		c.SupersedeLocked()
	}
	if key := c.EarlyKeyLocked(); key != "" && key != path {
		if err := c.GiveUpEarlyLocked(); err != nil { // what gave the file its name has seen that it can be
			return nil, fmt.Errorf("its parts have left for %s: %v", key, err)
		}
	}
	d := c.snapshot
	if d == nil {
		c.retireLocked(c.early)
		view, err := c.freezeLocked()
		if err != nil {
			return nil, err
		}
		c.fast = c.leftAsWrittenLocked()
		d = &Snapshot{View: view, Size: c.SizeLocked(), Gen: c.Gen, Upload: c.early}
		c.early, c.leave = nil, stays
	}
	c.snapshot, c.taken = nil, d.Gen
	return d, nil
}

// leftAsWrittenLocked reports whether the file has no byte of a base, and most of it was in the
// store before its close: so it can be read from there about as fast as it was written here.
func (c *Content) leftAsWrittenLocked() bool {
	return c.early != nil && c.leave == atOnce && c.SentEarlyLocked() >= c.SizeLocked()/4*3
}

// StaysWhenClosed reports whether the spool keeps what it has of a file that nobody has open. A
// draft stays in any case.
func (c *Content) StaysWhenClosed() bool {
	c.Lock()
	defer c.Unlock()
	return c.State != Clean || !c.fast || c.shared.KeepAll
}

// EndAttemptLocked notes that no attempt has a snapshot any more.
func (c *Content) EndAttemptLocked() { c.taken = 0 }

// LandLocked makes the version that a commit of the content as of gen has stored the base.
// replaces says that it is what the next commit replaces, too.
func (c *Content) LandLocked(ver *remote.Version, gen uint64, replaces bool) {
	c.CloseReaderLocked()
	c.ArriveLocked(ver, replaces)
	c.Committed, c.Failure = gen, nil
	c.Uploads, c.leftBase = nil, 0
	c.StepLocked(evDone)
	c.WakeLocked()
}

// ArriveLocked makes a version the base of what was written since.
func (c *Content) ArriveLocked(ver *remote.Version, replaces bool) {
	if c.Base = ver; replaces {
		c.Replaces = ver
	}
	if c.sealed != nil {
		c.sealed.Landed(uploadID(ver.IV))
	}
}

// GoOnLocked makes a draft of what was written since the commit of gen, or a clean file where
// nothing was. again reports whether that is to be committed, too, and killed whether its
// writer was.
func (c *Content) GoOnLocked(gen uint64) (again, killed bool) {
	again = c.Asked > gen
	if c.State != Clean || c.Gen > gen {
		c.StepLocked(EvWrite)
		if killed = c.killed == c.Gen && !again && c.State == Writing; killed {
			c.StepLocked(EvKill)
		}
	} else if c.sealed != nil {
		c.sealed.SetClean(0, -1)
	}
	if max(c.Kept, c.Asked) <= gen { // nobody was promised, or waits for, what is newer
		c.unholdBytesLocked()
	}
	if c.Writers == 0 {
		c.ForgetFlawsLocked()
	}
	if c.State == Clean {
		c.Control = NoControl
	}
	if !killed {
		c.killed = 0
	}
	return again, killed
}

// InterruptLocked makes the draft an interrupted one, or notes that no more of it is to be committed than
// what an earlier close has asked for. It reports whether it is interrupted. Parts
// that have left already are taken back: nobody may ever want them.
func (c *Content) InterruptLocked(why Event) bool {
	c.Control = NoControl
	switch c.State {
	case Writing, Temporary:
		c.StepLocked(why)
	case Queued, Uploading, Publishing:
		c.killed = c.Gen
	}
	if c.State != Interrupted {
		return false
	}
	if c.early != nil {
		if err := c.GiveUpEarlyLocked(); err != nil { // it stays, for what it alone has
			c.shared.Log.Warn("the upload of an interrupted file is kept: some of the file is nowhere else", "inode", c.host.Ino(), "cause", err)
		}
	}
	return true
}

// IsKilledLocked reports whether the content as it is now is not to be committed, for its
// writer was killed, or a write failed, while an earlier one was.
func (c *Content) IsKilledLocked() bool { return c.killed == c.Gen }

// AskLocked has the content as it is now committed, whoever has written it.
func (c *Content) AskLocked() { c.Asked, c.killed = c.Gen, 0 }

// Outgrows reports whether the content has left the base since gen, and has no byte of it.
func (c *Content) Outgrows(gen uint64) bool {
	c.Lock()
	defer c.Unlock()
	return c.leftBase > gen && !c.needsBaseLocked()
}

// DiscardLocked ends a draft that nobody wants any more. Handles go on reading and writing it.
// told reports whether parts of it were leaving for the name that its own tells.
func (c *Content) DiscardLocked() (told bool) {
	c.AbandonLocked(c.early, nil)
	told = c.toFinalName
	c.early, c.toFinalName, c.leave = nil, false, stays
	c.abandonSnapshotLocked()
	c.StepLocked(evRemove)
	c.WakeLocked() // whose close still waits for the commit waits for nothing now
	return told
}

// IsCommitComingLocked reports whether a commit is under way, or will be asked for once the
// kernel has let go of descriptors that are closed: it tells that a moment after close(2).
func (c *Content) IsCommitComingLocked(closed bool) bool {
	switch c.State {
	case Queued, Uploading, Publishing:
		return c.Asked > c.Committed && c.Failure == nil
	case Writing:
		return closed && c.Gen > c.Asked && c.Flaws == nil && !c.IsKilledLocked()
	}
	return false
}
