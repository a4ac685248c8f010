package recheck

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// most is how many are looked at at once.
const most = 8

// Schedule is what is to be looked at again, and when. Use New.
type Schedule[K comparable] struct {
	mu    sync.Mutex
	at    map[K]time.Time
	asked chan struct{} // one waiting token: there are some
}

// New makes an empty schedule.
func New[K comparable]() *Schedule[K] {
	return &Schedule[K]{at: make(map[K]time.Time), asked: make(chan struct{}, 1)}
}

// After has k looked at after a while; what was asked for before is not.
func (s *Schedule[K]) After(k K, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[k] = time.Now().Add(wait)
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

// Has reports whether k is to be looked at.
func (s *Schedule[K]) Has(k K) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.at[k]
	return there
}

// Run looks at what is due, until the context ends.
func (s *Schedule[K]) Run(ctx context.Context, look func(K)) {
	for {
		select {
		case <-s.asked:
		case <-ctx.Done():
			return
		}
		for left := 1; left > 0; {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
			var due []K
			due, left = s.due()
			var g errgroup.Group
			g.SetLimit(most)
			for _, k := range due {
				g.Go(func() error { look(k); return nil })
			}
			_ = g.Wait()
		}
	}
}

// due takes out what is due, and returns how much is left.
func (s *Schedule[K]) due() (due []K, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for k, at := range s.at {
		if !at.After(now) {
			delete(s.at, k)
			due = append(due, k)
		}
	}
	return due, len(s.at)
}
