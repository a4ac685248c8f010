package upload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/store"

	"pgregory.net/rapid"
)

// writer writes a file as a program does, and treats its upload as the volume does.
type writer struct {
	t    *rapid.T
	e    *Engine
	s    *spy
	form int
	d    *draft
	name string

	key      keys.DataKey
	u        *Upload
	restarts int
}

// restart begins a new attempt, under a fresh key; eager only the first time.
func (w *writer) restart() {
	if w.u != nil {
		w.u.Abort()
		w.restarts++
	}
	f := forms[w.form]
	w.key = dataKey()
	iv, err := crypt.NewIV(f.mode, f.iv)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	var src Source
	if w.restarts == 0 {
		src = w.d
	}
	if w.u, err = w.e.Start(Target{Key: w.name}, w.key, f.mode, iv, src); err != nil {
		w.t.Fatalf("%v", err)
	}
}

func (w *writer) write(off, n int) {
	if w.u.Touches(int64(off), int64(n)) {
		w.restart()
	}
	p := randomBytes(n)
	w.d.write(p, off)
	w.u.Wrote(p, int64(off))
	clear(p) // it is the writer's
	w.u.Advance(w.d.written)
}

// truncate cuts the file or extends it.
func (w *writer) truncate(size int) {
	if w.u.Touches(int64(size), int64(len(w.d.data)-size)) {
		w.restart()
	}
	w.d.truncate(size)
}

// rest gives the parts that are leaving the time to.
func (w *writer) rest() {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		w.e.mu.Lock()
		left := w.u.frozenParts
		w.e.mu.Unlock()
		if left == 0 {
			return
		}
	}
}

// eager says that parts leave while the file is being written, as they shall until
// one of them is written again.
func (w *writer) eager() bool {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return w.restarts > 0 || !w.u.lazy && w.u.phase != lost
}

// A writer that goes on from the end, and now and then patches what it wrote
// or cuts the file, under a store that fails at random: what arrives decrypts to
// the final content, and no keystream byte covered two plaintexts (P2).
func TestRandomWriters(t *testing.T) {
	real := smallStore(t)
	var file atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		s := newSpy(t, real)
		memory := rapid.SampledFrom([]int64{1, 4 * bufferSize(minPartSize), 1 << 20}).Draw(rt, "memory")
		e := testEngine(t, s, func(c *Config) { c.PartSize, c.Concurrency, c.Memory = minPartSize, 2, memory })
		defer e.Close()
		w := &writer{t: rt, e: e, s: s, d: &draft{}, name: fmt.Sprintf("file-%d", file.Add(1))}
		w.form = rapid.IntRange(0, len(forms)-1).Draw(rt, "form")
		slow := &valve{}
		s.hooks(slow.before(failAtRandom(rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 3).Draw(rt, "rate"))))
		w.restart()
		doings := []string{"go on", "go on", "go on", "go on", "cut", "cut a little", "cut close", "extend", "slow", "fast"}
		if rapid.Bool().Draw(rt, "patches") {
			doings = append(doings, "go on", "patch header", "patch", "gap")
		}
		for range 10 + rapid.IntRange(0, 40).Draw(rt, "writes") {
			size := len(w.d.data)
			switch rapid.SampledFrom(doings).Draw(rt, "what") {
			case "go on":
				w.write(size, rapid.IntRange(0, 4).Draw(rt, "parts")*minPartSize+rapid.IntRange(1, minPartSize).Draw(rt, "n"))
			case "patch header":
				w.write(0, rapid.IntRange(1, 1000).Draw(rt, "n"))
			case "patch":
				w.write(rapid.IntRange(0, size).Draw(rt, "off"), rapid.IntRange(1, 1000).Draw(rt, "n"))
			case "gap":
				w.write(size+rapid.IntRange(1, minPartSize).Draw(rt, "gap"), 10)
			case "cut":
				w.truncate(size / 8 * rapid.IntRange(0, 8).Draw(rt, "eighths"))
			case "cut close": // behind what has left
				w.truncate(min(size, int(w.u.reach.Load())+rapid.IntRange(0, minPartSize).Draw(rt, "more")))
			case "cut a little":
				w.truncate(rapid.IntRange(max(0, size-3*minPartSize), size).Draw(rt, "size"))
			case "extend":
				w.truncate(size + rapid.IntRange(1, 6*minPartSize).Draw(rt, "more"))
			case "slow":
				slow.shut()
			case "fast":
				slow.open()
				w.rest()
			}
		}
		slow.open()
		if !w.eager() {
			rt.Fatalf("parts do not leave early any more")
		}
		w.commit()
		s.checkP2(rt, e.layout)
		if n := w.d.views.Load(); n != 0 {
			rt.Fatalf("%d views left", n)
		}
		e.Settle(context.Background())
		noUploads(t, real)
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.ahead != 0 || e.granted != 0 {
			rt.Fatalf("%d and %d bytes of buffers are not given back", e.ahead, e.granted)
		}
	})
}

// commit finishes, with deadlines that may be too short, and starts over when the upload is lost.
func (w *writer) commit() {
	for deadline := time.Millisecond; ; deadline *= 4 {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		view := w.d.whole()
		r, err := w.u.Finish(ctx, view, int64(len(w.d.data)), Last{Condition: store.Condition{IfNone: true}})
		view.Release()
		cancel()
		switch {
		case err == nil:
			w.s.hooks(nil, nil)
			equal(w.t, fetched(w.t, w.s, w.name, w.key, r), w.d.data)
			return
		case errors.Is(err, ErrLost):
			w.restart()
		case !errors.Is(err, context.DeadlineExceeded):
			w.t.Fatalf("finish: %v", err)
		case deadline > time.Minute:
			w.t.Fatalf("no end: %v", err)
		}
	}
}

// valve holds parts back while it is shut.
type valve struct {
	mu   sync.Mutex
	wait chan struct{} // nil: it is open
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.wait == nil {
		v.wait = make(chan struct{})
	}
}

func (v *valve) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.wait != nil {
		close(v.wait)
		v.wait = nil
	}
}

// before has parts wait, and then do what next does.
func (v *valve) before(next func(context.Context, string, int) error, after func(string, int) error) (func(context.Context, string, int) error, func(string, int) error) {
	return func(ctx context.Context, call string, n int) error {
		v.mu.Lock()
		wait := v.wait
		v.mu.Unlock()
		if call == "PutPart" && wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
			}
		}
		return next(ctx, call, n)
	}, after
}

// failAtRandom fails rate calls of ten, half of them after they were carried
// out. Begin's answer is never lost: nobody would abort that upload.
func failAtRandom(seed uint64, rate int) (before func(context.Context, string, int) error, after func(string, int) error) {
	var mu sync.Mutex
	roll := func(err error) error {
		mu.Lock()
		defer mu.Unlock()
		seed = seed*6364136223846793005 + 1442695040888963407
		if int(seed>>33%20) < rate {
			return err
		}
		return nil
	}
	before = func(ctx context.Context, _ string, _ int) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		return roll(store.ErrUnavailable)
	}
	after = func(call string, _ int) error {
		if call == "Begin" {
			return nil
		}
		return roll(store.ErrUnavailable)
	}
	return before, after
}
