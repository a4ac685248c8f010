package batch

import (
	"context"
	"errors"
	"sync"
)

// ErrAway ends a batch for which nobody answers.
var ErrAway = errors.New("nobody answers")

// Run calls do for each item that a source names, for so many at once, until ctx ends, or until
// nobody has answered for more than twice as many in a row, as do reports. The error is the
// source's; or the cause, why not all were done.
func Run[T any](parent context.Context, parallel int, each func(context.Context, func(T) bool) error, do func(context.Context, T) (away bool)) error {
	ctx, giveUp := context.WithCancelCause(parent)
	defer giveUp(nil)
	silence := silence{most: 2 * parallel}
	work := make(chan T)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for item := range work {
				if silence.add(do(ctx, item)) {
					giveUp(ErrAway)
				}
			}
		})
	}
	err := feed(ctx, each, work)
	close(work)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// feed hands out what a source names, until ctx ends.
func feed[T any](ctx context.Context, each func(context.Context, func(T) bool) error, work chan<- T) error {
	next, ended := make(chan T), make(chan error, 1)
	go func() { // may wait for standard input, and then ends with the process
		ended <- each(ctx, func(item T) bool {
			select {
			case next <- item:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for ctx.Err() == nil {
		select {
		case item := <-next:
			select {
			case work <- item:
			case <-ctx.Done():
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
		}
	}
	return nil
}

// silence counts the items in a row for which nobody answered.
type silence struct {
	most int

	mu sync.Mutex
	n  int
}

// add counts an item, and reports whether it is one too many.
func (s *silence) add(away bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !away {
		s.n = 0
		return false
	}
	s.n++
	return s.n > s.most
}
