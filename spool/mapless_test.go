package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestFirstMap looks at a file that nobody asked to be kept, and at each state in which
// a kill can leave the making of its map: on disk it is empty until the first Sync.
func TestFirstMap(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	write(t, f, text(1, 2*bs+5), 0)
	if _, err := os.Lstat(s.path(f.id.String() + mapSuffix)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that was never synced has a map: %v", err)
	}
	never := copyDir(t, s.dir)
	emptyOnDisk(t, never, f.id)

	before, err := os.ReadFile(s.path(f.id.String()))
	check(t, err)
	check(t, f.Sync(true))
	kept := copyDir(t, s.dir)
	after := openSpool(t, kept, 64<<20, realSystem{})
	same(t, readFile(t, load(t, after, f.id)), text(1, 2*bs+5))
	closeAll(after)

	whole, err := os.ReadFile(s.path(f.id.String() + mapSuffix))
	check(t, err)
	for _, n := range []int{0, 1, mapHead, mapHead + frameHead, 71, len(whole)} { // the header did not tell of the map yet
		dir := copyDir(t, s.dir)
		check(t, os.WriteFile(filepath.Join(dir, f.id.String()), before, 0o600))
		check(t, os.Truncate(filepath.Join(dir, f.id.String()+mapSuffix), int64(n)))
		emptyOnDisk(t, dir, f.id)
	}

	lost := copyDir(t, s.dir)
	check(t, os.Remove(filepath.Join(lost, f.id.String()+mapSuffix)))
	corruptOnDisk(t, lost, f.id)
}

// TestForgedMapless gives a file that has a map a header that denies it, with the right
// sum: the path does not authenticate under the other label.
func TestForgedMapless(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	write(t, f, text(1, bs), 0)
	check(t, f.Sync(false))
	forged := f.header
	forged.mapless = true
	head, err := forged.marshal()
	check(t, err)
	dir := copyDir(t, s.dir)
	data, err := os.ReadFile(filepath.Join(dir, f.id.String()))
	check(t, err)
	copy(data, head)
	check(t, os.WriteFile(filepath.Join(dir, f.id.String()), data, 0o600))
	corruptOnDisk(t, dir, f.id)
}

// emptyOnDisk loads a file that must be empty, and uses it.
func emptyOnDisk(t *testing.T, dir string, id ID) {
	t.Helper()
	s := openSpool(t, dir, 64<<20, realSystem{})
	defer closeAll(s)
	f := load(t, s, id)
	if f.Size() != 0 || f.Kept() != 0 {
		t.Fatalf("%d bytes, %d kept", f.Size(), f.Kept())
	}
	write(t, f, text(2, bs+1), 0)
	check(t, f.Sync(false))
	check(t, f.Close())
	same(t, readFile(t, load(t, s, id)), text(2, bs+1))
	if used, _ := s.Usage(); used != diskBytes(s.path(id.String()))+diskBytes(s.path(id.String()+mapSuffix)) {
		t.Errorf("%d bytes are counted", used)
	}
}

func corruptOnDisk(t *testing.T, dir string, id ID) {
	t.Helper()
	s := openSpool(t, dir, 64<<20, realSystem{})
	defer closeAll(s)
	if f, err := s.Load(id, testKey); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("loaded: %v, %v", f, err)
	}
}
