package drain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mcfs/volume"
)

// every is how often a drain looks at what is pending.
const every = 2 * time.Second

// ErrStuck is the cause of a wait that was given up since nothing moved.
var ErrStuck = errors.New("no progress")

// Drain waits for what is pending in a volume.
type Drain struct {
	Pending  func() []volume.Pending
	Patience time.Duration // how long nothing may move
}

// Run runs wait, which returns when the pending work is done or its ctx ends. While it
// runs, tell is told what is pending, whenever that changes; when nothing has moved for
// Patience, the ctx ends with ErrStuck.
func (d Drain) Run(ctx context.Context, wait func(context.Context) error, tell func(string)) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { d.watch(done, giveUp, tell) })
	err := wait(ctx)
	close(done)
	wg.Wait()
	return err
}

// watch tells what is pending until done, and gives up when nothing moves.
func (d Drain) watch(done <-chan struct{}, giveUp context.CancelCauseFunc, tell func(string)) {
	tell = onChange(tell)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	last, moved := "", time.Now()
	for {
		select {
		case <-done:
			return
		case <-ticks.C:
		}
		waiting := awaited(d.Pending())
		if len(waiting) == 0 {
			continue
		}
		tell(progress(waiting))
		if state := fmt.Sprint(waiting); state != last {
			last, moved = state, time.Now()
		}
		if time.Since(moved) > d.Patience {
			giveUp(fmt.Errorf("%w for %v", ErrStuck, d.Patience))
			return
		}
	}
}

// onChange returns tell without repetitions, so that a log does not get the same line
// thirty times a minute.
func onChange(tell func(string)) func(string) {
	last := ""
	return func(text string) {
		if text != last {
			last = text
			tell(text)
		}
	}
}

// awaited returns, by path, what a drain waits for. What stays in the spool in any case is
// not among it.
func awaited(all []volume.Pending) []volume.Pending {
	return slices.DeleteFunc(slices.SortedFunc(slices.Values(all), func(a, b volume.Pending) int {
		return strings.Compare(a.Path, b.Path)
	}), func(p volume.Pending) bool {
		if p.Told != "" {
			return true
		}
		switch p.What {
		case volume.Interrupted.String(), volume.Local.String(), volume.Lost.String():
			return true
		}
		return false
	})
}
