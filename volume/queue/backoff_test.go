package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	b := Backoff{First: 500 * time.Millisecond, Longest: time.Minute}
	for failures, top := range map[int]time.Duration{
		0: b.First, 1: b.First, 2: 2 * b.First, 3: 4 * b.First, 7: 64 * b.First, 8: b.Longest, 60: b.Longest, 1 << 40: b.Longest,
	} {
		least, most := b.Longest, time.Duration(0)
		for range 200 {
			d := b.After(failures)
			least, most = min(least, d), max(most, d)
		}
		if most > top || least < top/2 || most-least < top/8 {
			t.Errorf("after %d failures it waits for %v to %v, want half of %v to all of it", failures, least, most, top)
		}
	}
}

// TestUntil: it tries until it is done, waits by the backoff or as it is asked, and ends with
// its context.
func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Backoff{First: time.Second, Longest: time.Minute}
		tries, begun := 0, time.Now()
		done := b.Until(t.Context(), func() (bool, time.Duration) {
			tries++
			return tries == 4, 0
		})
		if took := time.Since(begun); !done || tries != 4 || took < 3500*time.Millisecond || took > 7*time.Second {
			t.Errorf("done is %v after %d tries, %v", done, tries, took)
		}
		tries, begun = 0, time.Now()
		b.Until(t.Context(), func() (bool, time.Duration) {
			tries++
			return tries == 3, time.Hour
		})
		if took := time.Since(begun); took != 2*time.Hour {
			t.Errorf("it waited for %v where two hours were asked for", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tries = 0
		if b.Until(ctx, func() (bool, time.Duration) { tries++; return false, 0 }) || tries < 60 || ctx.Err() == nil {
			t.Errorf("it ended after %d tries, the context with %v", tries, ctx.Err())
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		begun := time.Now()
		if err := Sleep(ctx, time.Hour); !errors.Is(err, why) || time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if err := Sleep(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r, begun := Backoff{First: time.Second, Longest: time.Minute}, Retry{}, time.Now()
		for n := 1; n <= 3; n++ {
			wait := r.FailedLocked(b)
			if r.Tries != n || !r.Failing.Equal(begun) || !r.Next.Equal(time.Now().Add(wait)) {
				t.Errorf("after %d failures: %+v", n, r)
			}
			time.Sleep(wait)
		}
	})
}
