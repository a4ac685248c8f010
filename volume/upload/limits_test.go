package upload

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/queue"
)

// void takes everything and keeps nothing.
type void struct {
	store.Store
	delay time.Duration
	now   atomic.Int64 // calls with a body under way
	most  atomic.Int64
	bytes atomic.Int64
	each  func() // called in each of them
}

func (v *void) swallow(ctx context.Context, b store.Body) error {
	v.most.Store(max(v.most.Load(), v.now.Add(1))) // may miss a maximum, never makes one up
	defer v.now.Add(-1)
	if v.each != nil {
		v.each()
	}
	n, err := io.Copy(io.Discard, b)
	v.bytes.Add(n)
	if err == nil && n != b.Size {
		err = fmt.Errorf("body of %d bytes, said to have %d", n, b.Size)
	}
	if err == nil && v.delay > 0 {
		err = queue.Sleep(ctx, v.delay)
	}
	return err
}

func (v *void) Put(ctx context.Context, key string, b store.Body, _ store.Attributes, _ store.Condition) (store.Info, error) {
	return store.Info{Key: key, Size: b.Size, ETag: `"v"`}, v.swallow(ctx, b)
}

func (v *void) Begin(_ context.Context, key string, _ store.Attributes) (store.Upload, error) {
	return store.Upload{Key: key, ID: key}, nil
}

func (v *void) PutPart(ctx context.Context, _ store.Upload, number int, b store.Body) (store.Part, error) {
	return store.Part{Number: number, ETag: `"p"`, Size: b.Size, CRC32C: b.CRC32C}, v.swallow(ctx, b)
}

func (v *void) Complete(_ context.Context, up store.Upload, _ []store.Part, _ store.Condition) (store.Info, error) {
	return store.Info{Key: up.Key, ETag: `"v"`}, nil
}

func (v *void) Abort(context.Context, store.Upload) error { return nil }

func (v *void) Parts(context.Context, store.Upload) ([]store.Part, error) {
	return nil, store.ErrNoUpload
}

// endless is a generated view of any length: each 8 bytes spell their offset.
type endless struct{ size int64 }

func (g endless) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > g.size {
		return 0, io.ErrUnexpectedEOF
	}
	for i := 0; i+8 <= len(p); i += 4096 {
		binary.LittleEndian.PutUint64(p[i:], uint64(off)+uint64(i))
	}
	return len(p), nil
}
func (g endless) Release()                          {}
func (g endless) Freeze(off, n int64) (View, error) { return endless{off + n}, nil }

// Many uploads at once over a slow store: places, memory and goroutines stay within their limits.
func TestManyUploadsSlowStore(t *testing.T) {
	v := &void{delay: time.Millisecond}
	const uploads, parts = 100, 12
	const budget = 300 << 10
	e := testEngine(t, v, func(c *Config) { c.Concurrency, c.Memory = 6, budget })
	var mostHeld, mostGoroutines atomic.Int64
	v.each = func() {
		mostHeld.Store(max(mostHeld.Load(), e.pool.held()))
		mostGoroutines.Store(max(mostGoroutines.Load(), int64(runtime.NumGoroutine())))
	}
	quiet := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range uploads {
		wg.Go(func() {
			f := forms[i%len(forms)]
			size := int64(parts * testPart)
			u, err := e.Start(Target{Key: fmt.Sprint(i)}, dataKey(), f.mode, freshIV(t, f.mode, f.iv), endless{size})
			if err != nil {
				t.Error(err)
				return
			}
			for high := int64(0); high < size; high += testPart / 4 {
				u.Advance(high)
			}
			if _, err := u.Finish(t.Context(), endless{size}, size, Last{}); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := v.most.Load(); n > 6 || n < 2 {
		t.Errorf("%d parts under way at once, limit 6", n)
	}
	if n := mostHeld.Load(); n > budget {
		t.Errorf("%d bytes of buffers, limit %d", n, budget)
	}
	// Each upload has this test's goroutine; the engine adds its jobs and the dispatcher.
	if n := mostGoroutines.Load(); n > int64(quiet+uploads+6+5) {
		t.Errorf("%d goroutines, %d before", n, quiet)
	}
}

// A small file does not wait until long ones are through.
func TestUploadsTakeTurns(t *testing.T) {
	v := &void{delay: 5 * time.Millisecond}
	e := testEngine(t, v, func(c *Config) { c.Concurrency = 2 })
	const parts = 200
	var wg sync.WaitGroup
	defer wg.Wait()
	long, err := e.Start(Target{Key: "long"}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() {
		if _, err := long.Finish(context.Background(), endless{parts * testPart}, parts*testPart, Last{}); !errors.Is(err, ErrAborted) {
			t.Errorf("the long file: %v", err)
		}
	})
	defer long.Abort()
	eventually(t, "the long file is under way", func() bool { return long.Progress() > 0 })
	before := long.Progress()
	small, err := e.Start(Target{Key: "small"}, dataKey(), crypt.GCM, freshIV(t, crypt.GCM, 12), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := small.Finish(t.Context(), endless{100}, 100, Last{}); err != nil {
		t.Fatal(err)
	}
	if n := (long.Progress() - before) / testPart; n > 8 {
		t.Errorf("%d parts of the long file went before the small one", n)
	}
}

// A part larger than the whole budget, and many of them at once: no deadlock, no excess.
func TestBudgetSmallerThanAPart(t *testing.T) {
	v := &void{}
	e := testEngine(t, v, func(c *Config) { c.PartSize, c.Memory, c.Concurrency = 4<<20, 1, 8 })
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			const size = 9 << 20
			u, err := e.Start(Target{Key: fmt.Sprint(i)}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := u.Finish(t.Context(), endless{size}, size, Last{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if held := e.pool.held(); held > bufferSize(chunkSize) {
		t.Errorf("%d bytes of buffers", held)
	}
}

// 1 GiB through the default configuration: buffers within the budget, and the
// heap, which does not hold them, hardly grows.
func TestMemoryOfALargeFile(t *testing.T) {
	v := &void{}
	e := NewEngine(Config{Store: v})
	defer e.Close()
	var heap, held atomic.Int64
	v.each = func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap.Store(max(heap.Load(), int64(m.HeapInuse)))
		held.Store(max(held.Load(), e.pool.held()))
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	const size = 1 << 30
	u, err := e.Start(Target{Key: "x"}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), endless{size})
	if err != nil {
		t.Fatal(err)
	}
	for high := int64(0); high < size; high += 128 << 10 {
		u.Advance(high)
	}
	r, err := u.Finish(t.Context(), endless{size}, size, Last{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != size>>23+2 || v.bytes.Load() != size {
		t.Errorf("%d requests, %d bytes", r.Requests, v.bytes.Load())
	}
	budget := 8 * bufferSize(8<<20)
	if e.c.Memory != budget || held.Load() > budget {
		t.Errorf("%d bytes of buffers, budget %d, want %d", held.Load(), e.c.Memory, budget)
	}
	grown := heap.Load() - int64(before.HeapInuse)
	if !buffersAreHeap && grown > 16<<20 || grown > budget+32<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	t.Logf("buffers %d MiB, heap %+d MiB", held.Load()>>20, grown>>20)
}

// Buffers go back to the system when nothing happens.
func TestIdleEngineLetsGo(t *testing.T) {
	e := testEngine(t, &void{}, nil)
	u, err := e.Start(Target{Key: "x"}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Finish(t.Context(), endless{10}, 10, Last{}); err != nil {
		t.Fatal(err)
	}
	if e.pool.held() == 0 {
		t.Error("no buffer is kept for the next file")
	}
	e.trimIdle()
	if n := e.pool.held(); n != 0 {
		t.Errorf("%d bytes kept", n)
	}
}

func TestConfigDefaults(t *testing.T) {
	for _, c := range []struct{ in, want Config }{
		{Config{}, Config{PartSize: 8 << 20, Concurrency: 8, Memory: 8 * (8<<20 + tailRoom)}},
		{Config{PartSize: 1}, Config{PartSize: minPartSize, Concurrency: 8, Memory: 8 * (64<<10 + tailRoom)}},
		{Config{PartSize: 20001, Concurrency: 1, Memory: 1}, Config{PartSize: 20016, Concurrency: 1, Memory: 256<<10 + tailRoom}},
		{Config{PartSize: 1 << 40}, Config{PartSize: maxPartSize, Concurrency: 8, Memory: defaultMemory}},
	} {
		got := c.in.complete()
		if got.PartSize != c.want.PartSize || got.Concurrency != c.want.Concurrency || got.Memory != c.want.Memory {
			t.Errorf("%+v becomes %+v", c.in, got)
		}
	}
}

func TestPause(t *testing.T) {
	quick, slow := fmt.Errorf("x: %w", store.ErrUnavailable), errors.New("access denied")
	for n := 1; n < 100; n++ {
		for _, c := range []struct {
			err            error
			first, longest time.Duration
		}{{quick, 250 * time.Millisecond, 30 * time.Second}, {slow, 5 * time.Second, 2 * time.Minute}} {
			top := min(c.first<<min(n-1, 10), c.longest)
			if d := pause(n, c.err); d > top || d <= top/2-1 {
				t.Errorf("pause %d after %v: %v", n, c.err, d)
			}
		}
	}
}

// What Advance and Touches cost a writer, when nothing is due.
func BenchmarkAdvance(b *testing.B) {
	e := testEngine(b, &void{}, nil)
	u, err := e.Start(Target{Key: "x"}, dataKey(), crypt.CTR, freshIV(b, crypt.CTR, 16), endless{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if u.Touches(1000, 10) {
			b.Fatal("touched")
		}
		u.Advance(1000)
	}
}

// A file of 256 MiB from memory to nowhere.
func BenchmarkUpload(b *testing.B) {
	for _, c := range []struct {
		name   string
		memory int64
	}{{"held", 0}, {"streamed", 4 << 20}} {
		for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
			b.Run(c.name+"/"+m.String(), func(b *testing.B) {
				e := NewEngine(Config{Store: &void{}, Memory: c.memory})
				defer e.Close()
				const size = 256 << 20
				b.SetBytes(size)
				for b.Loop() {
					u, err := e.Start(Target{Key: "x"}, dataKey(), m, freshIV(b, m, m.DefaultIVSize()), nil)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := u.Finish(b.Context(), endless{size}, size, Last{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
