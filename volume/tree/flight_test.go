package tree

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestFlight: who waits is told of the end, or of silence in time; and who is patient waits as long
// as pages come.
func TestFlight(t *testing.T) {
	failed := errors.New("refused")
	for _, c := range []struct {
		name    string
		pages   int // one every two seconds
		err     error
		patient bool
		ends    bool // after the last page
		outcome Outcome
		took    time.Duration
	}{
		{"ended at once", 0, nil, false, true, Ended, 0},
		{"failed at once", 0, failed, true, true, Ended, 0},
		{"ended in time", 1, nil, false, true, Ended, 2 * time.Second},
		{"silence", 0, nil, false, false, Silent, 3 * time.Second},
		{"silence, and patience", 0, nil, true, false, Silent, 3 * time.Second},
		{"slow", 4, nil, false, true, Slow, 3 * time.Second},
		{"slow, and patience", 4, nil, true, true, Ended, 8 * time.Second},
		{"slow, and then silence", 4, nil, true, false, Silent, 12 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := NewFlight(true)
			listed := make(chan struct{})
			go func() {
				defer close(listed)
				for range c.pages {
					time.Sleep(2 * time.Second)
					f.Turn()
				}
				if c.ends {
					f.End(false, c.err)
				}
			}()
			synctest.Wait()
			begun := time.Now()
			o, enough, err := f.Await(t.Context(), 3*time.Second, c.patient)
			if took := time.Since(begun); o != c.outcome || took != c.took || !errors.Is(err, c.err) {
				t.Errorf("%s: outcome %d after %v, %v; want %d after %v", c.name, o, took, err, c.outcome, c.took)
			}
			if o == Ended && enough != (c.err != nil) {
				t.Errorf("%s: enough %t", c.name, enough)
			}
			<-listed
		})
	}
}

// TestFlightGivenUp: a context ends the wait, and says why.
func TestFlightGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		f := NewFlight(false)
		go func() { time.Sleep(time.Second); cancel(why) }()
		if o, _, err := f.Await(ctx, time.Minute, true); o != GivenUp || !errors.Is(err, why) {
			t.Errorf("outcome %d, %v", o, err)
		}
	})
}
