package clock

import (
	"testing"
	"time"
)

// TestInstants: an instant is as young as the time that it was made of.
func TestInstants(t *testing.T) {
	now := time.Now()
	if At(epoch) == 0 {
		t.Error("the first instant is never")
	}
	for _, c := range []struct {
		at   Instant
		d    time.Duration
		want bool
	}{
		{0, time.Hour, false},
		{At(now), time.Minute, true},
		{At(now.Add(-time.Hour)), time.Minute, false},
		{At(epoch), 0, false},
	} {
		if got := c.at.Within(c.d); got != c.want {
			t.Errorf("instant %d within %v: %t", c.at, c.d, got)
		}
	}
}
