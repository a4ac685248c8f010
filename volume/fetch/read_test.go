package fetch

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

var sizes = []int{0, 1, 15, 16, 17, blockSize - 1, blockSize, blockSize + 1, 1<<20 + 4711, 2 << 20}

func TestEveryModeSizeAndPattern(t *testing.T) {
	for _, k := range kinds {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s/%d", k.name, size), func(t *testing.T) {
				t.Parallel()
				o := newObject(t, k, size)
				for name, pattern := range patterns {
					for _, memory := range []int64{1, 0} {
						r := o.reader(t, Config{Memory: memory, Concurrency: 4}, nil)
						pattern(t, o, r)
						if t.Failed() {
							t.Fatalf("pattern %s, memory %d", name, memory)
						}
						r.Close()
						if left := leftOf(r); left != (leftovers{}) {
							t.Fatalf("%s: left after Close: %+v", name, left)
						}
					}
				}
			})
		}
	}
}

var patterns = map[string]func(*testing.T, *object, *Reader){
	"sequential": func(t *testing.T, o *object, r *Reader) {
		s := r.NewStream()
		defer s.Close()
		got, err := readAll(t.Context(), s, 50_021)
		if err != nil || !bytes.Equal(got, o.plain) {
			t.Fatalf("%d of %d bytes, error %v", len(got), len(o.plain), err)
		}
		if r.Verified() != (o.protected()) {
			t.Fatalf("verified: %v", r.Verified())
		}
	},
	"whole": func(t *testing.T, o *object, r *Reader) {
		s := r.NewStream()
		defer s.Close()
		o.check(t, s, 0, len(o.plain)+10)
	},
	"backwards": func(t *testing.T, o *object, r *Reader) {
		s := r.NewStream()
		defer s.Close()
		for off := len(o.plain); off > 0; {
			n := min(off, 70_001)
			off -= n
			o.check(t, s, off, n)
		}
	},
	"random": func(t *testing.T, o *object, r *Reader) {
		s := r.NewStream()
		defer s.Close()
		for range 30 {
			o.check(t, s, rand.IntN(len(o.plain)+2), 1+rand.IntN(200_000))
		}
	},
	"two at once": func(t *testing.T, o *object, r *Reader) {
		var wg sync.WaitGroup
		for _, step := range []int{64 << 10, 100_003} {
			wg.Go(func() {
				s := r.NewStream()
				defer s.Close()
				got, err := readAll(t.Context(), s, step)
				if err != nil || !bytes.Equal(got, o.plain) {
					t.Errorf("step %d: %d of %d bytes, error %v", step, len(got), len(o.plain), err)
				}
			})
		}
		wg.Wait()
	},
}

// TestReadsInAnyOrder lets requests of one stream overtake each other as the
// kernel's do: the next ones leave only when the oldest has been answered.
func TestReadsInAnyOrder(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 12<<20+5)
	r := o.reader(t, Config{}, nil)
	s := r.NewStream()
	const step, atOnce = 128 << 10, 6
	var wg sync.WaitGroup
	answered := make([]chan struct{}, blocksIn(int64(len(o.plain)))*blockSize/step+1)
	for i := range answered {
		answered[i] = make(chan struct{})
		wg.Go(func() {
			defer close(answered[i])
			defer func() {
				if i > 0 {
					<-answered[i-1] // so that answered[i] speaks for all before it
				}
			}()
			if i >= atOnce {
				<-answered[i-atOnce]
			}
			off := min(i*step, len(o.plain)-1)
			p := make([]byte, step)
			n, err := s.ReadAt(t.Context(), p, int64(off))
			if err != nil && err != io.EOF || !bytes.Equal(p[:n], o.plain[off:min(off+step, len(o.plain))]) {
				t.Errorf("at %d: %d bytes, error %v", off, n, err)
			}
		})
	}
	wg.Wait()
	if gets, n := o.st.seen(); gets > 40 || n > int64(len(o.plain))*11/10 {
		t.Errorf("%d GETs, %d bytes", gets, n)
	}
	if !r.Verified() {
		t.Error("a whole pass was not checked")
	}
}

func TestArguments(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 100)
	s := o.reader(t, Config{}, nil).NewStream()
	if _, err := s.ReadAt(t.Context(), make([]byte, 1), -1); err == nil {
		t.Error("a negative offset was read")
	}
	for _, off := range []int64{100, 101, 1 << 40} {
		if n, err := s.ReadAt(t.Context(), make([]byte, 1), off); n != 0 || err != io.EOF {
			t.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	if n, err := s.ReadAt(t.Context(), nil, 5); n != 0 || err != nil {
		t.Errorf("empty read: %d, %v", n, err)
	}
	if gets, _ := o.st.seen(); gets != 0 {
		t.Errorf("%d GETs for nothing", gets)
	}
}

// TestModel compares any sequence of reads, by several streams, with a slice.
func TestModel(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 1<<20+333)
			rapid.Check(t, func(rt *rapid.T) {
				memory := rapid.SampledFrom([]int64{1, 200_000, 1 << 20, 64 << 20}).Draw(rt, "memory")
				e := o.engine(t, Config{Memory: memory, Concurrency: rapid.IntRange(1, 4).Draw(rt, "concurrency")})
				defer e.Close()
				r := o.open(t, e, nil)
				defer r.Close()
				model(rt, o, r)
			})
		})
	}
}

func model(t *rapid.T, o *object, r *Reader) {
	streams := []*Stream{r.NewStream(), r.NewStream()}
	next := []int{0, 0}
	t.Repeat(map[string]func(*rapid.T){
		"read": func(t *rapid.T) {
			i := rapid.IntRange(0, 1).Draw(t, "stream")
			off := next[i]
			if rapid.IntRange(0, 3).Draw(t, "seek") == 0 {
				off = rapid.IntRange(0, len(o.plain)+1).Draw(t, "off")
			}
			n := rapid.IntRange(1, 300_000).Draw(t, "n")
			p := make([]byte, n)
			got, err := streams[i].ReadAt(t.Context(), p, int64(off))
			want := o.plain[min(off, len(o.plain)):min(off+n, len(o.plain))]
			if err != nil && (err != io.EOF || len(want) == n) {
				t.Fatalf("read %d at %d: %v", n, off, err)
			}
			if !bytes.Equal(p[:got], want) {
				t.Fatalf("read %d at %d: %d bytes, wrong", n, off, got)
			}
			next[i] = off + got
		},
		"reopen": func(t *rapid.T) {
			i := rapid.IntRange(0, 1).Draw(t, "stream")
			streams[i].Close()
			streams[i], next[i] = r.NewStream(), 0
		},
		"": func(t *rapid.T) {
			r.e.mu.Lock()
			defer r.e.mu.Unlock()
			if r.e.used > max(r.e.Memory, bufSize) {
				t.Fatalf("%d bytes in use, of %d", r.e.used, r.e.Memory)
			}
		},
	})
}
