package upload

import (
	"errors"
	"time"
)

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

// troubledAfter is how many failures in a row are more than a server that is busy for a moment.
const troubledAfter = 3

// stumble notes a failure, and how long it waits now. e.mu is held.
func (u *Upload) stumble(err error, wait time.Duration) {
	now := time.Now()
	t := &u.trouble
	if t.Tries == 0 {
		t.Since = now
		u.e.troubled++
	}
	t.Cause, t.Tries, t.Next = err, t.Tries+1, now.Add(wait)
	if t.Tries == troubledAfter {
		u.e.c.Troubled(u.t.Key, err)
	}
	if _, local := errors.AsType[*localError](err); !local {
		u.e.refused = true
	}
}

// Stuck reports whether nothing leaves: the last request that carried content, or was
// to make a place for it, failed, and an upload waits to try again.
func (e *Engine) Stuck() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.refused && e.troubled > 0
}

// getOn forgets the trouble: something was acknowledged. e.mu is held.
func (u *Upload) getOn() {
	u.failures = 0
	u.e.refused = false
	u.calm()
}

// calm ends the trouble. e.mu is held.
func (u *Upload) calm() {
	if u.trouble.Tries > 0 {
		u.e.troubled--
	}
	u.trouble = Trouble{}
}
