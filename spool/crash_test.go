package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// boot pretends that the machine was started anew.
func (s *Spool) rebooted() *Spool { s.boot = NewID(); return s }

func TestSyncSurvivesLaterWrites(t *testing.T) {
	for _, fast := range []bool{false, true} {
		s := newSpool(t, 64<<20)
		f := create(t, s)
		a, b := text(1, 20*bs+100), text(2, 20*bs)
		write(t, f, a, 0)
		check(t, f.Sync(fast))
		// Twice over, so that each slot that is free gets reused.
		write(t, f, b, 0)
		write(t, f, text(3, 20*bs), 0)
		write(t, f, b[:5000], 70_000)
		check(t, f.Truncate(3*bs))
		write(t, f, text(4, 9*bs), 50)

		after := openSpool(t, copyDir(t, s.dir), 64<<20, realSystem{})
		defer closeAll(after)
		same(t, readFile(t, load(t, after, f.id)), a)
	}
}

// TestPowerCut: what a full Sync returned for is there after a reboot, although
// fast records followed whose blocks never reached the disk.
func TestPowerCut(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	a, b := text(1, 8*bs), text(2, 4*bs)
	write(t, f, a, 0)
	check(t, f.Sync(false))
	onDisk, err := os.ReadFile(s.path(f.id.String()))
	check(t, err)
	write(t, f, b, bs)
	check(t, f.Sync(true))
	write(t, f, text(3, 2*bs), bs) // takes free slots, must not take the first Sync's
	check(t, f.Sync(true))

	// kill -9: all is there.
	dir := copyDir(t, s.dir)
	killed := openSpool(t, dir, 64<<20, realSystem{})
	want := readFile(t, f)
	same(t, readFile(t, load(t, killed, f.id)), want)
	closeAll(killed)

	// A reboot after all was written back: the same.
	clean := openSpool(t, copyDir(t, s.dir), 64<<20, realSystem{}).rebooted()
	same(t, readFile(t, load(t, clean, f.id)), want)
	closeAll(clean)

	// A power cut: the map reached the disk, the later blocks did not.
	dir = copyDir(t, s.dir)
	check(t, os.WriteFile(filepath.Join(dir, f.id.String()), onDisk, 0o600))
	cut := openSpool(t, dir, 64<<20, realSystem{}).rebooted()
	g := load(t, cut, f.id)
	same(t, readFile(t, g), a)
	write(t, g, b, 0)
	check(t, g.Sync(false))
	check(t, g.Close())
	g = load(t, cut, f.id)
	same(t, readFile(t, g)[:len(b)], b)
	closeAll(cut)
}

// TestEvictionIsOnDiskFirst: a crash right after a punch finds a map that knows of it.
func TestEvictionIsOnDiskFirst(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	a := text(1, 8*bs)
	write(t, f, a, 0)
	check(t, f.Sync(false))
	f.SetClean(2*bs, 3*bs)
	if freed := s.reclaim(3 * bs); freed != 3*bs {
		t.Fatalf("freed %d bytes, want %d", freed, 3*bs)
	}
	for _, boot := range []bool{false, true} {
		after := openSpool(t, copyDir(t, s.dir), 64<<20, realSystem{})
		if boot {
			after.rebooted()
		}
		g := load(t, after, f.id)
		if start, n, ok := g.Absent(0); !ok || start != 2*bs || n != 3*bs {
			t.Fatalf("absent %d+%d %v", start, n, ok)
		}
		check(t, g.Fill(a[2*bs:5*bs], 2*bs))
		same(t, readFile(t, g), a)
		closeAll(after)
	}
}

// TestTornMap: a map cut anywhere in its last record goes back to the one before.
func TestTornMap(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	a, b := text(1, 3*bs), text(2, 2*bs)
	write(t, f, a, 0)
	check(t, f.Sync(false))
	first := f.maplog.end
	write(t, f, b, bs)
	check(t, f.Sync(false))
	last := f.maplog.end
	for cut := first; cut < last; cut += 7 {
		for _, zeros := range []bool{false, true} {
			dir := copyDir(t, s.dir)
			path := filepath.Join(dir, f.id.String()+mapSuffix)
			if zeros { // the size reached the disk, the rest of the sector did not
				m, err := os.ReadFile(path)
				check(t, err)
				clear(m[first:])
				check(t, os.WriteFile(path, m, 0o600))
			} else {
				check(t, os.Truncate(path, cut))
			}
			after := openSpool(t, dir, 64<<20, unsynced{})
			g := load(t, after, f.id)
			same(t, readFile(t, g), a)
			write(t, g, b, 0)
			check(t, g.Sync(cut%2 == 0))
			check(t, g.Close())
			same(t, readFile(t, load(t, after, f.id))[:len(b)], b)
			closeAll(after)
		}
	}
}

// TestFaults makes each call of each kind fail once, goes on, and looks at what
// is left: in memory and, as after kill -9, on disk.
func TestFaults(t *testing.T) {
	for _, errno := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
		for _, tag := range []string{"data.write", "data.read", "data.sync", "data.punch", "map.write", "map.sync", "map.create", "map.rename", "dir.sync"} {
			for nth := 1; nth <= 12; nth++ {
				if !faultOnce(t, tag, nth, errno) {
					if nth == 1 {
						t.Errorf("no call of %s was made", tag)
					}
					break
				}
			}
		}
	}
}

// faultOnce runs a script in which the nth call of tag fails; it says whether there was one.
func faultOnce(t *testing.T, tag string, nth int, errno error) (hit bool) {
	sys := &faulty{short: nth%2 == 0}
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 64<<20, sys)
	defer closeAll(s)
	f := create(t, s)
	var want []byte
	allowed := [][]byte{nil} // what may be on disk: the last Sync that went well, and those that failed since
	sys.set(func(at string, n int) error {
		if at == tag && n == nth {
			hit = true
			return errno
		}
		return nil
	})
	failures := 0
	expect := func(op string, err error) bool {
		if err == nil {
			return true
		}
		failures++
		checkFault(t, op, tag, err, errno)
		return false
	}
	put := func(p []byte, off int) {
		if n, err := f.WriteAt(p, int64(off)); expect("write", err) {
			want = append(want, make([]byte, max(0, off+len(p)-len(want)))...)
			copy(want[off:], p)
		} else if n != 0 {
			t.Fatalf("a failed write says %d", n)
		}
	}
	for round := range uint64(4) {
		put(text(round, 3*bs+100), int(round)*bs)
		put(text(round+10, 500), 1000)
		put(text(round+20, bs), 100)
		if round == 1 { // more free slots than are kept
			size := len(want)
			put(text(30, 40*bs), size)
			want = want[:size]
			check(t, f.Truncate(int64(len(want))))
		}
		if expect("sync", f.Sync(round == 2)) {
			allowed = nil
		}
		allowed = append(allowed, bytes.Clone(want))
		got, err := contents(f, f.Size())
		if expect("read", err) {
			same(t, got, want)
		}
		check(t, f.Truncate(int64(len(want))))
		checkSlots(t, f)
	}
	sys.set(nil)
	checkAfterFault(t, s, f, allowed, want)
	// After a failed data.write the block may stay in memory and be sealed later.
	if hit && failures == 0 && tag != "data.punch" && !strings.HasPrefix(tag, "data.write") {
		t.Errorf("the failure of %s (%d) was told to nobody", tag, nth)
	}
	return hit
}

// checkFault demands that the error of an operation is the one of the call that failed.
func checkFault(t *testing.T, op, tag string, err, errno error) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Fatalf("%s with a failing %s: %v", op, tag, err)
	}
	if errno == syscall.ENOSPC && tag != "data.read" && !errors.Is(err, ErrFull) && tag != "dir.sync" {
		t.Fatalf("%s with a full disk at %s: %v is not ErrFull", op, tag, err)
	}
}

// checkAfterFault demands one of the allowed states after kill -9, and what was written after
// one more Sync and a power cut.
func checkAfterFault(t *testing.T, s *Spool, f *File, allowed [][]byte, want []byte) {
	t.Helper()
	same(t, readFile(t, f), want)
	// kill -9 now; the last Sync may have failed, then the one before counts.
	after := openSpool(t, copyDir(t, s.dir), 64<<20, realSystem{})
	g := load(t, after, f.id)
	found := readFile(t, g)
	if !slices.ContainsFunc(allowed, func(b []byte) bool { return bytes.Equal(b, found) }) {
		t.Fatalf("the disk has none of %d states", len(allowed))
	}
	closeAll(after)
	// A power cut after one more Sync, although an fsync failed before.
	check(t, f.Sync(false))
	after = openSpool(t, copyDir(t, s.dir), 64<<20, realSystem{}).rebooted()
	same(t, readFile(t, load(t, after, f.id)), want)
	closeAll(after)
}

// TestFailedSyncWritesAgain: after a failed fsync the kernel may forget what it
// had to write, and say that the next one went well.
func TestFailedSyncWritesAgain(t *testing.T) {
	sys := &faulty{}
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 64<<20, sys)
	defer closeAll(s)
	f := create(t, s)
	write(t, f, text(1, 5*bs), 0)
	sys.set(func(tag string, _ int) error {
		if tag == "data.sync" {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(false); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync: %v", err)
	}
	sys.set(func(string, int) error { return nil })
	check(t, f.Sync(false))
	if n := sys.calls["data.write"]; n != 6 { // five blocks and the header
		t.Fatalf("%d blocks were written again, want 6", n)
	}
}

func TestCompaction(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	var want []byte
	for k := range uint64(400) {
		want = text(k, 4096)
		write(t, f, want, 0)
		check(t, f.Sync(k%3 == 0))
		if f.maplog.end > 2*(36+256)+2*logSlack {
			t.Fatalf("after %d syncs the map has %d bytes", k, f.maplog.end)
		}
	}
	check(t, f.Close())
	same(t, readFile(t, load(t, s, f.id)), want)
}
