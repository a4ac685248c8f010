package queue

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is the rule by which one waits between tries: First after the first failure, twice as
// long after each other one, at most Longest.
type Backoff struct{ First, Longest time.Duration }

// After is the wait after a number of failures in a row. Up to half of it is taken off at random,
// so that what failed together does not come back together.
func (b Backoff) After(failures int) time.Duration {
	d := min(b.First<<min(max(failures-1, 0), 10), b.Longest)
	return d - rand.N(d/2)
}

// Until calls try until it is done, and reports whether it was before ctx ended. Between two calls
// it waits for what try asks, or where that is nothing by the backoff, of the calls so far.
func (b Backoff) Until(ctx context.Context, try func() (done bool, wait time.Duration)) bool {
	for tries := 1; ; tries++ {
		done, wait := try()
		if done {
			return true
		}
		if wait == 0 {
			wait = b.After(tries)
		}
		if Sleep(ctx, wait) != nil {
			return false
		}
	}
}

// Sleep waits for d, or for the end of ctx, whose cause it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Retry is what is known of the tries that failed. The lock of its owner guards it.
type Retry struct {
	Tries   int       // that failed
	Failing time.Time // since when; zero: none has failed
	Next    time.Time // when the next one is due; zero while it is under way
}

// FailedLocked notes one more, and returns how long to wait for the next.
func (r *Retry) FailedLocked(b Backoff) time.Duration {
	now := time.Now()
	r.Tries++
	wait := b.After(r.Tries)
	if r.Failing.IsZero() {
		r.Failing = now
	}
	r.Next = now.Add(wait)
	return wait
}
