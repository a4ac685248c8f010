package commit

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/volume/event"
	"mcfs/volume/fetch"
	"mcfs/volume/file"
	"mcfs/volume/flaw"
	"mcfs/volume/metacache"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// asked is a store of which a test can see, fail or hold back each request.
type asked struct {
	store.Store
	before func(op, key string) error // runs before each Put, Delete and Head; may be nil
}

func (s *asked) ask(op, key string) error {
	if s.before == nil {
		return nil
	}
	return s.before(op, key)
}

func (s *asked) Put(ctx context.Context, key string, body store.Body, attr store.Attributes, cond store.Condition) (store.Info, error) {
	if err := s.ask("put", key); err != nil {
		return store.Info{}, err
	}
	return s.Store.Put(ctx, key, body, attr, cond)
}

func (s *asked) Delete(ctx context.Context, key string, cond store.Condition) error {
	if err := s.ask("delete", key); err != nil {
		return err
	}
	return s.Store.Delete(ctx, key, cond)
}

// rig has the real parts of a Runner, and files without a tree.
type rig struct {
	t      *testing.T
	store  *asked
	spool  *spool.Spool
	shared *file.Shared
	runner *Runner
	mu     sync.Mutex
	queue  *queue.Queue
	behind sync.WaitGroup
	stop   context.CancelCauseFunc
	events events
	before func(*queue.Job) (Before, bool)
	failed func() // called by the worker that decides what comes after a failed try
}

// events are those that were observed.
type events struct {
	mu   sync.Mutex
	list []event.Event
}

func (e *events) Observe(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

// of counts those of a kind.
func (e *events) of(k event.Kind) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.list {
		if ev.Kind == k {
			n++
		}
	}
	return n
}

func newRig(t *testing.T, closeTimeout time.Duration) *rig {
	t.Helper()
	r := &rig{t: t, failed: func() {}}
	home, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	s, err := dir.New(dir.Options{Path: filepath.Join(home, "store"), Bucket: "b"})
	r.must(err)
	r.store = &asked{Store: s}
	keeper, err := keys.CreateLocal(filepath.Join(home, "keyring"))
	r.must(err)
	r.spool, err = spool.Open(spool.Options{Dir: filepath.Join(home, "spool"), MaxSize: 1 << 30, Log: quiet})
	r.must(err)
	pool := keys.NewPool(keeper, keys.PoolOptions{Bits: 256, Size: 4, MaxAge: time.Minute, Log: quiet})
	fetches := fetch.NewEngine(fetch.Config{Store: r.store, Concurrency: 2, Memory: 4 << 20, Log: quiet, Timeout: time.Minute})
	uploads := upload.NewEngine(upload.Config{Store: r.store, PartSize: 8 << 20, Concurrency: 2, Memory: 16 << 20, Log: quiet})
	cache := metacache.Open(filepath.Join(home, "cache"), "", quiet)
	known := remote.New(remote.Config{
		Store: r.store, Cache: cache, Fetch: fetches, Unwrap: keeper.Unwrap, Log: quiet, LocalOnly: func(string) bool { return false },
	})
	ctx, stop := context.WithCancelCause(context.Background())
	r.stop = stop
	r.queue = queue.New(&r.mu, 4)
	background := func(f func()) { r.behind.Go(f) }
	r.shared = &file.Shared{
		Spool: r.spool, Keys: pool, Unwrap: keeper.Unwrap, Uploads: uploads, Fetches: fetches, Remote: known, Log: quiet,
		Context: ctx, Background: background, Run: r.queue.Run, RunAfter: r.queue.RunAfter, ForgetUpload: func(store.Upload) {},
		Mode: crypt.CTR, IVBytes: 16, PartSize: 8 << 20, CloseTimeout: closeTimeout, Grace: time.Hour,
	}
	r.runner = NewRunner(Config{
		Mu: &r.mu, Context: ctx, Queue: r.queue, Store: r.store, Remote: known, Writes: new(remote.Writes), Spool: r.spool,
		Events: &r.events, Log: quiet, Mode: crypt.CTR, CloseTimeout: closeTimeout,
		Backoff: queue.Backoff{First: time.Millisecond, Longest: 10 * time.Millisecond}, Background: background,
		ChangedLocked: func() {}, MovedLocked: func() int64 { return 0 }, NoKeeper: func(string, error) { r.failed() },
		BeforeLocked: func(j *queue.Job) (Before, bool) {
			if r.before == nil {
				return Before{}, false
			}
			return r.before(j)
		},
	})
	r.queue.Start()
	t.Cleanup(func() {
		stop(ErrStopping)
		uploads.Close()
		r.queue.Close()
		r.behind.Wait()
		fetches.Close()
		pool.Close()
		cache.Close()
		r.must(errors.Join(r.spool.Close(), r.store.Close()))
	})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// host is a file's owner, as far as its commits know it.
type host struct {
	*File
	c *file.Content

	path    string // guarded by rig.mu
	gone    bool
	landed  []Landed
	aside   []string
	judged  error
	saves   atomic.Int64
	rig     *rig
	content file.Content
}

func (h *host) Ino() uint64                    { return 1 }
func (h *host) Path() string                   { return h.File.path() }
func (h *host) Describe(context.Context) error { return nil }
func (h *host) IsRecovering() bool             { return false }
func (h *host) EndOfGrace()                    {}
func (h *host) StartEarly()                    {}
func (h *host) ForgetEntry(spool.ID)           {}
func (h *host) Save() error                    { h.saves.Add(1); return nil }
func (h *host) SaveSoon()                      { h.saves.Add(1) }
func (h *host) ForgetCache()                   { h.c.Forget(true) }
func (h *host) PathLocked() string             { return h.path }
func (h *host) GoneLocked() bool               { return h.gone }
func (h *host) BegunLocked()                   {}

func (h *host) AwaitCommit(context.Context) bool { return false }

func (h *host) Places(*remote.Version) (places []string, moving bool) { return []string{h.path}, false }

func (h *host) WaitForSpace(_ context.Context, _ int64, full error) error { return full }

func (h *host) Judge(string, io.ReaderAt, int64) error { return h.judged }

func (h *host) LandedLocked(l Landed) (again, interrupted bool) {
	h.landed = append(h.landed, l)
	h.c.Lock()
	defer h.c.Unlock()
	h.c.LandLocked(l.Version, l.Gen, true)
	return h.c.GoOnLocked(l.Gen)
}

func (h *host) ConflictPath(path string) string { return path + " (conflict)" }

func (h *host) GiveWay(path string, end func()) {
	h.rig.mu.Lock()
	defer h.rig.mu.Unlock()
	end()
	h.path = h.ConflictPath(path)
}

func (h *host) TheirsAsideLocked(_, aside string) { h.aside = append(h.aside, aside) }

// file is a new file of that path and content, which nothing has asked for yet.
func (r *rig) file(path, text string) *host {
	r.t.Helper()
	h := &host{File: new(File), path: path, rig: r}
	h.c = &h.content
	h.c.Init(r.shared, h)
	h.Init(r.runner, h.c, h)
	r.t.Cleanup(h.c.Release)
	h.c.BeginNew(sidecar.Attr{Mode: 0o100644})
	h.write(text)
	return h
}

// write writes over the beginning of the file.
func (h *host) write(text string) {
	h.rig.t.Helper()
	if _, _, err := h.c.WriteAt(h.rig.t.Context(), []byte(text), 0); err != nil {
		h.rig.t.Fatal(err)
	}
}

// gen is the generation of the content.
func (h *host) gen() uint64 {
	h.c.Lock()
	defer h.c.Unlock()
	return h.c.Gen
}

// state is that of the draft.
func (h *host) state() file.State { return h.c.PeekState() }

// save asks for the commit as a close does, and waits for it.
func (h *host) save() error {
	gen := h.gen()
	h.Ask(Closing)
	return h.Await(h.rig.t.Context(), gen)
}

// has reports whether the store has an object of that key.
func (r *rig) has(key string) bool {
	_, err := r.store.Head(r.t.Context(), key)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		r.t.Fatal(err)
	}
	return err == nil
}

// put stores an object as another machine does.
func (r *rig) put(key, text string) {
	r.t.Helper()
	p := []byte(text)
	body := store.Body{ReadSeeker: bytes.NewReader(p), Size: int64(len(p)), CRC32C: crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli))}
	_, err := r.store.Store.Put(r.t.Context(), key, body, store.Attributes{}, store.Condition{})
	r.must(err)
}

// flawed is a write that failed.
var flawed = flaw.Flaw{Off: 0, End: 3, Cause: errors.New("no room")}
