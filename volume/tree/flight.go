package tree

import (
	"context"
	"sync/atomic"
	"time"
)

// Flight is a listing under way; those who need it wait for its end.
type Flight struct {
	onePage bool
	pages   atomic.Int64
	done    chan struct{}
	err     error // these two once it has ended
	enough  bool
}

// NewFlight begins one, of the first page or of all.
func NewFlight(onePage bool) *Flight { return &Flight{onePage: onePage, done: make(chan struct{})} }

// IsOnePage reports whether no more than one page is asked for.
func (f *Flight) IsOnePage() bool { return f.onePage }

// Turn notes that a page has come.
func (f *Flight) Turn() { f.pages.Add(1) }

// Pages is how many have come.
func (f *Flight) Pages() int64 { return f.pages.Load() }

// End tells those who wait how it has ended. Enough says that to list more would tell no more, which
// is so after an error. It is called once.
func (f *Flight) End(enough bool, err error) {
	f.enough, f.err = enough || err != nil, err
	close(f.done)
}

// Outcome is how a wait for a listing has ended.
type Outcome int

const (
	Ended   Outcome = iota // with the listing
	Silent                 // no page has come in the time
	Slow                   // one has, and others are to come
	GivenUp                // by the context
)

// Await waits for the end, for as long as limit says; patient says that it goes on waiting as long as
// a page comes in each such time. Enough and err are those of End, where it has ended.
func (f *Flight) Await(ctx context.Context, limit time.Duration, patient bool) (o Outcome, enough bool, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for pages := f.Pages(); ; {
		select {
		case <-f.done:
			return Ended, f.enough, f.err
		case <-timer.C:
		case <-ctx.Done():
			return GivenUp, false, context.Cause(ctx)
		}
		now := f.Pages()
		switch {
		case now == pages:
			return Silent, false, nil
		case !patient:
			return Slow, false, nil
		}
		pages = now
		timer.Reset(limit)
	}
}
