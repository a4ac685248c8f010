package spool

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// watched counts the files that are open.
type watched struct {
	realSystem
	opened []*os.File
}

func (w *watched) open(tag, path string, flag int) (*os.File, error) {
	f, err := w.realSystem.open(tag, path, flag)
	if err == nil && tag != "journal.open" {
		w.opened = append(w.opened, f)
	}
	return f, err
}

func (w *watched) count() (n int) {
	for _, f := range w.opened {
		if _, err := f.Stat(); err == nil {
			n++
		}
	}
	return n
}

func openFew(t *testing.T, sys system) *Spool {
	s, err := openWith(Options{Dir: filepath.Join(t.TempDir(), "spool"), MaxSize: 256 << 20, Descriptors: 8}, sys)
	check(t, err)
	t.Cleanup(func() { closeAll(s) })
	return s
}

// TestDescriptorsAreBounded keeps many files open, some synced fast and some fully, with
// few descriptors: each can be read, written, synced, evicted and loaded.
func TestDescriptorsAreBounded(t *testing.T) {
	sys := &watched{}
	s := openFew(t, sys)
	const n = 100
	files := make([]*File, n)
	for i := range files {
		files[i] = create(t, s)
		write(t, files[i], text(uint64(i), bs+10), 0)
		check(t, files[i].Sync(i%2 == 0))
	}
	for round := range uint64(2) {
		for i, f := range files {
			write(t, f, text(uint64(i)+1000*round, 2*bs), 5)
			check(t, f.Sync(i%3 == 0))
		}
		if got := sys.count(); got > 8 {
			t.Errorf("%d files open, want at most 8", got)
		}
	}
	for i, f := range files {
		same(t, readFile(t, f)[5:], text(uint64(i)+1000, 2*bs))
		check(t, f.Close())
		files[i] = load(t, s, f.id)
	}
	for i, f := range files {
		same(t, readFile(t, f)[5:], text(uint64(i)+1000, 2*bs))
	}
	if got := sys.count(); got > 8 {
		t.Errorf("%d files open, want at most 8", got)
	}
	for _, f := range files {
		check(t, f.Close())
	}
	if got := sys.count(); got != 0 || s.descriptors.open != 0 || s.descriptors.idle.Len() != 0 {
		t.Errorf("%d files open after all were closed, counted as %d, %d idle", got, s.descriptors.open, s.descriptors.idle.Len())
	}
}

// TestLostPageIsNotPromised has the system lose what was written, as it does when a
// write behind fails, while the file is closed for want of descriptors: whoever opens
// it again need not be told. No full Sync may return nil then.
func TestLostPageIsNotPromised(t *testing.T) {
	for what, suffix := range map[string]string{"data": "", "map": mapSuffix} {
		t.Run(what, func(t *testing.T) {
			s := openFew(t, realSystem{})
			f := create(t, s)
			check(t, f.Sync(false))
			write(t, f, text(1, 2*bs), 0)
			check(t, f.Sync(true))
			s.descriptors.shrink(0)
			path := s.path(f.id.String() + suffix)
			fi, err := os.Stat(path)
			check(t, err)
			lose(t, path, fi.Size()-100)
			if err := f.Sync(false); !errors.Is(err, ErrCorrupt) {
				t.Errorf("Sync says %v of bytes that are lost", err)
			}
		})
	}
}

// lose makes the rest of a file zeros.
func lose(t *testing.T, path string, from int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	defer file.Close()
	fi, err := file.Stat()
	check(t, err)
	_, err = file.WriteAt(make([]byte, fi.Size()-from), from)
	check(t, err)
}

// TestWrittenAgainAfterReopening: what was written before the file was closed is written
// once more by the full Sync that follows, so that its fsync speaks for it.
func TestWrittenAgainAfterReopening(t *testing.T) {
	sys := &faulty{}
	s := openFew(t, sys)
	f := create(t, s)
	check(t, f.Sync(false))
	write(t, f, text(1, 3*bs), 0)
	check(t, f.Sync(true))
	for _, c := range []struct {
		what           string
		close          bool
		data, mapWrite int
	}{
		{"closed since", true, 4, 2},          // its header and three blocks; its records, and a new one
		{"with nothing new", true, 0, 0},      // nothing is unsynced
		{"a block, kept open", false, 1, 1},   // as always
		{"a block, closed since", true, 2, 1}, // what has been synced is not written again
	} {
		if c.what[0] == 'a' {
			write(t, f, text(2, bs), 0)
		}
		if c.close {
			s.descriptors.shrink(0)
		}
		if c.what != "a block, kept open" {
			sys.set(nil)
		}
		check(t, f.Sync(false))
		if got := sys.calls; got["data.write"] < c.data || got["map.write"] != c.mapWrite {
			t.Errorf("%s: %v, want %d writes of data and %d of the map", c.what, got, c.data, c.mapWrite)
		}
		sys.set(nil)
	}
}

// TestViewsOutliveTheName: a frozen view of a file that was closed, removed or moved to
// quarantine can be read, though its descriptor was given to others; then nothing is left.
func TestViewsOutliveTheName(t *testing.T) {
	for what, end := range map[string]func(t *testing.T, s *Spool, f *File){
		"closed":  func(t *testing.T, s *Spool, f *File) { check(t, f.Close()) },
		"removed": func(t *testing.T, s *Spool, f *File) { check(t, errors.Join(f.Close(), s.Remove(f.id))) },
		"quarantined": func(t *testing.T, s *Spool, f *File) {
			check(t, errors.Join(s.Quarantine(f.id, "test"), f.Close()))
		},
		"closed, quarantined": func(t *testing.T, s *Spool, f *File) {
			check(t, errors.Join(f.Close(), s.Quarantine(f.id, "test")))
		},
		"quarantined, removed": func(t *testing.T, s *Spool, f *File) {
			check(t, errors.Join(s.Quarantine(f.id, "test"), f.Close(), s.Remove(f.id)))
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := openFew(t, realSystem{})
			f := create(t, s)
			write(t, f, text(1, 3*bs), 0)
			check(t, f.Sync(false))
			z, err := f.Freeze(0, -1)
			check(t, err)
			y := z.Again()
			s.descriptors.shrink(0)
			end(t, s, f)
			for _, z := range []*Frozen{z, y} {
				s.descriptors.shrink(0)
				got, err := contents(z, z.Size())
				check(t, err)
				same(t, got, text(1, 3*bs))
				z.Release()
			}
			if len(s.lingering) > 0 || s.descriptors.open > 0 {
				t.Errorf("%d files are still remembered, %d open", len(s.lingering), s.descriptors.open)
			}
			left, err := filepath.Glob(s.path(f.id.String() + "*"))
			check(t, err)
			if want := map[string]int{"closed": 2}[what]; len(left) != want {
				t.Errorf("left in the folder: %v, want %d", left, want)
			}
			if all, err := s.Quarantined(); err != nil || (len(all) > 0) != (what != "closed" && what != "removed") {
				t.Errorf("quarantine: %v, %v", all, err)
			}
		})
	}
}

// TestRemovedWhileReadIsGoneAfterKill: what was removed while a view read it is no draft
// of the next mount, even if this one is killed.
func TestRemovedWhileReadIsGoneAfterKill(t *testing.T) {
	s := openFew(t, realSystem{})
	f := create(t, s)
	write(t, f, text(1, bs), 0)
	check(t, f.Sync(false))
	z, err := f.Freeze(0, -1)
	check(t, err)
	check(t, errors.Join(f.Close(), s.Remove(f.id)))
	after := openSpool(t, copyDir(t, s.dir), 64<<20, realSystem{})
	defer closeAll(after)
	if all, err := after.Headers(func(ID) bool { return true }); err != nil || len(all) > 0 {
		t.Errorf("brought back: %v, %v", all, err)
	}
	if left, _ := filepath.Glob(after.path(f.id.String() + "*")); len(left) > 0 {
		t.Errorf("left in the folder: %v", left)
	}
	z.Release()
}

// TestOthersHaveTheDescriptors: when the process has no descriptor left, the idle ones are given up.
func TestOthersHaveTheDescriptors(t *testing.T) {
	sys := &scarce{}
	s, err := openWith(Options{Dir: filepath.Join(t.TempDir(), "spool"), MaxSize: 64 << 20, Descriptors: 1000}, sys)
	check(t, err)
	defer closeAll(s)
	sys.left = 10
	for i := range uint64(30) {
		f := create(t, s)
		write(t, f, text(i, 100), 0)
		check(t, f.Sync(false))
	}
}

// scarce has few descriptors left.
type scarce struct {
	watched
	left int
}

func (s *scarce) open(tag, path string, flag int) (*os.File, error) {
	if s.count() >= s.left && s.left > 0 {
		return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
	}
	return s.watched.open(tag, path, flag)
}
