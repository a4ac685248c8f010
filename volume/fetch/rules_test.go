package fetch

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
)

// TestNoUnverifiedBlockIsReleased reads, while a pass is under way, a block that the
// pass has already brought.
func TestNoUnverifiedBlockIsReleased(t *testing.T) {
	for _, marked := range []bool{false, true} {
		o := newObject(t, kindNamed(t, "GCM"), 8<<20)
		cache := newCache(t, len(o.plain), 64<<20)
		synctest.Test(t, func(t *testing.T) {
			r := o.reader(t, Config{Concurrency: 8}, cache)
			defer r.e.Close()
			gate := make(chan struct{})
			o.st.set(func() {
				o.st.before = func(ctx context.Context, _ int, rg store.Range) error {
					if rg.Offset < 4<<20 {
						return nil
					}
					select {
					case <-gate:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			})
			first := make(chan struct{})
			go func() {
				defer close(first)
				o.check(t, r.NewStream(), 0, 1000)
			}()
			synctest.Wait()
			if leftOf(r).used == 0 {
				t.Fatal("the pass keeps nothing")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if n, err := r.NewStream().ReadAt(ctx, make([]byte, 100), 0); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%d bytes before the tag was checked, error %v", n, err)
			}
			if marked {
				r.MarkVerified() // which is about the cache, not about what is fetched
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				o.check(t, r.NewStream(), 0, 100) // the cache has it
				if n, err := r.NewStream().ReadAt(ctx, make([]byte, 100), 7<<20); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%d bytes before the tag was checked, error %v", n, err)
				}
			}
			close(gate)
			<-first
		})
	}
}

// nosy is a real cache that does something else before it answers, and takes nothing.
type nosy struct {
	Cache
	first func()
}

func (c *nosy) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		c.first()
	}
	return c.Cache.ReadAt(p, off)
}

func (c *nosy) Fill([]byte, int64) error { return errors.New("full") }

// TestTamperingFoundMeanwhile finds it in one read while another has its bytes already.
func TestTamperingFoundMeanwhile(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 2*blockSize)
	inner := newCache(t, len(o.plain), 64<<20)
	if err := inner.Fill(o.plain[:blockSize], 0); err != nil {
		t.Fatal(err)
	}
	cache := &nosy{Cache: inner}
	r := o.reader(t, Config{Memory: 1}, cache)
	other := r.NewStream()
	o.check(t, other, blockSize, blockSize)
	for leftOf(r).used > 0 { // not from memory again
		time.Sleep(time.Millisecond)
	}
	o.st.set(func() {
		o.st.body = func(_ int, rg store.Range, b io.ReadCloser) io.ReadCloser {
			return &changed{ReadCloser: b, at: rg.Offset, bad: blockSize + 5}
		}
	})
	cache.first = func() {
		if _, err := other.ReadAt(t.Context(), make([]byte, 10), blockSize); !errors.Is(err, ErrTampered) {
			t.Errorf("the change was not found: %v", err)
		}
	}
	p := make([]byte, 100)
	if n, err := r.NewStream().ReadAt(t.Context(), p, 0); n != 0 || !errors.Is(err, ErrTampered) {
		t.Errorf("%d bytes, error %v", n, err)
	}
	if p[0] != 0 || p[99] != 0 {
		t.Error("plaintext was left in the buffer")
	}
}

// TestReadAheadLeavesRoom has all GETs of the read-ahead hang, and a random read beside them.
func TestReadAheadLeavesRoom(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 40<<20)
	synctest.Test(t, func(t *testing.T) {
		r := o.reader(t, Config{Concurrency: 2}, nil)
		defer r.e.Close()
		s := r.NewStream()
		for off := 0; off < 6<<20; off += 128 << 10 {
			o.check(t, s, off, 128<<10)
		}
		synctest.Wait()
		const there = 40<<20 - blockSize
		o.st.set(func() {
			o.st.before = func(ctx context.Context, _ int, rg store.Range) error {
				if rg.Offset >= there {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for off := int64(6 << 20); ; off += 128 << 10 {
			if _, err := s.ReadAt(ctx, make([]byte, 128<<10), off); err != nil {
				break // all that was fetched ahead is used up
			}
		}
		if leftOf(r).gets == 0 {
			t.Fatal("no GET hangs")
		}
		begun := time.Now()
		o.check(t, r.NewStream(), there, 4096)
		if took := time.Since(begun); took > 0 {
			t.Errorf("the random read waited %v for the read-ahead", took)
		}
	})
}

// TestBlocksAreGivenBackOnceRead leaves the stream open at the end of the file.
func TestBlocksAreGivenBackOnceRead(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 8<<20+9)
	for _, step := range []int{50_021, 128 << 10} {
		synctest.Test(t, func(t *testing.T) {
			r := o.reader(t, Config{}, nil)
			defer r.e.Close()
			if _, err := readAll(t.Context(), r.NewStream(), step); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if left := leftOf(r); left != (leftovers{}) {
				t.Errorf("step %d: left: %+v", step, left)
			}
		})
	}
}

// TestSteady covers which blocks a request may hold while it waits for one
// before them: none whose memory the other may be waiting for.
func TestSteady(t *testing.T) {
	queued, other := &flight{}, &flight{}
	running := &flight{running: true}
	for _, tt := range []struct {
		name         string
		before, here *flight // nil: delivered
		want         bool
	}{
		{"delivered after delivered", nil, nil, true},
		{"delivered after running", running, nil, true},
		{"delivered after queued", queued, nil, false},
		{"of the same queued flight", queued, queued, true},
		{"of another queued flight", queued, other, false},
		{"running after queued", queued, running, false},
		{"queued after delivered", nil, queued, true},
	} {
		r := &Reader{blocks: map[int64]*block{1: {flight: tt.here}}}
		q := request{s: &Stream{r: r}, held: []*block{{flight: tt.before}}}
		if got := q.steady(1); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
