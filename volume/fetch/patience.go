package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mcfs/store"
)

// errFrozen: nothing came from the store for Config.Timeout.
var errFrozen = fmt.Errorf("the store gave no byte for too long: %w", store.ErrUnavailable)

// frozenFor is for how long reads that need the store then fail at once. A kernel whose
// read-ahead has failed asks for the same pages again, and a program for the next ones:
// each would wait as long as the first.
const frozenFor = 500 * time.Millisecond

// movement is what is known of the store's answering.
type movement struct {
	last  atomic.Int64 // when a byte came last, by start
	until atomic.Int64 // when the store counts as frozen no more
	start time.Time
}

func (m *movement) now() int64 { return int64(time.Since(m.start)) }

// byteCame notes that the store answers.
func (m *movement) byteCame() {
	m.last.Store(m.now())
	m.until.Store(0)
}

// froze notes that it does not.
func (m *movement) froze() { m.until.Store(m.now() + int64(frozenFor)) }

func (m *movement) frozen() bool { return m.now() < m.until.Load() }

// patient is a context for a wait for the store. It ends with errFrozen when no byte has
// come for Timeout, to anybody: the request itself may be waiting for a free connection.
// stop is to be called when the wait is over.
func (e *Engine) patient(ctx context.Context) (waiting context.Context, stop func()) {
	waiting, cancel := context.WithCancelCause(ctx)
	if e.moving.frozen() {
		cancel(errFrozen)
		return waiting, func() {}
	}
	begun := e.moving.now()
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		idle := time.Duration(e.moving.now() - max(begun, e.moving.last.Load()))
		if idle >= e.Timeout {
			e.moving.froze()
			cancel(errFrozen)
		} else if waiting.Err() == nil {
			timer.Reset(e.Timeout - idle)
		}
	})
	timer.Reset(e.Timeout)
	return waiting, func() {
		cancel(nil)
		timer.Stop()
	}
}

// ended is why a context ended: errFrozen, or as its Err says.
func ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errFrozen) {
		return errFrozen
	}
	return ctx.Err()
}
