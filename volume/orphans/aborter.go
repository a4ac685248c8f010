package orphans

import (
	"container/heap"
	"context"
	"log/slog"
	"sync"
	"time"

	"mcfs/store"
	"mcfs/volume/queue"
)

// Straggle is how long the store may still work on parts that nobody waits for.
const Straggle = 10 * time.Second

const (
	callTimeout    = 2 * time.Minute
	defaultWorkers = 4
	longestPause   = time.Minute
)

// Config of an Aborter.
type Config struct {
	Store store.Store
	// Note has the journal remember an upload, Forget has it forget one of which nothing is
	// left. They do not wait, and take no lock that a caller of the Aborter holds. May be nil.
	Note, Forget func(store.Upload)
	// Looks are how long after an abort the store is looked at, ascending; nil for a
	// second, and Straggle.
	Looks   []time.Duration
	Workers int // requests at once; 0 for 4
	// Pause is how long to wait after so many failures in a row; nil for half a second to a minute.
	Pause func(fails int) time.Duration
	Log   *slog.Logger
}

func (c Config) complete() Config {
	if len(c.Looks) == 0 {
		c.Looks = []time.Duration{time.Second, Straggle}
	}
	if c.Workers <= 0 {
		c.Workers = defaultWorkers
	}
	if c.Pause == nil {
		c.Pause = queue.Backoff{First: 500 * time.Millisecond, Longest: longestPause}.After
	}
	if c.Note == nil {
		c.Note = func(store.Upload) {}
	}
	if c.Forget == nil {
		c.Forget = func(store.Upload) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Aborter aborts uploads. Close ends it.
type Aborter struct {
	c      Config
	ctx    context.Context // of all requests
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // something is due, or a request has ended

	mu      sync.Mutex
	closed  bool
	all     map[string]*orphan // by the upload's id
	waiting byDue
	running int
	fails   int           // in a row, whatever the upload: the store is away
	resume  time.Time     // no request before
	pending int           // not seen to be gone once
	settled chan struct{} // closed, and made anew, when pending falls to 0
}

// orphan is an upload on its way out.
type orphan struct {
	up    store.Upload
	due   time.Time // of the next request
	sent  time.Time // of the abort
	seen  int       // looks since the abort that found nothing; -1: it is to be aborted
	tries int       // that failed in a row
	quiet bool      // not pending any more
}

// New starts an Aborter.
func New(c Config) *Aborter {
	a := &Aborter{
		c: c.complete(), wake: make(chan struct{}, 1),
		all: make(map[string]*orphan), settled: make(chan struct{}),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.wg.Go(a.run)
	return a
}

// Close ends what is under way. What is left is in the journal.
func (a *Aborter) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.wg.Wait()
}

// Note has the journal know that the upload is given up, while parts of it are still
// under way here. Abort is to follow. It does not wait.
func (a *Aborter) Note(up store.Upload) { a.c.Note(up) }

// Forget has the journal forget an upload that was noted and has become its object after
// all. It does not wait.
func (a *Aborter) Forget(up store.Upload) { a.c.Forget(up) }

// Abort aborts the upload, of which no request is under way here any more, and goes on
// until nothing of it is left in the store. It does not wait.
func (a *Aborter) Abort(up store.Upload) {
	a.c.Note(up)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.all[up.ID] != nil {
		return
	}
	o := &orphan{up: up, seen: -1, due: time.Now()}
	a.all[up.ID] = o
	a.pending++
	heap.Push(&a.waiting, o)
	a.poke()
}

// Settle waits until each upload was aborted and then, a moment later, seen to be gone,
// or ctx ends. What arrives later than that is the journal's.
func (a *Aborter) Settle(ctx context.Context) {
	for {
		a.mu.Lock()
		n, settled := a.pending, a.settled
		a.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Aborter) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run starts what is due.
func (a *Aborter) run() {
	for {
		timer := time.NewTimer(a.start(time.Now()))
		select {
		case <-timer.C:
		case <-a.wake:
		case <-a.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// start starts what is due and may run, and says when to look again at the latest.
func (a *Aborter) start(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.waiting) > 0 && a.running < a.c.Workers && !a.closed {
		if left := max(a.waiting[0].due.Sub(now), a.resume.Sub(now)); left > 0 {
			return left
		}
		o := heap.Pop(&a.waiting).(*orphan)
		a.running++
		a.wg.Go(func() { a.turn(o) })
		if a.fails > 0 {
			a.resume = now.Add(a.c.Pause(a.fails)) // one tries, until the store answers again
		}
	}
	return time.Hour // whoever ends, or comes, wakes us
}

// turn sends the next request for an orphan.
func (a *Aborter) turn(o *orphan) {
	ctx, cancel := context.WithTimeout(a.ctx, callTimeout)
	defer cancel()
	if o.seen < 0 {
		a.aborted(o, a.c.Store.Abort(ctx, o.up))
		return
	}
	gone, err := a.gone(ctx, o.up)
	a.looked(o, gone, err)
}

// aborted notes the answer to an abort.
func (a *Aborter) aborted(o *orphan, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.answered(o, err) {
		return
	}
	o.seen, o.sent = 0, time.Now()
	a.again(o, o.sent.Add(a.c.Looks[0]))
}

// looked notes what a look has found.
func (a *Aborter) looked(o *orphan, gone bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.answered(o, err) {
		return
	}
	if !gone {
		a.c.Log.Info("a part arrived after its upload was aborted; it is aborted again", "key", o.up.Key, "upload", o.up.ID)
		o.seen = -1
		a.again(o, time.Now())
		return
	}
	a.calm(o)
	if o.seen++; o.seen < len(a.c.Looks) {
		a.again(o, o.sent.Add(a.c.Looks[o.seen]))
		return
	}
	delete(a.all, o.up.ID)
	a.c.Forget(o.up)
}

// answered notes how a request ended; false: it is to be sent again. a.mu is held.
func (a *Aborter) answered(o *orphan, err error) bool {
	a.running--
	a.poke()
	if err == nil {
		a.fails, a.resume, o.tries = 0, time.Time{}, 0
		return true
	}
	if a.closed {
		return false
	}
	switch {
	case o.tries > 0 || a.fails > 0: // it was said
	case o.seen < 0:
		a.c.Log.Warn("an upload that was given up is not gone from the store yet; it is tried again", "key", o.up.Key, "upload", o.up.ID, "err", err)
	default:
		a.c.Log.Info("an upload was aborted; whether a part of it came later is looked at again", "key", o.up.Key, "upload", o.up.ID, "err", err)
	}
	a.fails++
	o.tries++
	a.resume = time.Now().Add(a.c.Pause(a.fails))
	a.again(o, time.Now().Add(a.c.Pause(o.tries)))
	return false
}

// again queues the next request. a.mu is held.
func (a *Aborter) again(o *orphan, due time.Time) {
	o.due = due
	heap.Push(&a.waiting, o)
}

// calm counts what Settle waits for. a.mu is held.
func (a *Aborter) calm(o *orphan) {
	if o.quiet {
		return
	}
	o.quiet = true
	if a.pending--; a.pending == 0 {
		close(a.settled)
		a.settled = make(chan struct{})
	}
}
