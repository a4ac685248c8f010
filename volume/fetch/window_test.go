package fetch

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
)

func TestRandomReadsFetchOnlyTheirBlocks(t *testing.T) {
	for _, name := range []string{"CTR", "CBC", "GCM-streaming", "foreign"} {
		t.Run(name, func(t *testing.T) {
			o := newObject(t, kindNamed(t, name), 16<<20)
			s := o.reader(t, Config{Memory: 1}, nil).NewStream()
			const reads = 200
			for range reads {
				o.check(t, s, rand.IntN(16<<20/4096)*4096, 4096)
			}
			_, n := o.st.seen()
			limit := int64(reads * (16*4096 + 2*aesBlock)) // CBC's chain and padding, GCM's tag
			if n > limit {
				t.Errorf("%d bytes fetched for %d asked: %.2f times", n, reads*4096, float64(n)/(reads*4096))
			}
		})
	}
}

func TestFewGetsForASequentialRead(t *testing.T) {
	for _, name := range []string{"CTR", "CBC"} {
		t.Run(name, func(t *testing.T) {
			o := newObject(t, kindNamed(t, name), 64<<20)
			for _, step := range []int{4096, 128 << 10, 1 << 20} {
				s := o.reader(t, Config{}, nil).NewStream()
				if _, err := readAll(t.Context(), s, step); err != nil {
					t.Fatal(err)
				}
				gets, n := o.st.seen()
				if gets > 40 || n > 64<<20+int64(gets)*aesBlock+aesBlock {
					t.Errorf("step %d: %d GETs, %d bytes", step, gets, n)
				}
			}
		})
	}
}

// TestSequentialIsParallel measures virtual time: only the latency of GETs counts.
func TestSequentialIsParallel(t *testing.T) {
	const size, latency = 64 << 20, 30 * time.Millisecond
	for _, name := range []string{"CTR", "GCM"} {
		t.Run(name, func(t *testing.T) {
			o := newObject(t, kindNamed(t, name), size)
			o.st.latency = latency
			synctest.Test(t, func(t *testing.T) {
				r := o.reader(t, Config{Concurrency: 8}, nil)
				defer r.e.Close()
				begun := time.Now()
				if _, err := readAll(t.Context(), r.NewStream(), 128<<10); err != nil {
					t.Fatal(err)
				}
				took, serial := time.Since(begun), size/(128<<10)*latency
				if took > serial/20 {
					t.Errorf("it took %v, and one request after another %v", took, serial)
				}
				if o.st.most < 2 || o.st.most > 8 {
					t.Errorf("%d GETs at once", o.st.most)
				}
				t.Logf("%v, serially %v; %d GETs at once", took, serial, o.st.most)
			})
		})
	}
}

func TestASeekClosesTheWindow(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 24<<20)
	for name, to := range map[string]int{"forward": 20 << 20, "back": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			o.st.set(func() { o.st.before = nil })
			synctest.Test(t, func(t *testing.T) { seekAway(t, o, to) })
		})
	}
}

func seekAway(t *testing.T, o *object, to int) {
	r := o.reader(t, Config{}, nil)
	defer r.e.Close()
	s := r.NewStream()
	for off := 0; off < 4<<20; off += 128 << 10 {
		o.check(t, s, off, 128<<10)
	}
	synctest.Wait()
	release, ended := hold(o.st)
	for off := 4 << 20; leftOf(r).gets == 0; off += 128 << 10 {
		o.check(t, s, off, 128<<10) // tops up before long: these GETs hang
		synctest.Wait()
	}
	go func() { // after the seek has cancelled them
		time.Sleep(time.Second)
		release()
	}()
	o.check(t, s, to, 4096)
	synctest.Wait()
	if ended.Load() == 0 {
		t.Error("GETs outside of any window go on")
	}
	if left := leftOf(r); left.flights != 0 || left.ahead != 0 {
		t.Errorf("left of the old window: %+v", left)
	}
	o.st.seen()
	o.check(t, s, to+4096, 4096)
	if _, n := o.st.seen(); n > 8*blockSize {
		t.Errorf("the new window begins with %d bytes", n)
	}
}

func TestClosingAStreamStopsItsReadAhead(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 24<<20)
	synctest.Test(t, func(t *testing.T) {
		r := o.reader(t, Config{}, nil)
		defer r.e.Close()
		s := r.NewStream()
		for off := 0; off < 4<<20; off += 128 << 10 {
			o.check(t, s, off, 128<<10)
		}
		synctest.Wait()
		hold(o.st)
		for off := 4 << 20; leftOf(r).gets == 0; off += 128 << 10 {
			o.check(t, s, off, 128<<10)
			synctest.Wait()
		}
		s.Close()
		synctest.Wait()
		if left := leftOf(r); left.flights != 0 || left.gets != 0 || left.ahead != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestReadersShareGets(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 16<<20)
	o.st.latency = 10 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		r := o.reader(t, Config{}, nil)
		defer r.e.Close()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				s := r.NewStream()
				defer s.Close()
				p := make([]byte, 128<<10)
				if _, err := s.ReadAt(t.Context(), p, 5<<20); err != nil || !bytes.Equal(p, o.plain[5<<20:][:128<<10]) {
					t.Errorf("error %v", err)
				}
			})
		}
		wg.Wait()
		if gets, n := o.st.seen(); gets > 2 || n > 128<<10 {
			t.Errorf("%d GETs, %d bytes for one range", gets, n)
		}
	})
}

// TestBlocksAreReadableAsTheyArrive stops a body in its middle.
func TestBlocksAreReadableAsTheyArrive(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 8*blockSize)
	synctest.Test(t, func(t *testing.T) {
		r := o.reader(t, Config{}, nil)
		defer r.e.Close()
		o.st.latency = time.Millisecond
		gate := make(chan struct{})
		o.st.body = stopAfter(3*blockSize+5, gate)
		whole := make(chan struct{})
		go func() {
			defer close(whole)
			o.check(t, r.NewStream(), 0, 8*blockSize)
		}()
		synctest.Wait()
		o.check(t, r.NewStream(), 0, 3*blockSize)
		select {
		case <-whole:
			t.Error("the body was not stopped")
		default:
		}
		close(gate)
		<-whole
		if gets, _ := o.st.seen(); gets != 1 {
			t.Errorf("%d GETs", gets)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	const memory = 4 << 20
	o := newObject(t, kindNamed(t, "CTR"), 12<<20)
	e := o.engine(t, Config{Memory: memory})
	r := o.open(t, e, nil)
	var most int64
	o.st.before = func(context.Context, int, store.Range) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		most = max(most, e.used)
		return nil
	}
	var wg sync.WaitGroup
	idle := r.NewStream() // reads a little and then holds its window
	for off := 0; off < 2<<20; off += 64 << 10 {
		o.check(t, idle, off, 64<<10)
	}
	for i := range 6 {
		wg.Go(func() {
			s := r.NewStream()
			defer s.Close()
			for off := i << 20; off < (i+6)<<20; off += 128 << 10 {
				o.check(t, s, off, 128<<10)
			}
		})
	}
	wg.Wait()
	e.mu.Lock() // the window of the idle one may still fill
	defer e.mu.Unlock()
	if most > memory {
		t.Errorf("%d bytes of buffers, of %d", most, memory)
	}
	if most < memory/4 {
		t.Errorf("only %d bytes of buffers were used: nothing is fetched ahead", most)
	}
}

// TestAReaderAloneGetsOn has less memory than one block.
func TestAReaderAloneGetsOn(t *testing.T) {
	for _, k := range kinds {
		o := newObject(t, k, 10*blockSize+1)
		s := o.reader(t, Config{Memory: 1, Concurrency: 1}, nil).NewStream()
		o.check(t, s, 0, len(o.plain)+1)
	}
}

// TestFollow covers what counts as going straight on.
func TestFollow(t *testing.T) {
	const k = 1 << 10
	tests := []struct {
		name  string
		reads []span
		run   int
		next  int64
	}{
		{"in order", []span{{0, 4 * k}, {4 * k, 8 * k}, {8 * k, 9 * k}}, 3, 9 * k},
		{"two swapped", []span{{0, 4 * k}, {8 * k, 12 * k}, {4 * k, 8 * k}}, 3, 12 * k},
		{"three reversed", []span{{0, 4 * k}, {12 * k, 16 * k}, {8 * k, 12 * k}, {4 * k, 8 * k}}, 4, 16 * k},
		{"one again", []span{{0, 4 * k}, {4 * k, 8 * k}, {0, 4 * k}}, 2, 8 * k},
		{"far ahead", []span{{0, 4 * k}, {4 * k, 8 * k}, {8000 * k, 8004 * k}}, 0, 8 * k},
		{"far back", []span{{9000 * k, 9004 * k}, {0, 4 * k}}, 0, 9004 * k},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := window{next: tt.reads[0].end, run: 1}
			followed := true
			for _, x := range tt.reads[1:] {
				followed = w.follow(x.off, x.end)
			}
			if followed != (tt.run > 0) || followed && w.run != tt.run || w.next != tt.next || followed && len(w.early) > 0 {
				t.Errorf("followed: %v, %+v", followed, w)
			}
		})
	}
	w := window{next: 100, run: 1}
	for i := range maxStray {
		if !w.follow(int64(10_000+i), int64(10_001+i)) {
			t.Fatalf("stray read %d taken for a seek", i)
		}
	}
	if w.follow(20_000, 20_001) {
		t.Error("strays without end are no seek")
	}
}

func TestUnread(t *testing.T) {
	const b = blockSize
	w := window{early: []span{{8 * b, 9 * b}, {4 * b, 5*b + 1}, {6 * b, 7 * b}}}
	for _, tt := range []struct{ first, end, start, stop int64 }{
		{0, 20, 0, 4},
		{0, 3, 0, 3},
		{4, 20, 7, 8},
		{5, 6, 7, 6}, // nothing
		{8, 20, 9, 20},
		{10, 20, 10, 20},
	} {
		if start, stop := w.unread(tt.first, tt.end); start != tt.start || stop != tt.stop {
			t.Errorf("of %d to %d: %d to %d, want %d to %d", tt.first, tt.end, start, stop, tt.start, tt.stop)
		}
	}
}
