package fs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/volume"
)

// doomed is a process whose fate changes at an instant.
type doomed struct {
	at   time.Time
	fate volume.Fate
}

func (d doomed) Same(o volume.Process) bool { return o == volume.Process(d) }

func (d doomed) Holds(uint64, string) bool { return false }

func (d doomed) Fate() volume.Fate {
	if time.Now().Before(d.at) {
		return volume.Alive
	}
	return d.fate
}

func TestPatience(t *testing.T) {
	const interrupt = time.Second
	never := time.Duration(-1)
	for _, c := range []struct {
		name    string
		by      func(start time.Time) volume.Process
		flush   bool
		limit   time.Duration // of until
		give    time.Duration // when the context is to end, after the start
		because error
	}{
		{"alive", func(time.Time) volume.Process { return doomed{fate: volume.Alive} }, true, 0, never, nil},
		{"exiting by itself", func(time.Time) volume.Process { return doomed{fate: volume.Exiting} }, true, 0, never, nil},
		{"killed at once", func(time.Time) volume.Process { return doomed{fate: volume.Killed} }, true, 0, interrupt, context.Canceled},
		{"gone", func(time.Time) volume.Process { return doomed{fate: volume.Gone} }, true, 0, interrupt, context.Canceled},
		{"killed later", func(start time.Time) volume.Process {
			return doomed{at: start.Add(3 * time.Second), fate: volume.Killed}
		}, true, 0, 3 * time.Second, context.Canceled},
		{"stranger closes", func(time.Time) volume.Process { return nil }, true, 0, never, nil},
		{"stranger reads", func(time.Time) volume.Process { return nil }, false, 0, interrupt + strangerGrace, context.Canceled},
		{"deadline before the interrupt", func(time.Time) volume.Process { return nil }, false, 500 * time.Millisecond, 500 * time.Millisecond, context.DeadlineExceeded},
		{"deadline after the interrupt", func(time.Time) volume.Process { return doomed{fate: volume.Alive} }, false, 2 * time.Second, 2 * time.Second, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				request, cancel := context.WithCancel(t.Context())
				defer cancel()
				by := c.by(start)
				p := newFlushPatience(request, by)
				if !c.flush {
					p = newPatience(request)
					p.who = func() volume.Process { return by }
				}
				if c.limit > 0 {
					p.until(start.Add(c.limit))
				}
				time.AfterFunc(interrupt, cancel)
				select {
				case <-p.Done():
					if took := time.Since(start); c.give == never || took < c.give || took > c.give+2*lookInterval {
						t.Errorf("gave up after %v, want %v", took, c.give)
					}
					if !errors.Is(p.Err(), c.because) {
						t.Errorf("because %v, want %v", p.Err(), c.because)
					}
				case <-time.After(time.Minute):
					if c.give != never {
						t.Error("did not give up")
					}
					if p.Err() != nil {
						t.Errorf("goes on with %v", p.Err())
					}
				}
				p.stop()
				p.stop()
			})
		})
	}
}

// A call that polls Err and never waits on Done is let go too.
func TestPatienceByPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request, cancel := context.WithCancel(t.Context())
		p := newFlushPatience(request, doomed{fate: volume.Killed})
		if p.Err() != nil {
			t.Fatal("over before it began")
		}
		cancel()
		p.Err()
		synctest.Wait()
		if !errors.Is(p.Err(), context.Canceled) {
			t.Errorf("got %v", p.Err())
		}
		p.stop()
		select {
		case <-p.Done():
		default:
			t.Error("Done opened again")
		}
	})
}

// What never waits starts no goroutine; what waits leaves none behind.
func TestPatienceIsLazyAndCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request, cancel := context.WithCancel(t.Context())
		defer cancel()
		idle := newPatience(request)
		if idle.Err() != nil || idle.done != nil {
			t.Error("watching begun for nothing")
		}
		idle.stop()
		p := newPatience(request)
		derived, stop := context.WithTimeout(p, time.Hour)
		defer stop()
		p.stop()
		cancel()
		synctest.Wait()
		if derived.Err() != nil || p.Err() != nil {
			t.Errorf("an interrupt after the end: %v, %v", derived.Err(), p.Err())
		}
	})
}
