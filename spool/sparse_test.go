package spool

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestSmallRandomWrites: 10,000 writes of 4 KiB, some of them across blocks.
func TestSmallRandomWrites(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	const size = 8 << 20
	want := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 2))
	for k := range uint64(10_000) {
		p, off := text(k, 4096), r.IntN(size-4096)
		if k%2 == 0 {
			off &^= 4095
		}
		write(t, f, p, int64(off))
		copy(want[off:], p)
	}
	check(t, f.Truncate(size))
	same(t, readFile(t, f), want)
	check(t, f.Sync(true))
	check(t, f.Close())
	same(t, readFile(t, load(t, s, f.id)), want)
	searchPlain(t, s.dir)
}

// TestHugeSparse: 64 GiB of base, of holes and of both cost next to nothing.
func TestHugeSparse(t *testing.T) {
	s := newSpool(t, 64<<20)
	const size = 64 << 30
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	f, g := create(t, s), create(t, s)
	before := heap()
	check(t, f.SetBase(size))
	check(t, g.Truncate(size))
	for k := range int64(64) {
		write(t, g, text(1, bs), k<<30)
		check(t, f.Fill(text(1, bs), k<<30))
	}
	check(t, f.PunchHole(5<<30, 20<<30))
	f.SetClean(0, -1)
	check(t, f.Sync(true))
	check(t, g.Sync(true))
	if after := heap(); after > before+2<<20 {
		t.Errorf("%d bytes of memory", after-before)
	}
	if f.maplog.end > 16<<10 {
		t.Errorf("the map has %d bytes", f.maplog.end)
	}
	if at, ok := f.Data(6 << 30); !ok || at != 25<<30 {
		t.Errorf("Data: %d %v", at, ok)
	}
	if at := f.Hole(0); at != 5<<30 {
		t.Errorf("Hole: %d", at)
	}
	if at, ok := g.Data(bs); !ok || at != 1<<30 {
		t.Errorf("Data: %d %v", at, ok)
	}
	check(t, f.Truncate(maxFile))
	if err := f.Truncate(maxFile + 1); !errors.Is(err, ErrTooBig) {
		t.Errorf("truncate: %v", err)
	}
	if _, err := f.WriteAt([]byte("x"), maxFile); !errors.Is(err, ErrTooBig) {
		t.Errorf("write: %v", err)
	}
	write(t, f, []byte("end"), maxFile-3)
	check(t, f.Sync(true))
	check(t, f.Close())
	f = load(t, s, f.id)
	p := make([]byte, 10)
	if n, _ := f.ReadAt(p, maxFile-5); string(p[:n]) != "\x00\x00end" {
		t.Errorf("read %q", p[:n])
	}
}
