package pace

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const kib = 1 << 10

func always(rate int64) Limit { return func(time.Time) int64 { return rate } }

// send sends n bytes as a store does, by pieces.
func send(t *testing.T, l *Limiter, n int) {
	t.Helper()
	for n > 0 {
		p := l.Piece(n)
		if err := l.Wait(t.Context(), p); err != nil {
			t.Error(err)
			return
		}
		n -= p
	}
}

// TestRate: bytes take the time that they must, however many share it.
func TestRate(t *testing.T) {
	const rate, all = 256 * kib, 64 * kib
	for _, senders := range []int{1, 4, 64} {
		l := New(always(rate))
		began := time.Now()
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() { send(t, l, all/senders) })
		}
		wg.Wait()
		if took, least := time.Since(began), time.Second*all/rate; took < least {
			t.Errorf("%d senders: %v, which is less than %v", senders, took, least)
		}
	}
}

// TestNoRate: nothing is in the way, nor without a limiter.
func TestNoRate(t *testing.T) {
	var none *Limiter
	for _, l := range []*Limiter{none, New(always(0))} {
		if p := l.Piece(1 << 30); p != 1<<30 {
			t.Errorf("a piece of %d", p)
		}
		if err := l.Wait(t.Context(), 1<<40); err != nil || l.Rate() != 0 {
			t.Errorf("%v, rate %d", err, l.Rate())
		}
	}
}

// TestTurns: who comes second has had as many pieces as the first, but for one, at each moment.
func TestTurns(t *testing.T) {
	l := New(always(64 * kib))
	var sent [2]atomic.Int64
	var most atomic.Int64
	var wg sync.WaitGroup
	both := make(chan struct{}, 2)
	begin := make(chan struct{})
	for i := range sent {
		wg.Go(func() {
			both <- struct{}{}
			<-begin
			for range 50 {
				if err := l.Wait(t.Context(), l.Piece(1<<20)); err != nil {
					t.Error(err)
				}
				n := sent[i].Add(1)
				if other := sent[1-i].Load(); n < 50 && n-other > most.Load() {
					most.Store(n - other)
				}
			}
		})
	}
	<-both
	<-both
	close(begin)
	wg.Wait()
	if most.Load() > 25 { // a loaded machine wakes one of two late
		t.Errorf("one was %d of 50 pieces ahead of the other", most.Load())
	}
}

// TestTimetable: the rate is that of the clock, from the next piece on, and one that comes into
// force begins with nothing in store.
func TestTimetable(t *testing.T) {
	at := time.Date(2026, 3, 2, 7, 59, 59, 0, time.UTC)
	morning := at.Add(time.Second)
	l := newLimiter(func(now time.Time) int64 {
		if now.Before(morning) {
			return 0
		}
		return 64 * kib
	}, func() time.Time { return at })
	if n, _, _ := l.take(1 << 20); n != 0 || l.Piece(1<<20) != 1<<20 || l.Rate() != 0 {
		t.Errorf("before: %d bytes, a piece of %d, rate %d", n, l.Piece(1<<20), l.Rate())
	}
	at = morning
	if l.Piece(1<<20) != 256 || l.Rate() != 64*kib {
		t.Errorf("then: a piece of %d, rate %d", l.Piece(1<<20), l.Rate())
	}
	for i := range 8 {
		n, wait, _ := l.take(256)
		if want := time.Duration(i+1) * time.Second / turns; n != 256 || wait < want-time.Microsecond || wait > want+time.Microsecond {
			t.Errorf("piece %d: %d bytes after %v, not %v", i, n, wait, want)
		}
	}
	l.Set(always(128 * kib))
	if n, wait, _ := l.take(1 << 20); n != 512 || wait > time.Second/turns+time.Microsecond {
		t.Errorf("another limit: %d bytes after %v", n, wait)
	}
	l.Set(always(0))
	if n, _, _ := l.take(1 << 20); n != 0 {
		t.Errorf("no limit: %d", n)
	}
}

// TestWaitEnds: whoever waits stops with its context, and gives back what it has not sent.
func TestWaitEnds(t *testing.T) {
	l := New(always(kib))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- l.Wait(ctx, 1<<30) }()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
