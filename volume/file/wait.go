package file

import "time"

// Want notes that the content as of gen is to be committed; ask begins it.
func (c *Content) Want(gen uint64) {
	c.Lock()
	defer c.Unlock()
	switch c.State {
	case Writing, Interrupted, Queued, Uploading, Publishing:
		c.Asked = max(c.Asked, gen)
		c.StepLocked(EvAsk)
	}
}

// WantAll is Want of all there is, where the last descriptor is gone and no close has asked for
// it. It reports false for what is not to be committed as it is.
func (c *Content) WantAll() bool {
	c.Lock()
	defer c.Unlock()
	if c.State != Writing || c.Writers > 0 || c.Flaws != nil || c.IsKilledLocked() || c.LeavesForFinalNameLocked() {
		return false
	}
	c.Asked = c.Gen
	c.StepLocked(EvAsk)
	return true
}

// Expect counts the closes that wait for a commit.
func (c *Content) Expect(more int) {
	c.Lock()
	defer c.Unlock()
	c.Expected += more
}

// WakeLocked wakes those who wait for a commit, or for its failure.
func (c *Content) WakeLocked() {
	if c.turned != nil {
		close(c.turned)
		c.turned = nil
	}
}

// WakesLocked is closed by the next WakeLocked.
func (c *Content) WakesLocked() <-chan struct{} {
	if c.turned == nil {
		c.turned = make(chan struct{})
	}
	return c.turned
}

// BeginGraceLocked begins the wait for another name of a file that has just been closed.
func (c *Content) BeginGraceLocked() {
	c.EndGraceLocked()
	if c.State != Temporary || c.Opens > 0 || c.IsStrandedLocked() {
		return
	}
	c.graceEnds = time.Now().Add(c.shared.Grace)
	c.graceTimer = c.shared.RunAfter(c.shared.Grace, c.host.EndOfGrace)
}

// GraceOverLocked reports whether the file has waited long enough for another name.
func (c *Content) GraceOverLocked() bool {
	return c.State == Temporary && c.Opens == 0 && !c.graceEnds.IsZero() && !time.Now().Before(c.graceEnds)
}

// WaitsForName reports whether only another name will have the file committed, or the end of the
// wait for one.
func (c *Content) WaitsForName() bool {
	state := c.PeekState()
	return state == Local || state == Temporary
}

// QuietFrom is when the file will have been left alone for the grace, if nobody opens it before; not
// after now if it has been.
func (c *Content) QuietFrom(now time.Time) time.Time {
	c.Lock()
	defer c.Unlock()
	switch {
	case c.Opens > 0:
		return now.Add(c.shared.Grace)
	case c.Quiet.After(now):
		return now // the clock was set
	}
	return c.Quiet.Add(c.shared.Grace)
}

// OwnNameLocked has a file that waits for another name committed under its own, by an attempt
// that is to be begun if asked; nobody has it open for writing. One of which a write
// failed is interrupted. What only another name can have committed goes on to wait.
func (c *Content) OwnNameLocked() (asked, spoilt bool) {
	switch {
	case c.Flaws != nil:
		c.StepLocked(EvSpoil)
		return false, true
	case c.LeaveForOwnNameLocked() != nil:
		c.EndGraceLocked()
		return false, false
	}
	c.Asked = c.Gen
	c.StepLocked(EvAsk)
	return true, false
}

// GraceEndsLocked is when it will have; zero: it does not wait.
func (c *Content) GraceEndsLocked() time.Time { return c.graceEnds }

// IsUnasked reports whether no handle is left that would ask for the commit of what has
// changed: as after a file was made by a descriptor that cannot write.
func (c *Content) IsUnasked() bool {
	c.Lock()
	defer c.Unlock()
	switch c.State {
	case Clean, Local, Temporary, Lost, Interrupted:
		return false
	}
	return c.Writers == 0 && c.Gen > c.Asked && !c.IsKilledLocked()
}

// IsOpen reports whether any handle is open.
func (c *Content) IsOpen() bool {
	c.Lock()
	defer c.Unlock()
	return c.Opens > 0
}
