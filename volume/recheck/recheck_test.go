package recheck

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// run looks by a schedule until the test ends; looked tells how often, so far.
func run(t *testing.T, s *Schedule[string], look func(string)) (looked func() int64) {
	var n atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func(k string) { n.Add(1); look(k) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return n.Load
}

// TestSchedule: a thing is looked at once, at its time and within a second of it; asked for anew it
// is looked at anew, and asked for twice, by the later word.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New[string]()
		looked := run(t, s, func(string) {})
		expect := func(when string, want int64, has bool) {
			t.Helper()
			synctest.Wait()
			if looked() != want || s.Has("a") != has {
				t.Errorf("%s: looked at %d times, want %d; waits %t", when, looked(), want, s.Has("a"))
			}
		}
		s.After("a", 3*time.Second)
		time.Sleep(3*time.Second - 1)
		expect("before its time", 0, true)
		time.Sleep(time.Second + 1)
		expect("after it", 1, false)
		time.Sleep(time.Minute)
		expect("a minute later", 1, false)
		s.After("a", 2*time.Second)
		s.After("a", 4*time.Second)
		time.Sleep(3 * time.Second)
		expect("put off", 1, true)
		time.Sleep(2 * time.Second)
		expect("after that", 2, false)
	})
}

// TestFewAtOnce: of many that are due, few are looked at at once, and all are.
func TestFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New[string]()
		release := make(chan struct{})
		looked := run(t, s, func(string) { <-release })
		for i := range 3 * most {
			s.After(string(rune('a'+i)), 0)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if looked() != most {
			t.Errorf("%d are looked at at once", looked())
		}
		close(release)
		synctest.Wait()
		if looked() != 3*most {
			t.Errorf("%d were looked at", looked())
		}
	})
}

// TestAgain: what a look asks for anew is looked at again.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New[string]()
		tries := 0
		looked := run(t, s, func(k string) {
			if tries++; tries < 3 {
				s.After(k, time.Minute)
			}
		})
		s.After("a", 0)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if looked() != 3 || s.Has("a") {
			t.Errorf("%d looks, more %t", looked(), s.Has("a"))
		}
	})
}
