package upload

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"mcfs/store"
)

const (
	// heldMax is the largest part, in bytes, that is made whole in memory and
	// sent from there; larger ones are made twice, chunk by chunk.
	heldMax = 16 << 20
	// defaultMemory bounds the default budget; see Config.
	defaultMemory = 96 << 20
	// idleTrim is how long an engine without work keeps its buffers.
	idleTrim = 5 * time.Second
)

// Config of an Engine.
type Config struct {
	Store store.Store
	// PartSize is the length of the first parts in bytes, 0 for 8 MiB; see
	// layout for how it grows. S3 wants at least 5 MiB. Less than 16 KiB is
	// taken as that, and what is no multiple of 16 is rounded up.
	PartSize int64
	// Concurrency is how many parts are under way at once over the engine; 0 for 8.
	Concurrency int
	// Memory bounds the part buffers over the engine, in bytes; 0 for what
	// Concurrency parts need, or two, up to 96 MiB. Up to half of it may be held by
	// parts that are being written. A part that does not fit into the rest, or is longer
	// than 16 MiB, is streamed in chunks of 256 KiB, at the price of being encrypted
	// twice; one such chunk is the least budget.
	Memory int64
	// Orphans takes over what is given up; nil: that stays in the store.
	Orphans Orphans
	// Troubled is told of an upload that has failed troubledAfter times in a row. It is called
	// with the engine's lock held: it waits for nothing, and calls nothing of the engine. nil for none.
	Troubled func(key string, cause error)
	Log      *slog.Logger // nil for none
}

// Orphans has uploads that were given up vanish from the store: orphans.Aborter does.
// Neither method waits.
type Orphans interface {
	// Note makes it known that the upload will be aborted, while requests for it are still
	// under way: a crash is not to leave it behind.
	Note(store.Upload)
	// Abort aborts it. No request for it is under way any more.
	Abort(store.Upload)
	// Forget takes a Note back: the upload has become its object after all.
	Forget(store.Upload)
}

// nobody leaves everything where it is.
type nobody struct{}

func (nobody) Note(store.Upload)   {}
func (nobody) Abort(store.Upload)  {}
func (nobody) Forget(store.Upload) {}

func (c Config) complete() Config {
	if c.PartSize == 0 {
		c.PartSize = 8 << 20
	}
	c.PartSize = min(max(c.PartSize, minPartSize), maxPartSize)
	c.PartSize = (c.PartSize + partUnit - 1) / partUnit * partUnit
	if c.Concurrency <= 0 {
		c.Concurrency = 8
	}
	if c.Memory == 0 {
		c.Memory = min(int64(max(c.Concurrency, 2))*bufferSize(min(c.PartSize, heldMax)), defaultMemory)
	}
	c.Memory = max(c.Memory, bufferSize(chunkSize))
	if c.Orphans == nil {
		c.Orphans = nobody{}
	}
	if c.Troubled == nil {
		c.Troubled = func(string, error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Engine runs uploads and owns their goroutines, buffers and limits.
//
// One goroutine, the dispatcher, starts jobs: in turn over the uploads that
// have any, one job each time round, so that a long upload cannot hold up a
// short one. A job is started when a place (Concurrency) and its buffer
// (Memory) are free; the next in turn is waited for rather than passed over.
// Every job fits the budget alone and waits for no other, so all get through.
type Engine struct {
	c      Config
	layout layout
	log    *slog.Logger
	pool   *pool
	cpu    chan struct{} // as many places as cores
	wake   chan struct{} // something changed: dispatch
	pause  func(failures int, err error) time.Duration

	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // every goroutine, and every Finish under way

	mu       sync.Mutex // guards what follows and everything in Upload that says so
	closed   bool
	ring     []*Upload     // with jobs; the next in turn first
	running  int           // jobs under way
	granted  int64         // bytes of their buffers, and of ahead's
	ahead    int64         // bytes of buffers of parts that were made before they leave
	troubled int           // uploads whose last try failed
	refused  bool          // the store did so with the last request that carried content
	leaving  int           // what is to hand an upload over to Orphans yet
	left     chan struct{} // closed, and made anew, when leaving falls to 0
}

// NewEngine starts an engine; Close ends it.
func NewEngine(c Config) *Engine {
	c = c.complete()
	e := &Engine{
		c:      c,
		layout: layout{first: c.PartSize},
		log:    c.Log,
		pool:   newPool(c.Memory),
		cpu:    make(chan struct{}, runtime.GOMAXPROCS(0)),
		wake:   make(chan struct{}, 1),
		left:   make(chan struct{}),
		pause:  pause,
	}
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	e.wg.Go(e.run)
	return e
}

// MaxSize is the longest file in bytes that the parts of one upload can hold.
func (e *Engine) MaxSize() int64 { return e.layout.limit() }

// Close aborts what is under way in this process (not in the store) and waits
// for all goroutines. Finish calls under way return ErrClosed. Uploads must
// still be Aborted, which then only lets go of their views and keys, unless they
// were given up before.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel(ErrClosed)
	e.wg.Wait()
	e.pool.trim()
}

// run is the dispatcher.
func (e *Engine) run() {
	for {
		timer := time.NewTimer(e.dispatch(time.Now()))
		select {
		case <-e.ctx.Done():
			timer.Stop()
			return
		case <-e.wake:
		case <-timer.C:
			e.trimIdle()
		}
		timer.Stop()
	}
}

// trimIdle returns the buffers to the system when nothing runs.
func (e *Engine) trimIdle() {
	e.mu.Lock()
	idle := e.running == 0
	e.mu.Unlock()
	if idle {
		e.pool.trim()
	}
}

// poke makes the dispatcher look again.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// dispatch starts what can be started, and says when to look again at the latest.
func (e *Engine) dispatch(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.closed && e.running < e.c.Concurrency {
		k, wait := e.pick(now)
		if k < 0 {
			return wait
		}
		u := e.ring[k]
		cost := u.needs(u.jobs[0])
		if e.granted+cost > e.c.Memory {
			break // whoever gives memory back wakes us
		}
		// Those before it had nothing to start: their turn comes still.
		e.ring = append(slices.Delete(e.ring, k, k+1), u)
		e.running++
		e.granted += cost
		u.startJob()
	}
	return e.rest()
}

// rest is how long the dispatcher may sleep when nobody wakes it.
func (e *Engine) rest() time.Duration {
	if e.pool.held() > 0 {
		return idleTrim
	}
	return time.Hour
}

// pick finds the next upload in turn whose first job may start; else -1 and
// how long until one may.
func (e *Engine) pick(now time.Time) (k int, wait time.Duration) {
	e.ring = slices.DeleteFunc(e.ring, func(u *Upload) bool {
		u.inRing = len(u.jobs) > 0
		return !u.inRing
	})
	wait = e.rest()
	for k, u := range e.ring {
		if !u.eligible(u.jobs[0]) {
			continue
		}
		left := u.resume.Sub(now)
		if left <= 0 || u.jobs[0].kind == jobPut {
			return k, 0
		}
		wait = min(wait, left)
	}
	return -1, wait
}

// endJob gives back what startJob was given.
func (e *Engine) endJob(u *Upload, cost int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	e.granted -= cost
	u.active--
	u.signal()
	e.poke()
}

// spawn runs f on a goroutine that Close waits for; false if the engine is closed.
func (e *Engine) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.wg.Go(f)
	return true
}

// spawnLeaving runs f on a goroutine that Settle and Close wait for; false if the engine is closed.
func (e *Engine) spawnLeaving(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.leaving++
	e.wg.Go(func() {
		defer e.gone()
		f()
	})
	return true
}

func (e *Engine) gone() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leaving--; e.leaving == 0 {
		close(e.left)
		e.left = make(chan struct{})
	}
}

// Settle waits until Orphans has every upload that was given up, or ctx ends.
func (e *Engine) Settle(ctx context.Context) {
	for {
		e.mu.Lock()
		n, left := e.leaving, e.left
		e.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-left:
		case <-ctx.Done():
			return
		}
	}
}
