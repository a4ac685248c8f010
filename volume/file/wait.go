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

// GraceEndsLocked is when it will have; zero: it does not wait.
func (c *Content) GraceEndsLocked() time.Time { return c.graceEnds }
