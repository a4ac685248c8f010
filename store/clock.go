package store

import (
	"sync"
	"time"
)

// Span is a stretch of time in which a moment lies.
type Span struct{ From, To time.Time }

// Clock follows the clock of a server by what its answers tell. The zero value has been
// told nothing, and shows this machine's.
type Clock struct {
	mu     sync.Mutex
	theirs time.Time // the server's clock in its last answer
	at     time.Time // this machine's, when that came
}

// Told notes what the server's clock shows.
func (c *Clock) Told(theirs time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.theirs, c.at = theirs, time.Now()
}

// Now is what the server's clock shows now, to a second or two.
func (c *Clock) Now() Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.theirs.IsZero() {
		return Span{now, now}
	}
	return since(c.theirs, now.Sub(c.at), now.Round(0).Sub(c.at.Round(0)))
}

// since is the server's clock after some time. The monotonic clock stands still while the
// machine is suspended, and the wall clock may have been set: where they differ, one is right.
func since(theirs time.Time, monotonic, wall time.Duration) Span {
	return Span{theirs.Add(min(monotonic, wall)), theirs.Add(max(monotonic, wall))}
}
