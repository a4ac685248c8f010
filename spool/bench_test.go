package spool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func benchSpool(b *testing.B) *Spool {
	s, err := Open(Options{Dir: filepath.Join(b.TempDir(), "spool"), MaxSize: 8 << 30})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { closeAll(s) })
	return s
}

const benchFile = 256 << 20

// BenchmarkSequentialWrite is what a copy into the mount does.
func BenchmarkSequentialWrite(b *testing.B) {
	for _, size := range []int{4 << 10, 128 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := benchSpool(b)
			f := create(b, s)
			p := text(1, size)
			b.SetBytes(int64(size))
			off := int64(0)
			for b.Loop() {
				write(b, f, p, off)
				off = (off + int64(size)) % benchFile
			}
		})
	}
}

func BenchmarkRandomWrite4K(b *testing.B) {
	s := benchSpool(b)
	f := create(b, s)
	write(b, f, make([]byte, 64<<20), 0)
	p := text(1, 4096)
	r := rand.New(rand.NewPCG(1, 1))
	b.SetBytes(4096)
	for b.Loop() {
		write(b, f, p, r.Int64N(64<<20/4096)*4096)
	}
}

func BenchmarkSequentialRead(b *testing.B) {
	s := benchSpool(b)
	f := create(b, s)
	write(b, f, make([]byte, benchFile), 0)
	p := make([]byte, 128<<10)
	b.SetBytes(int64(len(p)))
	off := int64(0)
	for b.Loop() {
		if _, err := f.ReadAt(p, off); err != nil {
			b.Fatal(err)
		}
		off = (off + int64(len(p))) % benchFile
	}
}

func BenchmarkParallelRead(b *testing.B) {
	s := benchSpool(b)
	f := create(b, s)
	write(b, f, make([]byte, benchFile), 0)
	b.SetBytes(128 << 10)
	b.RunParallel(func(pb *testing.PB) {
		p := make([]byte, 128<<10)
		off := rand.Int64N(1000) * int64(len(p))
		for pb.Next() {
			if _, err := f.ReadAt(p, off); err != nil {
				b.Error(err)
				return
			}
			off = (off + int64(len(p))) % benchFile
		}
	})
}

func BenchmarkFreeze(b *testing.B) {
	s := benchSpool(b)
	f := create(b, s)
	write(b, f, make([]byte, benchFile), 0)
	for b.Loop() {
		z, err := f.Freeze(0, -1)
		if err != nil {
			b.Fatal(err)
		}
		z.Release()
	}
}

// counting counts the syncs of the journal.
type counting struct {
	realSystem
	syncs *atomic.Int64
}

func (c counting) sync(tag string, f *os.File) error {
	if tag == "journal.sync" {
		c.syncs.Add(1)
	}
	return c.realSystem.sync(tag, f)
}

// BenchmarkJournalUpdate is what concurrent saves cost the journal.
func BenchmarkJournalUpdate(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			var syncs atomic.Int64
			s := openSpool(b, filepath.Join(b.TempDir(), "spool"), 8<<30, counting{syncs: &syncs})
			defer s.Close()
			before := syncs.Load()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					e := someEntry("a")
					for left.Add(-1) >= 0 {
						if err := s.Journal().Update(func(tx *Tx) error { return tx.PutEntry(e) }); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(syncs.Load()-before)/float64(b.N), "syncs/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
		})
	}
}
