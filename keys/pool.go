package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// ErrPoolClosed is what Get returns after Close.
var ErrPoolClosed = errors.New("the pool of data keys is closed")

const (
	defaultPoolSize = 64
	defaultMaxAge   = 15 * time.Minute
	startSize       = 2  // keys held ready before demand is known
	maxFetches      = 32 // calls to the keeper at once

	firstBackoff = 500 * time.Millisecond
	maxBackoff   = time.Minute
)

// PoolOptions bounds a Pool.
type PoolOptions struct {
	// Bits is the size of the keys: 128, 192 or 256; 0 means 256.
	Bits int
	// Size is the most keys held ready; 0 means 64. The pool starts with 2 and
	// doubles while it is drained.
	Size int
	// MaxAge is how long an unused key is kept; 0 means 15 minutes.
	MaxAge time.Duration
	// Log may be nil.
	Log *slog.Logger
}

// Pool hands out fresh data keys, each exactly once, fetched ahead of need.
// It fetches nothing before the first Get or Warm. Its methods may be called
// by any number of goroutines.
type Pool struct {
	keeper Keeper
	bits   int
	size   int
	maxAge time.Duration
	log    *slog.Logger

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // tells the caretaker that its next date changed

	mu      sync.Mutex
	ready   []pooledKey // oldest first
	waiters []waiter    // who came first, first
	fetches int         // running
	target  int         // keys to hold ready
	started bool
	closed  bool
	failure error         // the last one, nil after a success
	backoff time.Duration // 0 while the keeper answers
	retryAt time.Time     // refills wait until then; waiters do not
}

type pooledKey struct {
	DataKey
	born time.Time
}

type waiter struct {
	ch    chan fetched
	since time.Time
}

type fetched struct {
	key DataKey
	err error
}

// NewPool makes a pool over k. Close it when done.
func NewPool(k Keeper, o PoolOptions) *Pool {
	p := &Pool{keeper: k, bits: o.Bits, size: o.Size, maxAge: o.MaxAge, log: o.Log, wake: make(chan struct{}, 1)}
	if p.bits == 0 {
		p.bits = 256
	}
	if p.size <= 0 {
		p.size = defaultPoolSize
	}
	if p.maxAge <= 0 {
		p.maxAge = defaultMaxAge
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.target = min(startSize, p.size)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Get returns a key that nobody else gets; the caller wipes it. If none is
// ready it waits for a fetch of its own, and fails with that fetch's error. A
// ctx that ends first ends the wait; the key is then kept for the next caller.
func (p *Pool) Get(ctx context.Context) (DataKey, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return DataKey{}, ErrPoolClosed
	}
	if len(p.ready) > 0 && len(p.waiters) == 0 {
		key := p.ready[0].DataKey
		p.ready[0] = pooledKey{}
		p.ready = p.ready[1:]
		if len(p.ready) == 0 {
			p.grow()
		}
		p.fill()
		p.mu.Unlock()
		return key, nil
	}
	if p.started {
		p.grow()
	}
	ch := make(chan fetched, 1)
	p.waiters = append(p.waiters, waiter{ch, time.Now()})
	p.fill()
	p.mu.Unlock()
	select {
	case f := <-ch:
		return f.key, f.err
	case <-ctx.Done():
		return p.giveUp(ctx, ch)
	}
}

// giveUp leaves the queue, unless the answer came in the same moment.
func (p *Pool) giveUp(ctx context.Context, ch chan fetched) (DataKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case f := <-ch:
		return f.key, f.err
	default:
	}
	p.waiters = slices.DeleteFunc(p.waiters, func(w waiter) bool { return w.ch == ch })
	if p.failure != nil {
		return DataKey{}, fmt.Errorf("wait for a data key: %w; the last one failed: %w", context.Cause(ctx), p.failure)
	}
	return DataKey{}, fmt.Errorf("wait for a data key: %w", context.Cause(ctx))
}

// Warm begins to fetch, and does not wait.
func (p *Pool) Warm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.fill()
	}
}

// Ready is the number of keys that can be had without waiting.
func (p *Pool) Ready() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready)
}

// Close wipes the keys that are left, fails whoever waits, and returns when
// all of the pool's goroutines have ended. It may be called again.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.cancel()
	for i := range p.ready {
		p.ready[i].Wipe()
	}
	p.ready = nil
	p.failWaiters(len(p.waiters), ErrPoolClosed)
	p.mu.Unlock()
	p.wg.Wait()
}

// grow doubles what is held ready: demand was faster than the refills.
func (p *Pool) grow() { p.target = min(p.target*2, p.size) }

// fill starts the fetches that are wanted. The lock is held.
func (p *Pool) fill() {
	if !p.started {
		p.started = true
		p.wg.Go(p.care)
	}
	want := len(p.waiters)
	if !time.Now().Before(p.retryAt) {
		spare := max(0, p.target-len(p.ready))
		if p.failure != nil {
			spare = min(spare, 1) // one probe is enough to see that the keeper is back
		}
		want += spare
	}
	for p.fetches < min(want, maxFetches) {
		p.fetches++
		p.wg.Go(p.fetch)
	}
}

// fetch makes one key and gives it to whoever waits longest, or keeps it ready.
func (p *Pool) fetch() {
	begun := time.Now()
	key, err := p.keeper.New(p.ctx, p.bits)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches--
	if p.closed {
		key.Wipe()
		return
	}
	if err != nil {
		p.failed(begun, err)
	} else {
		p.succeeded(key)
	}
	p.fill()
	p.nudge()
}

func (p *Pool) succeeded(key DataKey) {
	if p.failure != nil {
		p.log.Info("data keys can be had again", "key_id", key.KeyID)
	}
	p.failure, p.backoff, p.retryAt = nil, 0, time.Time{}
	if len(p.waiters) > 0 {
		p.waiters[0].ch <- fetched{key: key}
		p.waiters = p.waiters[1:]
		return
	}
	if len(p.ready) >= p.size { // made for callers who gave up
		key.Wipe()
		return
	}
	p.ready = append(p.ready, pooledKey{key, time.Now()})
}

// failed tells whoever waits longest, or everybody if waiting cannot help, and
// puts off the refills. Who came after the fetch had begun gets another: what
// held it up may be over.
func (p *Pool) failed(begun time.Time, err error) {
	now := time.Now()
	if p.failure == nil {
		p.log.Warn("no data keys can be had", "error", err)
	}
	p.failure = err
	if !now.Before(p.retryAt) { // one step per round, not per fetch in it
		p.backoff = min(max(p.backoff*2, firstBackoff), maxBackoff)
		p.retryAt = now.Add(p.backoff)
	}
	n := 0 // that were there before
	for n < len(p.waiters) && !p.waiters[n].since.After(begun) {
		n++
	}
	if !errors.Is(err, ErrDenied) && !errors.Is(err, ErrKeyState) {
		n = min(n, 1)
	}
	p.failWaiters(n, err)
}

// failWaiters tells the first n.
func (p *Pool) failWaiters(n int, err error) {
	for _, w := range p.waiters[:n] {
		w.ch <- fetched{err: err}
	}
	p.waiters = p.waiters[n:]
}

// care wipes keys as they grow old, and takes refills up again after a backoff.
func (p *Pool) care() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return
		}
		p.dropOld()
		p.fill()
		timer.Reset(p.untilNext())
		p.mu.Unlock()
	}
}

// dropOld wipes keys that nobody wanted in time; demand was lower than thought.
func (p *Pool) dropOld() {
	n := 0
	for n < len(p.ready) && time.Since(p.ready[n].born) >= p.maxAge {
		p.ready[n].Wipe()
		n++
	}
	if n == 0 {
		return
	}
	p.ready = slices.Delete(p.ready, 0, n)
	p.target = max(p.target/2, min(startSize, p.size))
}

// untilNext is how long the caretaker may sleep.
func (p *Pool) untilNext() time.Duration {
	next := time.Hour
	if len(p.ready) > 0 {
		next = min(next, time.Until(p.ready[0].born.Add(p.maxAge)))
	}
	if d := time.Until(p.retryAt); d > 0 {
		next = min(next, d)
	}
	return max(next, 0)
}

func (p *Pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
