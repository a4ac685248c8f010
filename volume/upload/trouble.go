package upload

import "time"

// Trouble is why an upload does not get on.
type Trouble struct {
	Cause error     // of the last failure; nil: it gets on
	Tries int       // that failed in a row
	Since time.Time // the first of them
	Next  time.Time // when it is tried again
}

// Trouble says why the upload does not get on, for people. It waits for nothing.
func (u *Upload) Trouble() Trouble {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	return u.trouble
}

// stumble notes a failure, and how long it waits now. e.mu is held.
func (u *Upload) stumble(err error, wait time.Duration) {
	now := time.Now()
	t := &u.trouble
	if t.Cause == nil {
		t.Since = now
	}
	t.Cause, t.Tries, t.Next = err, t.Tries+1, now.Add(wait)
}

// getOn forgets the trouble: something was acknowledged. e.mu is held.
func (u *Upload) getOn() {
	u.failures = 0
	u.trouble = Trouble{}
}
