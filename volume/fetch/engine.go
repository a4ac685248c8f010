package fetch

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"mcfs/crypt"
)

// Engine shares connections and memory among Readers.
type Engine struct {
	Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // every goroutine, and every PlainSize
	pool   sync.Pool      // of *[bufSize]byte
	moving movement

	// mu guards what follows, and all bookkeeping of the Readers and Streams.
	mu      sync.Mutex
	closed  bool
	readers map[*Reader]struct{}
	budget

	fetched atomic.Int64 // see Fetched
}

// NewEngine starts nothing yet. The store must outlive the Engine.
func NewEngine(c Config) *Engine {
	e := &Engine{
		Config:  c.withDefaults(),
		readers: make(map[*Reader]struct{}),
		budget:  budget{spent: list.New(), ahead: list.New()},
	}
	e.pool.New = func() any { return new([bufSize]byte) }
	e.moving.start = time.Now()
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Fetched is how many bytes of objects have come from the store, for all Readers. It may be
// called at any time.
func (e *Engine) Fetched() int64 { return e.fetched.Load() }

// Close cancels everything under way, in all Readers, and waits for it. Reads
// fail with ErrClosed then. The Readers must still be closed.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.work.Wait()
}

// Open checks mcfs-check and sizes, without the network. dataKey is copied. cache may be nil.
//
// A Reader with a cache trusts what the cache holds, at once in the modes CTR
// and CBC and with gcm_reads = "streaming", else after the tag was checked (or
// after MarkVerified). Fill stores what was fetched, checked or not: when a
// read fails with ErrTampered, the caller must put the cache away, and a cache
// that was filled by a Reader of a GCM version that never got as far as
// Verified must not be given to another.
func (e *Engine) Open(v Version, dataKey []byte, cache Cache) (*Reader, error) {
	r := &Reader{
		e:       e,
		version: v,
		lay:     layout{v.Mode, v.Plain, v.Cipher},
		cache:   cache,
		blocks:  make(map[int64]*block),
		flights: make(map[*flight]struct{}),
		streams: make(map[*Stream]struct{}),
	}
	if err := r.unlock(dataKey); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	r.gated = v.Mode == crypt.GCM && !e.Streaming
	r.ctx, r.cancel = context.WithCancel(e.ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		r.cancel()
		return nil, ErrClosed
	}
	e.readers[r] = struct{}{}
	return r, nil
}

// PlainSize finds a CBC object's plaintext size from its last block (others: by arithmetic).
func (e *Engine) PlainSize(ctx context.Context, v Version, dataKey []byte) (int64, error) {
	if v.Mode == 0 {
		return v.Cipher, nil
	}
	size, exact, err := v.Mode.PlainSize(v.Cipher)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if exact {
		return size, nil
	}
	c, err := crypt.NewCipher(v.Mode, dataKey, v.IV)
	if err != nil {
		return 0, fmt.Errorf("size: %w", err)
	}
	defer c.Wipe()
	if err := e.begin(); err != nil {
		return 0, err
	}
	defer e.work.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()

	off, n := v.Mode.TailSpan(v.Cipher)
	tail := make([]byte, n)
	src := source{ctx: ctx, store: e.Store, moving: &e.moving, timeout: e.Timeout, version: &v, off: off, end: v.Cipher}
	defer src.close()
	if err := src.fill(tail); err != nil {
		return 0, fmt.Errorf("size: %w", err)
	}
	if size, err = c.PlainSize(v.Cipher, tail); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return size, nil
}

// begin counts one more thing that Close waits for.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.work.Add(1)
	return nil
}
