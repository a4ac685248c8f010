package spool

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestConcurrent has several goroutines write, read, freeze, sync and evict at once.
func TestConcurrent(t *testing.T) {
	s := newSpool(t, 32<<20)
	s.dirty.max = 3
	s.descriptors.max = 2
	var all sync.WaitGroup
	for k := range 3 {
		f := create(t, s)
		cache := create(t, s) // fills, and gets evicted meanwhile
		base := text(uint64(k), 6<<20)
		check(t, cache.SetBase(int64(len(base))))
		cache.SetClean(0, -1)
		for g := range 2 {
			all.Go(func() { scribble(t, f, k, g) })
			all.Go(func() { readThrough(t, cache, base) })
		}
	}
	all.Wait()
	if s.dirty.order.Len() > 3+12 {
		t.Errorf("%d dirty blocks", s.dirty.order.Len())
	}
}

// scribble owns every second stripe of 40,000 bytes of the file, so that
// neighbours meet within blocks, and checks what it reads back.
func scribble(t *testing.T, f *File, k, g int) {
	const stripe = 40_000
	r := rand.New(rand.NewPCG(uint64(k), uint64(g)))
	mine := map[int64]uint64{}
	p := make([]byte, stripe)
	for round := range uint64(150) {
		at := (r.Int64N(20)*2 + int64(g)) * stripe
		seed := round<<8 | uint64(g)
		if _, err := f.WriteAt(text(seed, stripe), at); err != nil {
			t.Error(err)
			return
		}
		mine[at] = seed
		var z *Frozen
		var err error
		switch r.IntN(6) {
		case 0:
			err = f.Sync(true)
		case 1:
			z, err = f.Freeze(0, -1)
		}
		if err != nil {
			t.Error(err)
			return
		}
		for at, seed := range mine {
			if _, err := f.ReadAt(p, at); err != nil || string(p) != string(text(seed, stripe)) {
				t.Errorf("stripe at %d: %v", at, err)
				return
			}
			if z != nil {
				if _, err := z.ReadAt(p, at); err != nil || string(p) != string(text(seed, stripe)) {
					t.Errorf("frozen stripe at %d: %v", at, err)
				}
				z.Release()
			}
			break
		}
	}
}

func readThrough(t *testing.T, f *File, base []byte) {
	p := make([]byte, 300_000)
	for off := int64(0); off < int64(len(base)); off += 150_000 {
		for {
			n, err := f.ReadAt(p, off)
			var absent *AbsentError
			if errors.As(err, &absent) {
				if err := f.Fill(base[absent.Offset:absent.Offset+absent.Length], absent.Offset); err != nil {
					t.Error(err)
					return
				}
				continue
			}
			if string(p[:n]) != string(base[off:off+int64(n)]) {
				t.Errorf("wrong bytes at %d: %v", off, err)
			}
			break
		}
	}
}
