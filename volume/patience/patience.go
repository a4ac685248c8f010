package patience

import (
	"context"
	"errors"
	"sync"
	"time"

	"mcfs/store"
)

const (
	// Known bounds the wait where a last-known answer exists, Unknown where none does.
	Known   = time.Second
	Unknown = 10 * time.Second
	// awayFor is how long after a wait in vain last-known answers are given without waiting.
	awayFor = 4 * time.Second
)

// Patience is that with one store. The zero Patience has not waited yet.
type Patience struct {
	mu   sync.Mutex
	away time.Time // until then the store is taken for one that does not answer
}

// IsAway reports whether the store has just not answered.
func (p *Patience) IsAway() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.away)
}

// Wait is how long to wait for news; known says that something is known without them. An ls has
// several such waits, and those of others that hold its directory: in all it is to take a second or two.
func (p *Patience) Wait(known bool) time.Duration {
	switch {
	case !known:
		return Unknown
	case p.IsAway():
		return 0
	}
	return Known
}

// NoteFailure notes that the store did not answer, if the error says so.
func (p *Patience) NoteFailure(err error) {
	if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = time.Now().Add(awayFor)
}

// NoteAnswer notes that it did, to what was asked then.
func (p *Patience) NoteAnswer(begun time.Time) {
	if time.Since(begun) >= Known {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = time.Time{}
}

// Do runs a request for as long as Wait says. Its failure is returned only where nothing is known.
func (p *Patience) Do(ctx context.Context, known bool, f func(context.Context) error) error {
	limit := p.Wait(known)
	if limit == 0 {
		return nil
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(ctx)
	switch {
	case err == nil:
		p.NoteAnswer(begun)
	case !known:
		return err
	default:
		p.NoteFailure(err)
	}
	return nil
}
