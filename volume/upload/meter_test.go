package upload

import (
	"testing"
	"time"
)

// TestMeter: the rate follows a steady stream, a change of it, and a stop.
func TestMeter(t *testing.T) {
	var m meter
	now := time.Now()
	if got := m.rate(now); got != 0 {
		t.Errorf("before the first byte: %d", got)
	}
	steady := func(seconds int, rate int64) {
		for range 10 * seconds {
			m.add(rate/10, now)
			now = now.Add(100 * time.Millisecond)
		}
	}
	near := func(when string, want int64) {
		t.Helper()
		if got := m.rate(now); got < want-want/8-1 || got > want+want/8+1 {
			t.Errorf("%s: %d, want about %d", when, got, want)
		}
	}
	steady(3, 1000)
	near("after three seconds", 1000)
	steady(30, 1000)
	near("after half a minute", 1000)
	steady(2*meterSpan, 5000)
	near("five times as fast", 5000)
	now = now.Add(meterSpan / 2 * time.Second)
	near("after a pause", 2500)
	now = now.Add(time.Hour)
	near("an hour later", 0)
	steady(meterSpan, 1000)
	near("again", 1000)
}
