package sink

import (
	"context"
	"sync"
	"time"
)

// limiter lets bytes pass at a rate, shared by all connections. It saves up no
// more than slack, so that a pause is not followed by a burst.
type limiter struct {
	rate int64 // bytes per second; 0 is unlimited
	mu   sync.Mutex
	next time.Time // when what has passed is paid for
}

const slack = 5 * time.Millisecond

func newLimiter(rate int64) *limiter { return &limiter{rate: rate} }

// wait returns when n more bytes may pass.
func (l *limiter) wait(ctx context.Context, n int) error {
	if l.rate <= 0 || n == 0 {
		return nil
	}
	pause := l.book(n, time.Now())
	if pause <= 0 {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// book takes the next n bytes of time, and says how far in the future they end.
func (l *limiter) book(n int, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if earliest := now.Add(-slack); l.next.Before(earliest) {
		l.next = earliest
	}
	l.next = l.next.Add(time.Duration(int64(n) * int64(time.Second) / l.rate))
	return l.next.Sub(now)
}
