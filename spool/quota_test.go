package spool

import (
	"errors"
	"os"
	"path/filepath"
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

// TestWrittenAnew: what was cut off, or written over, since the last Sync makes room for
// what takes its place, unless it was promised.
func TestWrittenAnew(t *testing.T) {
	const size = 4 << 20
	for _, how := range []string{"truncated", "overwritten"} {
		t.Run(how, func(t *testing.T) {
			s := newSpool(t, size)
			f := create(t, s)
			write(t, f, text(1, size/4*3), 0)
			check(t, f.Sync(false))
			f.Replaced()
			if how == "truncated" {
				check(t, f.Truncate(0))
				if room := s.Room(); room < size/4*3 {
					t.Errorf("%d bytes are said to fit", room)
				}
			}
			want := text(2, size/4*3)
			for off := 0; off < len(want); off += 128 << 10 { // as the kernel hands it over
				write(t, f, want[off:off+128<<10], int64(off))
			}
			same(t, readFile(t, f), want)
			if used, max := s.Usage(); used > max || diskBytes(s.path(f.id.String())) > max {
				t.Errorf("%d bytes used, %d on disk, of %d", used, diskBytes(s.path(f.id.String())), max)
			}
		})
	}
}

// TestPromisedStays: what a Sync has made durable stays on the disk until the next one,
// however full the spool is.
func TestPromisedStays(t *testing.T) {
	const size = 4 << 20
	s := newSpool(t, size)
	f := create(t, s)
	f.Replaced() // which the Sync ends
	want := text(1, size/4*3)
	write(t, f, want, 0)
	check(t, f.Sync(false))
	check(t, f.Truncate(0))
	if _, err := f.WriteAt(text(2, size/4*3), 0); !errors.Is(err, ErrFull) {
		t.Fatalf("write: %v", err)
	}
	check(t, f.Close())
	f, err := s.Load(f.id, testKey)
	check(t, err)
	same(t, readFile(t, f), want)
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
			f.SetClean(0, -1)
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
	f.SetClean(0, -1)
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
		f.SetClean(off, 1<<20)
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

// hooked calls before each sync.
type hooked struct {
	realSystem
	before func(tag string)
}

func (h *hooked) sync(tag string, f *os.File) error {
	if h.before != nil {
		h.before(tag)
	}
	return h.realSystem.sync(tag, f)
}

// TestEvictionMeetsWriters: while the map learns of an eviction, the blocks concerned change.
func TestEvictionMeetsWriters(t *testing.T) {
	sys := &hooked{}
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 64<<20, sys)
	defer closeAll(s)
	f := create(t, s)
	want := text(1, 6*bs)
	write(t, f, want, 0)
	check(t, f.Sync(false))
	f.SetClean(0, 5*bs)
	var z *Frozen
	sys.before = func(tag string) {
		sys.before = nil
		if tag != "map.sync" {
			t.Fatalf("eviction synced %s first", tag)
		}
		write(t, f, text(2, bs), 0) // rewritten whole
		copy(want, text(2, bs))
		write(t, f, []byte("part"), bs+5) // rewritten in part
		copy(want[bs+5:], "part")
		check(t, f.Truncate(6*bs-100))
		want = want[:6*bs-100]
		f.mu.Lock()
		f.unmark(2, 3) // unmarked
		f.mu.Unlock()
		var err error
		z, err = f.Freeze(3*bs, bs) // being read
		check(t, err)
	}
	s.reclaim(64 << 20)
	if z == nil {
		t.Fatal("no eviction reached the map")
	}
	checkSlots(t, f)
	if start, n, ok := f.Absent(0); !ok || start != 3*bs || n != 2*bs {
		t.Fatalf("absent %d+%d %v", start, n, ok)
	}
	p := make([]byte, bs)
	if _, err := z.ReadAt(p, 3*bs); err != nil {
		t.Fatal(err)
	}
	same(t, p, want[3*bs:4*bs])
	z.Release()
	check(t, f.Sync(false))
	checkSlots(t, f)
	check(t, f.Close())
	f = load(t, s, f.id)
	check(t, f.Fill(want[3*bs:5*bs], 3*bs))
	same(t, readFile(t, f), want)
}

// TestInOrder: it ends where the base has something, whether the spool has that, too, or not.
func TestInOrder(t *testing.T) {
	s := newSpool(t, 16<<20)
	f := create(t, s)
	check(t, f.SetBase(1<<20))
	expect := func(want int64) {
		t.Helper()
		if got := f.InOrder(); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	expect(0)
	write(t, f, text(1, 288<<10), 608<<10)
	expect(0)
	write(t, f, text(2, 256<<10), 0)
	expect(256 << 10)
	check(t, f.Fill(text(3, 256<<10), 256<<10))
	f.SetClean(256<<10, 256<<10)
	expect(256 << 10)
	write(t, f, text(4, 256<<10), 256<<10)
	expect(512 << 10)
	id := NewID()
	f.LeaveTo(id)
	f.Sent(id, 0, 512<<10)
	expect(512 << 10)
	check(t, f.Truncate(400<<10))
	expect(400 << 10)
}
