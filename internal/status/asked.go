package status

import (
	"context"
	"errors"
	"sync"
	"time"

	"mcfs/internal/control"
)

// Answer is what the daemon of a mount told at a time.
type Answer struct {
	*Pending
	Volume string // its name

	at time.Time
}

// answerAge is how old what a daemon told may be. Many files then take one question.
const answerAge = time.Second

// Asked remembers what daemons have just told. The zero value is ready for any number of goroutines.
type Asked struct {
	mu   sync.Mutex
	told map[string]*Answer // by mountpoint
}

// Pending asks the daemon of a mount what is pending, unless it has just told.
func (a *Asked) Pending(ctx context.Context, daemon control.Client) (*Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.told[daemon.Mountpoint]; p != nil && time.Since(p.at) < answerAge {
		return p, nil
	}
	begun := time.Now()
	report, err := Ask(ctx, daemon, "")
	if err == nil && report.Status == nil {
		err = errors.New("it tells nothing of its files")
	}
	if err != nil {
		return nil, err
	}
	p := &Answer{NewPending(report), report.Volume, begun}
	if a.told == nil {
		a.told = make(map[string]*Answer)
	}
	a.told[daemon.Mountpoint] = p
	return p, nil
}
