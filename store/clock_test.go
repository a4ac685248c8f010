package store

import (
	"testing"
	"time"
)

// TestClock: it goes on from what was told, whatever this machine's clock shows; where that
// was set, or stood still, since, both times are within what it tells.
func TestClock(t *testing.T) {
	if now, here := new(Clock).Now(), time.Now(); now.From.After(here) || here.Sub(now.To) > time.Minute {
		t.Errorf("told nothing: %v, here it is %v", now, here)
	}
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
		var c Clock
		c.Told(time.Now().Add(off))
		now, there := c.Now(), time.Now().Add(off)
		if now.From.Before(there.Add(-time.Minute)) || now.To.After(there.Add(time.Second)) {
			t.Errorf("off by %v: %v, there it is %v", off, now, there)
		}
	}
	told := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct{ monotonic, wall, from, to time.Duration }{
		{time.Minute, time.Minute, time.Minute, time.Minute},
		{time.Minute, time.Hour, time.Minute, time.Hour},   // suspended, or set forward
		{time.Minute, -time.Hour, -time.Hour, time.Minute}, // set back
	} {
		got := since(told, c.monotonic, c.wall)
		if want := (Span{told.Add(c.from), told.Add(c.to)}); got != want {
			t.Errorf("after %v, by the wall clock %v: %v, want %v", c.monotonic, c.wall, got, want)
		}
	}
}
