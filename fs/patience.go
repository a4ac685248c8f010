package fs

import (
	"context"
	"sync"
	"time"

	"mcfs/volume"
)

const (
	// lookInterval is how often an interrupted request looks at its process.
	lookInterval = 25 * time.Millisecond
	// strangerGrace is how long an interrupted request of an unknown process
	// goes on: nobody can tell whether the signal was deadly, and a process
	// must not be unkillable for it.
	strangerGrace = time.Second
)

// patience is the context of one request. The kernel interrupts a request at
// any signal that its thread does not ignore, and most of those are not meant
// for it: Go programs signal themselves all the time, timers tick, children
// end. So an interrupted request goes on until its process turns out to be
// killed; only then does the context end. Whoever waits in close(2) for an
// upload is let go at once that way, and no read fails for a SIGURG.
//
// The watching costs nothing until somebody waits on Done, which what is
// answered from memory never does. One goroutine uses it; stop ends it.
type patience struct {
	context.Context // the request's: its end is the interrupt

	who      func() volume.Process // asked once, at the interrupt
	forever  bool                  // a stranger's request is never given up either
	deadline time.Time             // zero: none

	mu      sync.Mutex
	done    chan struct{} // closed to give up
	end     chan struct{} // closed by stop
	why     error         // why it was given up
	ended   bool
	watcher sync.WaitGroup
}

func newPatience(ctx context.Context) *patience {
	return &patience{Context: ctx, who: func() volume.Process { return process(ctx) }}
}

// newFlushPatience is that of a close(2), whose process by is known already.
// Where it is not, the volume's deadline alone ends the wait: the caller would
// take an EINTR for a lost file.
func newFlushPatience(ctx context.Context, by volume.Process) *patience {
	return &patience{Context: ctx, who: func() volume.Process { return by }, forever: true}
}

// until gives the request a deadline of its own. Call it before use.
func (p *patience) until(t time.Time) *patience {
	p.deadline = t
	return p
}

// Deadline is that of until.
func (p *patience) Deadline() (time.Time, bool) { return p.deadline, !p.deadline.IsZero() }

// Done is closed when the process is being killed, or the deadline is over.
func (p *patience) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		return p.done
	}
	p.done = make(chan struct{})
	if !p.ended {
		p.end = make(chan struct{})
		p.watcher.Go(p.watch)
	}
	return p.done
}

// Err is why Done was closed: context.Canceled or context.DeadlineExceeded.
func (p *patience) Err() error {
	interrupted := p.Context.Err() != nil
	late := !p.deadline.IsZero() && !time.Now().Before(p.deadline)
	if interrupted && !late {
		p.Done() // the look at the process has begun, if it had not
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil && late {
		return context.DeadlineExceeded
	}
	return p.why
}

// stop ends the watching, and waits for it; Done stays as it is.
func (p *patience) stop() {
	p.mu.Lock()
	if p.end != nil && !p.ended {
		close(p.end)
	}
	p.ended = true
	p.mu.Unlock()
	p.watcher.Wait()
}

// giveUp ends the context; the watcher alone calls it.
func (p *patience) giveUp(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why = why
	close(p.done)
}

func (p *patience) watch() {
	var late <-chan time.Time
	if !p.deadline.IsZero() {
		timer := time.NewTimer(time.Until(p.deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-p.Context.Done():
	case <-late:
		p.giveUp(context.DeadlineExceeded)
		return
	case <-p.end:
		return
	}
	who, since := p.who(), time.Now()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		if p.over(who, time.Since(since)) {
			p.giveUp(context.Canceled)
			return
		}
		select {
		case <-look.C:
		case <-late:
			p.giveUp(context.DeadlineExceeded)
			return
		case <-p.end:
			return
		}
	}
}

func (p *patience) over(who volume.Process, waited time.Duration) bool {
	if who == nil {
		return !p.forever && waited >= strangerGrace
	}
	fate := who.Fate()
	return fate == volume.Killed || fate == volume.Gone
}
