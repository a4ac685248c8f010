package hotfolder

import (
	"context"
	"errors"
	"sync"
)

// ErrFull is why no more jobs are made: as many run as may.
var ErrFull = errors.New("as many jobs run as max_jobs allows")

// Owed counts what is to be looked at and has not been: files that a mount has told of or a
// look at all has found, until their jobs are made or refused, and a look at all that was asked for.
// The zero value counts from 0.
type Owed struct {
	mu       sync.Mutex
	n        int
	followed int           // jobs
	change   chan struct{} // closed when one of them is another; nil: nobody waits
}

func (o *Owed) add(n int) { o.set(func() { o.n += n }) }

// follow counts the jobs that are followed.
func (o *Owed) follow(n int) { o.set(func() { o.followed += n }) }

func (o *Owed) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
	if o.change != nil {
		close(o.change)
		o.change = nil
	}
}

// Await waits until nothing is owed. The error is ErrFull where that has to wait for the end of
// one of most jobs, or the cause of ctx, which has ended.
func (o *Owed) Await(ctx context.Context, most int) error {
	for {
		change, err := o.state(most)
		if change == nil {
			return err
		}
		select {
		case <-change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// state returns a channel that is closed when there is something new; nil: there is nothing to
// wait for.
func (o *Owed) state(most int) (change <-chan struct{}, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.n == 0:
		return nil, nil
	case o.followed >= most:
		return nil, ErrFull
	}
	if o.change == nil {
		o.change = make(chan struct{})
	}
	return o.change, nil
}
