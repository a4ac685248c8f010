package fs

import (
	"context"
	"sync"
	"time"

	"mcfs/volume"
)

const (
	// lookInterval is how often the process of an interrupted request is looked at.
	lookInterval = 25 * time.Millisecond
	// strangerGrace is how long an interrupted request goes on whose process is not
	// known. Whether the signal kills it cannot be told, and a process must stay killable.
	strangerGrace = time.Second
)

// patience is the context of one request, which ends when the process that sent the
// request is being killed. The kernel interrupts a request at any signal that its thread
// does not ignore, and most of those do not end the process: Go programs signal
// themselves all the time, timers tick, children end. So a SIGURG makes no read fail, and
// a SIGKILL ends the wait in close(2) at once.
//
// The process is watched only from the first call of Done, which a request that is
// answered from memory never makes. One goroutine uses a patience; stop ends it.
type patience struct {
	context.Context // of the request; it ends when the kernel interrupts that

	who      func() volume.Process // asked once, at the interrupt
	forever  bool                  // go on, too, if the process is not known
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

// newFlushPatience returns the context of a close(2) by a process that was looked up
// already. If it is not known, only the volume's deadline ends the wait: a program that
// gets EINTR takes the file for lost.
func newFlushPatience(ctx context.Context, by volume.Process) *patience {
	return &patience{Context: ctx, who: func() volume.Process { return by }, forever: true}
}

// until sets a deadline. It must be called before the first use.
func (p *patience) until(t time.Time) *patience {
	p.deadline = t
	return p
}

// Deadline returns the deadline that until has set.
func (p *patience) Deadline() (time.Time, bool) { return p.deadline, !p.deadline.IsZero() }

// Done returns a channel that is closed when the process is being killed, or the deadline
// is over.
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

// Err returns why Done was closed: context.Canceled or context.DeadlineExceeded.
func (p *patience) Err() error {
	interrupted := p.Context.Err() != nil
	late := !p.deadline.IsZero() && !time.Now().Before(p.deadline)
	if interrupted && !late {
		p.Done() // begins to watch the process
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil && late {
		return context.DeadlineExceeded
	}
	return p.why
}

// stop ends the watching and waits for that. It does not close Done.
func (p *patience) stop() {
	p.mu.Lock()
	if p.end != nil && !p.ended {
		close(p.end)
	}
	p.ended = true
	p.mu.Unlock()
	p.watcher.Wait()
}

// giveUp ends the context. Only the watcher calls it.
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
