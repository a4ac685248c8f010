package queue

import (
	"sync"
	"sync/atomic"
)

// Pace counts how far a change of names has come, over all its tries. What a try only
// does once more does not count: who waits for the change must see that it gets no further.
type Pace struct {
	steps *atomic.Int64 // of all changes
	total atomic.Int64  // of this one

	mu   sync.Mutex
	best map[string]int64 // by object: how far a try has come that did not finish it
}

// Stride is one try's way with one object. A nil one counts nothing.
type Stride struct {
	p      *Pace
	object string
	at     int64 // guarded by p.mu
}

// NewPace returns one whose way counts in steps, too.
func NewPace(steps *atomic.Int64) *Pace { return &Pace{steps: steps} }

// Total is how far the change is.
func (p *Pace) Total() int64 { return p.total.Load() }

// Stride begins one try's way with an object.
func (p *Pace) Stride(object string) *Stride {
	if p == nil {
		return nil
	}
	return &Stride{p: p, object: object}
}

// Step notes n steps, or bytes, more.
func (s *Stride) Step(n int64) {
	if s == nil {
		return
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.at += n
	if further := s.at - s.p.best[s.object]; further > 0 {
		s.p.advance(further)
		if s.p.best == nil {
			s.p.best = make(map[string]int64)
		}
		s.p.best[s.object] = s.at
	}
}

// Done notes that the object has arrived.
func (s *Stride) Done() {
	if s == nil {
		return
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	delete(s.p.best, s.object)
	s.p.advance(1)
}

func (p *Pace) advance(n int64) {
	p.total.Add(n)
	p.steps.Add(n)
}
