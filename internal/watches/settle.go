package watches

import (
	"context"
	"fmt"
	"sync"
)

// Settle waits until the files that were saved before have their jobs. It waits neither for the
// end of a job nor for a hot folder that cannot be watched now. The error names a hot folder that is
// not as far, since as many jobs run as may, or when ctx ends.
func (w *Watches) Settle(ctx context.Context) error {
	last := w.o.Feed.Last()
	for _, one := range w.all {
		if err := one.settle(ctx, last); err != nil {
			return fmt.Errorf("%s: files that were saved last may have no job yet: %w", one.c.String(), err)
		}
	}
	return nil
}

// settle waits until all is looked at once, the last event has been heard, and nothing is owed.
func (w *watch) settle(ctx context.Context, last uint64) error {
	if !w.progress.await(ctx, last) {
		return context.Cause(ctx)
	}
	return w.folder.Owed.Await(ctx, w.c.MaxJobs)
}

// progress is how far a hot folder has come.
type progress struct {
	mu     sync.Mutex
	begun  bool   // all has been looked at once, or that has failed
	heard  uint64 // number of the last event that was heard
	deaf   bool   // nothing is heard now
	change chan struct{}
}

// set changes it, and wakes who waits.
func (p *progress) set(change func(*progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
	if p.change != nil {
		close(p.change)
		p.change = nil
	}
}

// await waits until the folder has begun and has heard the event of that number. It reports whether
// it has before ctx ended.
func (p *progress) await(ctx context.Context, last uint64) bool {
	for {
		p.mu.Lock()
		if p.begun && (p.deaf || p.heard >= last) {
			p.mu.Unlock()
			return true
		}
		if p.change == nil {
			p.change = make(chan struct{})
		}
		change := p.change
		p.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return false
		}
	}
}
