package fetch

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"mcfs/spool"
	"mcfs/store"
)

// newCache is an empty sealed file of a real spool, for size bytes.
func newCache(t testing.TB, size int, quota int64) *spool.File {
	t.Helper()
	_, f := newCacheIn(t, size, quota)
	return f
}

func newCacheIn(t testing.TB, size int, quota int64) (dir string, f *spool.File) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "spool")
	s, err := spool.Open(spool.Options{Dir: dir, MaxSize: quota})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	key := make([]byte, 32)
	rand.Read(key)
	f, err = s.Create(spool.Header{ID: spool.NewID(), Wrapped: []byte("wrapped"), KeyID: "test", Path: "film.mp4"}, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetBase(int64(size)); err != nil {
		t.Fatal(err)
	}
	f.SetClean(0, -1)
	return dir, f
}

func TestCacheIsFilledAndUsed(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 3<<20+100)
			cache := newCache(t, len(o.plain), 64<<20)
			r := o.reader(t, Config{Memory: 1 << 20}, cache)
			if got, err := readAll(t.Context(), r.NewStream(), 128<<10); err != nil || !bytes.Equal(got, o.plain) {
				t.Fatalf("%d bytes, error %v", len(got), err)
			}
			verified := r.Verified()
			r.Close() // waits for the last Fill
			if off, n, absent := cache.Absent(0); absent {
				t.Fatalf("%d bytes at %d are not in the cache", n, off)
			}
			o.st.seen()
			r = o.reader(t, Config{}, cache)
			if verified {
				r.MarkVerified()
			}
			s := r.NewStream()
			o.check(t, s, 1<<20, 2<<20)
			o.check(t, s, 0, len(o.plain)+1)
			if gets, _ := o.st.seen(); gets != 0 {
				t.Errorf("%d GETs for what the cache has", gets)
			}
		})
	}
}

// TestReadAheadSkipsWhatTheCacheHas fills every second 256 KiB beforehand.
func TestReadAheadSkipsWhatTheCacheHas(t *testing.T) {
	const piece = 256 << 10
	o := newObject(t, kindNamed(t, "CTR"), 32*piece)
	cache := newCache(t, len(o.plain), 64<<20)
	for off := 0; off < len(o.plain); off += 2 * piece {
		if err := cache.Fill(o.plain[off:off+piece], int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readAll(t.Context(), o.reader(t, Config{}, cache).NewStream(), 100_000)
	if err != nil || !bytes.Equal(got, o.plain) {
		t.Fatalf("%d bytes, error %v", len(got), err)
	}
	if _, n := o.st.seen(); n != int64(len(o.plain)/2) {
		t.Errorf("%d bytes fetched, %d were absent", n, len(o.plain)/2)
	}
}

// TestFullCache has a quota that holds only part of the object.
func TestFullCache(t *testing.T) {
	o := newObject(t, kindNamed(t, "GCM"), 5<<20)
	cache := newCache(t, len(o.plain), spool.MinSize)
	cache.ClearClean(0, -1)
	s := o.reader(t, Config{Memory: 1 << 20}, cache).NewStream()
	for range 2 {
		got, err := readAll(t.Context(), s, 128<<10)
		if err != nil || !bytes.Equal(got, o.plain) {
			t.Fatalf("%d bytes, error %v", len(got), err)
		}
	}
}

func TestCorruptCacheIsFetchedAnew(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 1<<20)
	dir, cache := newCacheIn(t, len(o.plain), 64<<20)
	r := o.reader(t, Config{}, cache)
	o.check(t, r.NewStream(), 0, 1<<20)
	r.Close()
	spoil(t, dir)
	if _, err := cache.ReadAt(make([]byte, 10), 0); !errors.Is(err, spool.ErrCorrupt) {
		t.Fatalf("the cache was not corrupted: %v", err)
	}
	o.check(t, o.reader(t, Config{}, cache).NewStream(), 0, 1<<20)
}

// spoil overwrites the blocks of the largest file below dir.
func spoil(t *testing.T, dir string) {
	t.Helper()
	var path string
	var size int64
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if fi, err := d.Info(); err == nil && fi.Size() > size {
			path, size = p, fi.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	noise := make([]byte, size-4096)
	rand.Read(noise)
	if _, err := f.WriteAt(noise, 4096); err != nil {
		t.Fatal(err)
	}
}

// TestUnverifiedCacheIsNotServed gives a GCM Reader a cache that lies.
func TestUnverifiedCacheIsNotServed(t *testing.T) {
	o := newObject(t, kindNamed(t, "GCM"), 1<<20)
	cache := newCache(t, len(o.plain), 64<<20)
	if err := cache.Fill(make([]byte, blockSize), 0); err != nil {
		t.Fatal(err)
	}
	o.put(t, o.at, damages[3].do(o.cipher))
	s := o.reader(t, Config{}, cache).NewStream()
	p := bytes.Repeat([]byte{7}, 100)
	for range 2 {
		n, err := s.ReadAt(t.Context(), p, 0)
		if n != 0 || !errors.Is(err, ErrTampered) {
			t.Fatalf("%d bytes, error %v", n, err)
		}
	}
	// Nor what the pass has filled in meanwhile.
	if n, err := s.ReadAt(t.Context(), p, 900_000); n != 0 || !errors.Is(err, ErrTampered) {
		t.Fatalf("%d bytes, error %v", n, err)
	}
}

// TestMarkVerified has a cache that this machine wrote, with a part dropped since.
func TestMarkVerified(t *testing.T) {
	const hole = 40 * blockSize
	o := newObject(t, kindNamed(t, "GCM"), 8<<20+5)
	fill := func() *spool.File {
		cache := newCache(t, len(o.plain), 64<<20)
		for off := 0; off < len(o.plain); off += blockSize {
			if off == hole || off == hole+blockSize {
				continue
			}
			if err := cache.Fill(o.plain[off:min(off+blockSize, len(o.plain))], int64(off)); err != nil {
				t.Fatal(err)
			}
		}
		return cache
	}

	s := o.reader(t, Config{}, fill()).NewStream()
	s.r.MarkVerified()
	o.check(t, s, 0, hole)
	if gets, _ := o.st.seen(); gets != 0 {
		t.Errorf("%d GETs for what a trusted cache has", gets)
	}
	o.check(t, s, hole-10, 100)
	if !s.r.passed() {
		t.Error("a fetched block was released before the tag was checked")
	}
	if _, n := o.st.seen(); n > 4*blockSize {
		t.Errorf("%d bytes fetched, though the cache has all but two blocks", n)
	}

	o.put(t, o.at, flip("", func(int) int { return hole + 5 }).do(o.cipher))
	s = o.reader(t, Config{}, fill()).NewStream()
	s.r.MarkVerified()
	o.check(t, s, 100, 1000)
	if n, err := s.ReadAt(t.Context(), make([]byte, 100), hole); n != 0 || !errors.Is(err, ErrTampered) {
		t.Errorf("%d bytes, error %v", n, err)
	}
	if n, err := s.ReadAt(t.Context(), make([]byte, 100), 0); n != 0 || !errors.Is(err, ErrTampered) {
		t.Errorf("the error does not stick: %d bytes, error %v", n, err)
	}
}

func TestOnePassForAll(t *testing.T) {
	o := newObject(t, kindNamed(t, "GCM"), 8<<20)
	o.st.latency = 5 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		r := o.reader(t, Config{}, nil)
		defer r.e.Close()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				s := r.NewStream()
				defer s.Close()
				o.check(t, s, i*700_000, 1000)
			})
		}
		wg.Wait()
		if _, n := o.st.seen(); n > int64(len(o.cipher))+12*blockSize {
			t.Errorf("%d bytes fetched of %d", n, len(o.cipher))
		}
	})
}

// TestAPassGoesOnWhereItStopped cancels the only reader in the middle of the pass.
func TestAPassGoesOnWhereItStopped(t *testing.T) {
	o := newObject(t, kindNamed(t, "GCM"), 16<<20)
	synctest.Test(t, func(t *testing.T) {
		r := o.reader(t, Config{Concurrency: 1}, nil)
		defer r.e.Close()
		ctx, cancel := context.WithCancel(t.Context())
		o.st.before = func(ctx context.Context, n int, _ store.Range) error {
			if n < 2 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		errs := make(chan error)
		go func() {
			_, err := r.NewStream().ReadAt(ctx, make([]byte, 10), 0)
			errs <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		synctest.Wait()
		if leftOf(r).gets != 0 {
			t.Error("the pass goes on though nobody waits")
		}
		_, first := o.st.seen()
		if first == 0 {
			t.Fatal("the first pass brought nothing")
		}
		o.st.before = nil
		if err := r.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, second := o.st.seen(); first+second > int64(len(o.cipher)) {
			t.Errorf("%d and %d bytes fetched of %d", first, second, len(o.cipher))
		}
	})
}

func TestASmallGCMObjectIsFetchedOnce(t *testing.T) {
	o := newObject(t, kindNamed(t, "GCM"), 3<<20)
	r := o.reader(t, Config{Concurrency: 2}, nil)
	if got, err := readAll(t.Context(), r.NewStream(), 128<<10); err != nil || !bytes.Equal(got, o.plain) {
		t.Fatalf("%d bytes, error %v", len(got), err)
	}
	if _, n := o.st.seen(); n > int64(len(o.cipher)) {
		t.Errorf("%d bytes fetched of %d", n, len(o.cipher))
	}
}

// slowCache is a real cache whose Fill hangs until let go.
type slowCache struct {
	Cache
	gate  chan struct{}
	fills atomic.Int32
}

func (c *slowCache) Fill(p []byte, off int64) error {
	c.fills.Add(1)
	<-c.gate
	return c.Cache.Fill(p, off)
}

// TestFillDelaysNoReader reads a block whose Fill hangs.
func TestFillDelaysNoReader(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 4*blockSize)
	cache := &slowCache{Cache: newCache(t, len(o.plain), 64<<20), gate: make(chan struct{})}
	synctest.Test(t, func(t *testing.T) {
		cache.gate = make(chan struct{})
		r := o.reader(t, Config{}, cache)
		defer r.e.Close()
		o.check(t, r.NewStream(), 0, blockSize)
		synctest.Wait()
		if cache.fills.Load() != 1 {
			t.Errorf("%d fills at once of one GET", cache.fills.Load())
		}
		close(cache.gate)
	})
}

// TestModelWithCache is TestModel over a spool that evicts all the time.
func TestModelWithCache(t *testing.T) {
	for _, name := range []string{"CTR", "CBC", "GCM", "foreign"} {
		t.Run(name, func(t *testing.T) {
			o := newObject(t, kindNamed(t, name), 2<<20+333)
			rapid.Check(t, func(rt *rapid.T) {
				cache := newCacheFor(t, rt, len(o.plain))
				e := o.engine(t, Config{Memory: rapid.SampledFrom([]int64{1, 1 << 20}).Draw(rt, "memory")})
				defer e.Close()
				r := o.open(t, e, cache)
				defer r.Close()
				model(rt, o, r)
			})
		})
	}
}

// newCacheFor is newCache for one run of a model.
func newCacheFor(t *testing.T, rt *rapid.T, size int) *spool.File {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		rt.Fatal(err)
	}
	s, err := spool.Open(spool.Options{Dir: dir, MaxSize: spool.MinSize})
	if err != nil {
		rt.Fatal(err)
	}
	rt.Cleanup(func() { s.Close() })
	f, err := s.Create(spool.Header{ID: spool.NewID(), Wrapped: []byte("w"), KeyID: "test"}, make([]byte, 32))
	if err != nil {
		rt.Fatal(err)
	}
	rt.Cleanup(func() { f.Close() })
	if err := f.SetBase(int64(size)); err != nil {
		rt.Fatal(err)
	}
	f.SetClean(0, -1)
	return f
}
