package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

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
	f, g := create(t, s), create(t, s)
	check(t, s.Quarantine(f.id, "so that its folder is there"))
	check(t, errors.Join(f.Close(), g.Close()))
	used, _ := s.Usage()
	check(t, s.Close())

	s = openSpool(t, dir, 64<<20, realSystem{})
	if again, _ := s.Usage(); again != used {
		t.Errorf("%d bytes counted at open, %d before", again, used)
	}
	check(t, s.Close())
	for _, loose := range []string{dir, filepath.Join(dir, g.id.String()), filepath.Join(dir, quarantineName), filepath.Join(dir, journalName), logOf(dir)} {
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

// TestUseAfterClose: a file in use is not removed; one that was closed, or is in quarantine, is of no use.
func TestUseAfterClose(t *testing.T) {
	s := newSpool(t, 64<<20)
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
}

// TestHeadersOfWhatGoes: a file that is removed while the folder is listed is
// none of those that are left.
func TestHeadersOfWhatGoes(t *testing.T) {
	sys := &faulty{}
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), 64<<20, sys)
	defer s.Close()
	for range 3 {
		check(t, create(t, s).Close())
	}
	before, err := s.Headers(func(ID) bool { return true })
	check(t, err)
	sys.set(func(tag string, _ int) error {
		if tag == "data.open" {
			os.Remove(s.path(before[1].ID.String()))
		}
		return nil
	})
	left, err := s.Headers(func(ID) bool { return true })
	sys.set(nil)
	if err != nil || len(left) != 2 || left[0].ID != before[0].ID || left[1].ID != before[2].ID {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestKillDuringRemove: what a removal has left behind when it was killed takes no
// room after the next start.
func TestKillDuringRemove(t *testing.T) {
	for _, kill := range []string{"", mapSuffix} {
		s := newSpool(t, 64<<20)
		f := create(t, s)
		write(t, f, text(1, 3*bs), 0)
		check(t, f.Sync(false))
		dir := copyDir(t, s.dir)
		check(t, os.Remove(filepath.Join(dir, f.id.String()+kill)))
		after := openSpool(t, dir, 64<<20, realSystem{})
		defer closeAll(after)
		headers, err := after.Headers(func(ID) bool { return true })
		check(t, err)
		for _, h := range headers { // as a volume does with what no entry names
			check(t, after.Remove(h.ID))
		}
		left, err := filepath.Glob(filepath.Join(dir, f.id.String()+"*"))
		check(t, err)
		if used, _ := after.Usage(); len(left) > 0 || used != 0 {
			t.Errorf("without %q: %v is left, %d bytes", f.id.String()+kill, left, used)
		}
	}
}

// TestKillDuringCreate: a file that was being made when its process was killed is
// no corrupt one.
func TestKillDuringCreate(t *testing.T) {
	s := newSpool(t, 64<<20)
	id := NewID()
	check(t, os.WriteFile(s.path(id.String()), nil, 0o600))
	headers, err := s.Headers(func(ID) bool { return true })
	check(t, err)
	if len(headers) != 1 || headers[0].ID != id {
		t.Fatalf("headers %+v", headers)
	}
	list, err := s.Quarantined()
	check(t, err)
	if len(list) > 0 {
		t.Errorf("in quarantine: %+v", list)
	}
	check(t, s.Remove(id))
}
