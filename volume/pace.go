package volume

import (
	"sync"
	"sync/atomic"
)

// pace counts how far a change of names has come, over all its tries. What a try only
// does once more does not count: who waits for the change must see that it gets no further.
type pace struct {
	steps *atomic.Int64 // of all changes of the volume
	total atomic.Int64  // of this one

	mu   sync.Mutex
	best map[string]int64 // by object: how far a try has come that did not finish it
}

// stride is one try's way with one object. A nil one counts nothing.
type stride struct {
	p      *pace
	object string
	at     int64 // guarded by p.mu
}

func (p *pace) stride(object string) *stride {
	if p == nil {
		return nil
	}
	return &stride{p: p, object: object}
}

// step notes n steps, or bytes, more.
func (s *stride) step(n int64) {
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

// done notes that the object has arrived.
func (s *stride) done() {
	if s == nil {
		return
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	delete(s.p.best, s.object)
	s.p.advance(1)
}

func (p *pace) advance(n int64) {
	p.total.Add(n)
	p.steps.Add(n)
}
