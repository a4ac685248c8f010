package upload

import (
	"sync"
	"time"
)

// meterSpan is over how many seconds a meter looks back: long enough to even
// parts out, short enough that a stop shows soon.
const meterSpan = 10

// meter tells how fast bytes go. The zero meter is ready, and its clock begins
// with the first byte.
type meter struct {
	mu     sync.Mutex
	began  time.Time
	newest int64            // second since began that was counted last
	bytes  [meterSpan]int64 // of a second, at its number modulo meterSpan
}

func (m *meter) add(n int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began.IsZero() {
		m.began = now
	}
	second := m.forward(now)
	m.bytes[second%meterSpan] += n
}

// rate is bytes per second.
func (m *meter) rate(now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began.IsZero() {
		return 0
	}
	second := m.forward(now)
	var sum int64
	for _, n := range m.bytes {
		sum += n
	}
	age := now.Sub(m.began)
	span := min(age, age-time.Duration(second-meterSpan+1)*time.Second)
	return int64(float64(sum) / max(span, time.Second/2).Seconds())
}

// forward empties the seconds that have passed without a byte; m.mu is held.
func (m *meter) forward(now time.Time) int64 {
	second := max(int64(now.Sub(m.began)/time.Second), m.newest)
	for s := max(m.newest+1, second-meterSpan+1); s <= second; s++ {
		m.bytes[s%meterSpan] = 0
	}
	m.newest = second
	return second
}
