package pace

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// turns is into how many pieces a second is divided: with 64 senders each has its turn
	// four times a second.
	turns = 256
	// mostPiece is the most bytes of one turn.
	mostPiece = 64 << 10
	// rest is the part of a second for which unused bytes are kept, so that one who wakes up
	// late does not lose what was due meanwhile.
	rest = 16
)

// Limit is how many bytes a second may be sent at a time; 0: any number.
type Limit func(time.Time) int64

// Limiter is a rate for all who share it. The nil Limiter has none.
type Limiter struct {
	now func() time.Time

	mu     sync.Mutex
	limit  Limit
	rate   int64 // in force; 0: none
	bucket *rate.Limiter
}

// New makes a Limiter with no bytes in store.
func New(limit Limit) *Limiter { return newLimiter(limit, time.Now) }

func newLimiter(limit Limit, now func() time.Time) *Limiter {
	return &Limiter{now: now, limit: limit, bucket: rate.NewLimiter(rate.Inf, 0)}
}

// Set puts another limit in the place of the one there is.
func (l *Limiter) Set(limit Limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
}

// Rate is how many bytes a second may be sent now; 0: any number.
func (l *Limiter) Rate() int64 {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit(l.now())
}

// Piece is how many of n bytes to send at once.
func (l *Limiter) Piece(n int) int {
	r := l.Rate()
	if r == 0 {
		return n
	}
	return min(n, piece(r))
}

func piece(rate int64) int { return int(min(max(rate/turns, 1), mostPiece)) }

// Wait returns when n bytes more may have been sent, or with the error of ctx.
func (l *Limiter) Wait(ctx context.Context, n int) error {
	if l == nil {
		return nil
	}
	for n > 0 {
		took, wait, giveBack := l.take(n)
		if took == 0 {
			return ctx.Err()
		}
		n -= took
		if wait <= 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			giveBack()
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// take reserves up to n bytes and returns how many, and after what time they are due; 0 bytes
// without a rate.
func (l *Limiter) take(n int) (took int, wait time.Duration, giveBack func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.adjust(now)
	if l.rate == 0 {
		return 0, 0, nil
	}
	took = min(n, piece(l.rate))
	r := l.bucket.ReserveN(now, took)
	return took, r.DelayFrom(now), r.Cancel
}

// adjust has the bucket follow the limit. A new rate begins with nothing in store. l.mu is held.
func (l *Limiter) adjust(now time.Time) {
	r := l.limit(now)
	if r == l.rate {
		return
	}
	l.rate = r
	if r == 0 {
		return
	}
	burst := max(piece(r), int(min(r/rest, 1<<30)))
	l.bucket = rate.NewLimiter(rate.Limit(r), burst)
	l.bucket.AllowN(now, burst)
}
