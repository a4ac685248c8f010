package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestPutBack puts a sealed file, or its map, or both, back to an older state, as
// a snapshot of the disk would. Either alone is found, block by block. Both
// together are what was once true, and nothing in them tells that it is not any
// more: that this cannot be told, docs/security.md says.
func TestPutBack(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	older, newer := text(1, 6*bs), text(2, 6*bs)
	write(t, f, older, 0)
	check(t, f.Sync(false))
	data, sealedMap := s.path(f.id.String()), s.path(f.id.String()+mapSuffix)
	oldData, err := os.ReadFile(data)
	check(t, err)
	oldMap, err := os.ReadFile(sealedMap)
	check(t, err)
	for range 3 { // so that the slots of the first state are used anew
		write(t, f, newer, 0)
		check(t, f.Sync(false))
	}
	read := func(restore map[string][]byte) (blocks int, state string) {
		dir := copyDir(t, s.dir)
		for path, content := range restore {
			check(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), content, 0o600))
		}
		after := openSpool(t, dir, 64<<20, realSystem{})
		defer closeAll(after)
		g, err := after.Load(f.id, testKey)
		if errors.Is(err, ErrCorrupt) {
			return 0, "quarantine"
		}
		check(t, err)
		p := make([]byte, bs)
		state = "corrupt"
		for i := range int64(6) {
			_, err := g.ReadAt(p, i*bs)
			switch {
			case errors.Is(err, ErrCorrupt):
			case err != nil:
				t.Fatal(err)
			case bytes.Equal(p, newer[i*bs:][:bs]):
				blocks, state = blocks+1, "newer"
			case bytes.Equal(p, older[i*bs:][:bs]):
				blocks, state = blocks+1, "older"
			default:
				t.Fatalf("block %d is neither", i)
			}
		}
		return blocks, state
	}
	if n, state := read(nil); n != 6 || state != "newer" {
		t.Errorf("untouched: %d blocks %s", n, state)
	}
	if n, state := read(map[string][]byte{data: oldData}); n != 0 {
		t.Errorf("older blocks: %d are taken for %s", n, state)
	}
	if n, state := read(map[string][]byte{sealedMap: oldMap}); n != 0 {
		t.Errorf("an older map: %d blocks are %s", n, state)
	}
	if n, state := read(map[string][]byte{data: oldData, sealedMap: oldMap}); n != 6 || state != "older" {
		t.Errorf("both: %d blocks are %s; docs/security.md says that this cannot be told", n, state)
	}
}

// TestWholeFilesDamaged: what is left of a sealed file after the crudest damage
// is in quarantine, and the file beside it is as it was.
func TestWholeFilesDamaged(t *testing.T) {
	s := newSpool(t, 64<<20)
	f, beside := create(t, s), create(t, s)
	want := text(3, 3*bs+5)
	for _, g := range []*File{f, beside} {
		write(t, g, want, 0)
		check(t, g.Sync(false))
	}
	for _, suffix := range []string{"", mapSuffix} {
		for name, damage := range map[string]func([]byte) []byte{
			"zeroed":    func(b []byte) []byte { clear(b); return b },
			"empty":     func([]byte) []byte { return nil },
			"one byte":  func(b []byte) []byte { return b[:1] },
			"its head":  func(b []byte) []byte { return b[:20] },
			"garbage":   func(b []byte) []byte { return text(9, len(b)) },
			"another's": func([]byte) []byte { b, _ := os.ReadFile(s.path(beside.id.String() + suffix)); return b },
		} {
			dir := copyDir(t, s.dir)
			path := filepath.Join(dir, f.id.String()+suffix)
			b, err := os.ReadFile(path)
			check(t, err)
			check(t, os.WriteFile(path, damage(b), 0o600))
			after := openSpool(t, dir, 64<<20, realSystem{})
			if _, err := after.Load(f.id, testKey); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%q %s: %v", suffix, name, err)
			}
			if list, err := after.Quarantined(); err != nil || len(list) != 1 || list[0].Why == "" {
				t.Errorf("%q %s: %+v, %v", suffix, name, list, err)
			}
			same(t, readFile(t, load(t, after, beside.id)), want)
			closeAll(after)
		}
	}
}
