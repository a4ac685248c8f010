package spool

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestFullSpool(t *testing.T) {
	const size = 4 << 20
	s := newSpool(t, size)
	f := create(t, s)
	a := text(1, 2*size)
	n, err := f.WriteAt(a, 0)
	if !errors.Is(err, ErrFull) || n == 0 || n >= size {
		t.Fatalf("WriteAt of twice the quota = %d, %v", n, err)
	}
	same(t, readFile(t, f), a[:n])
	// What was accepted can be closed: a Sync needs no space that was not promised.
	for i := int64(0); ; i++ {
		if _, err := f.WriteAt(a[:1000], int64(n)+i*bs); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	check(t, f.Sync(false))
	if used, max := s.Usage(); used > max || diskBytes(s.path(f.id.String())) > max {
		t.Fatalf("%d bytes used, %d on disk, of %d", used, diskBytes(s.path(f.id.String())), max)
	}
	// Truncation makes room again.
	check(t, f.Truncate(bs))
	check(t, f.Sync(false))
	write(t, f, a[:size/2], bs)
}

// TestEvictionOrder: the file used longest ago loses its blocks first, and no
// block that is not marked.
func TestEvictionOrder(t *testing.T) {
	s := newSpool(t, 16<<20)
	var files []*File
	for k := range uint64(3) {
		f := create(t, s)
		write(t, f, text(k, 4<<20), 0)
		check(t, f.Sync(k == 1))
		if k < 2 {
			f.SetEvictable(0, -1)
		}
		files = append(files, f)
	}
	if _, err := files[0].ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	f := create(t, s)
	want := text(9, 6<<20)
	write(t, f, want, 0)
	same(t, readFile(t, f), want)
	same(t, readFile(t, files[0]), text(0, 4<<20))
	same(t, readFile(t, files[2]), text(2, 4<<20))
	if _, _, ok := files[1].Absent(0); !ok {
		t.Fatal("the file used longest ago kept all its blocks")
	}
	// More than all that is evictable: full, and nothing unmarked is lost.
	if _, err := f.WriteAt(make([]byte, 12<<20), 6<<20); !errors.Is(err, ErrFull) {
		t.Fatalf("write: %v", err)
	}
	same(t, readFile(t, files[2]), text(2, 4<<20))
	if used, max := s.Usage(); used > max {
		t.Fatalf("%d bytes of %d", used, max)
	}
}

// TestFrozenIsNotEvicted: sent parts that are still being read stay.
func TestFrozenIsNotEvicted(t *testing.T) {
	s := newSpool(t, 8<<20)
	f := create(t, s)
	a := text(1, 2<<20)
	write(t, f, a, 0)
	z, err := f.Freeze(0, 1<<20)
	check(t, err)
	f.SetEvictable(0, -1)
	s.reclaim(8 << 20)
	p := make([]byte, 1<<20)
	if _, err := z.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	same(t, p, a[:1<<20])
	if start, n, ok := f.Absent(0); !ok || start != 1<<20 || n != 1<<20 {
		t.Fatalf("absent %d+%d %v", start, n, ok)
	}
	if _, err := z.ReadAt(p, 1); !errors.Is(err, errOutside) {
		t.Fatalf("read past the range: %v", err)
	}
	z.Release()
	z.Release()
	s.reclaim(8 << 20)
	if _, n, _ := f.Absent(0); n != 2<<20 {
		t.Fatalf("%d bytes absent after the release", n)
	}
	// A view outlives its file.
	write(t, f, a, 0)
	z, err = f.Freeze(0, -1)
	check(t, err)
	check(t, f.Close())
	got, err := contents(z, z.Size())
	check(t, err)
	same(t, got, a)
	z.Release()
	if _, err := z.ReadAt(p, 0); err == nil {
		t.Fatal("a released view can be read")
	}
}

// TestStream writes and reads files far longer than the quota, as a cache and as a sequential upload do.
func TestStream(t *testing.T) {
	s := newSpool(t, 8<<20)
	f := create(t, s)
	for k := range uint64(24) {
		off := int64(k) << 20
		write(t, f, text(k, 1<<20), off)
		if k%5 == 0 {
			check(t, f.Sync(k%2 == 0))
		}
		f.SetEvictable(off, 1<<20)
		if used, max := s.Usage(); used > max {
			t.Fatalf("%d bytes of %d", used, max)
		}
	}
	check(t, f.Sync(false))
	if got := diskBytes(s.path(f.id.String())); got > 8<<20 {
		t.Fatalf("%d bytes on disk", got)
	}
	for k := range uint64(24) {
		off := int64(k) << 20
		p := make([]byte, 1<<20)
		_, err := f.ReadAt(p, off)
		for absent := (*AbsentError)(nil); errors.As(err, &absent); _, err = f.ReadAt(p, off) {
			check(t, f.Fill(text(k, 1<<20)[absent.Offset-off:][:absent.Length], absent.Offset))
		}
		check(t, err)
		same(t, p, text(k, 1<<20))
	}
}

func TestFullDisk(t *testing.T) {
	sys := &smallDisk{left: diskMargin + 1<<20}
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 64<<20, sys)
	defer closeAll(s)
	f := create(t, s)
	n, err := f.WriteAt(make([]byte, 4<<20), 0)
	if !errors.Is(err, ErrFull) || n == 0 || n > 1<<20 {
		t.Fatalf("write on a full disk = %d, %v", n, err)
	}
	check(t, f.Sync(false))
}

// smallDisk is a disk that has only so much left.
type smallDisk struct {
	realSystem
	left int64
}

func (d *smallDisk) pwrite(tag string, f *os.File, p []byte, off int64) (int, error) {
	d.left -= int64(len(p))
	return d.realSystem.pwrite(tag, f, p, off)
}

func (d *smallDisk) free(string) (int64, error) { return d.left, nil }

// TestAllocated: what is counted is what the disk says.
func TestAllocated(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	for k := range 40 {
		write(t, f, text(uint64(k), 100+k*1000), int64(k)*bs)
	}
	check(t, f.Sync(false))
	compare := func(when string, f *File) {
		t.Helper()
		disk := diskBytes(s.path(f.id.String())) + diskBytes(s.path(f.id.String()+mapSuffix))
		if diff := f.Allocated() - disk; diff < -8<<10 || diff > 8<<10 {
			t.Errorf("%s: %d bytes counted, %d on disk", when, f.Allocated(), disk)
		}
	}
	compare("written", f)
	check(t, f.Truncate(3*bs))
	check(t, f.Sync(false))
	compare("truncated", f)
	check(t, f.Close())
	f = load(t, s, f.id)
	compare("loaded", f)
	small := create(t, s)
	write(t, small, text(1, 50), 0)
	check(t, small.Sync(false))
	if small.Allocated() > 12<<10 {
		t.Errorf("50 bytes occupy %d", small.Allocated())
	}
	check(t, f.Close())
	check(t, small.Close())
	check(t, s.Remove(f.id))
	check(t, s.Remove(small.id))
	if used, _ := s.Usage(); used != 0 {
		t.Errorf("%d bytes used by nothing", used)
	}
}

// TestConcurrent has several goroutines write, read, freeze, sync and evict at once.
func TestConcurrent(t *testing.T) {
	s := newSpool(t, 32<<20)
	s.dirty.max = 3
	var all sync.WaitGroup
	for k := range 3 {
		f := create(t, s)
		cache := create(t, s) // fills, and gets evicted meanwhile
		base := text(uint64(k), 6<<20)
		check(t, cache.SetBase(int64(len(base))))
		cache.SetEvictable(0, -1)
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
	f.SetEvictable(0, -1)
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

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "spool")
	s := openSpool(t, dir, 64<<20, realSystem{})
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Fatalf("%v %v", fi, err)
	}
	_, err := Open(Options{Dir: dir, MaxSize: 64 << 20})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("a second open: %v", err)
	}
	f := create(t, s)
	write(t, f, text(1, 100), 0)
	check(t, f.Sync(true))
	if err := s.Close(); err == nil {
		t.Error("closed with an open file")
	}
	if err := s.Remove(f.id); err == nil {
		t.Error("removed an open file")
	}
	check(t, s.Quarantine(f.id, "a test"))
	if err := f.Sync(true); err == nil {
		t.Error("synced into the quarantine")
	}
	check(t, f.Close())
	if err := f.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	for _, err := range []error{f.Truncate(1), f.PunchHole(0, 1), f.SetBase(1), f.Sync(true), f.Fill(make([]byte, 1), 0)} {
		if err == nil {
			t.Error("a closed file can be used")
		}
	}
	if _, err := f.WriteAt(make([]byte, bs), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Load(f.id, testKey); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("load of a quarantined file: %v", err)
	}
	g := create(t, s)
	check(t, g.Close())
	used, _ := s.Usage()
	check(t, s.Close())

	s = openSpool(t, dir, 64<<20, realSystem{})
	if again, _ := s.Usage(); again != used {
		t.Errorf("%d bytes counted at open, %d before", again, used)
	}
	check(t, s.Close())
	for _, loose := range []string{dir, filepath.Join(dir, g.id.String()), filepath.Join(dir, quarantineName), filepath.Join(dir, journalName)} {
		fi, err := os.Stat(loose)
		check(t, err)
		check(t, os.Chmod(loose, fi.Mode()|0o040))
		_, err = Open(Options{Dir: dir, MaxSize: 64 << 20})
		if !errors.Is(err, ErrLoose) || !strings.Contains(err.Error(), "chmod go-rwx "+loose) {
			t.Errorf("open with a loose %s: %v", loose, err)
		}
		check(t, os.Chmod(loose, fi.Mode()))
	}
	if _, err := Open(Options{Dir: dir, MaxSize: 5}); err == nil {
		t.Error("opened with a quota of five bytes")
	}
	check(t, syscall.Symlink("/etc/hostname", filepath.Join(dir, NewID().String())))
	if _, err := Open(Options{Dir: dir, MaxSize: 64 << 20}); !errors.Is(err, ErrLoose) {
		t.Errorf("open with a symbolic link inside: %v", err)
	}
}
