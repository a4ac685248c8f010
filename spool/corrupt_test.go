package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTamperedData: whatever is done to a data file, a read gives the true bytes or ErrCorrupt.
func TestTamperedData(t *testing.T) {
	s := newSpool(t, 64<<20)
	f, other := create(t, s), create(t, s)
	a := text(1, 6*bs)
	write(t, f, text(9, 6*bs), 0)
	check(t, f.Sync(false))
	old, err := os.ReadFile(s.path(f.id.String()))
	check(t, err)
	write(t, f, a, 0)
	check(t, f.Sync(false))
	write(t, f, a, 0) // into the slots of the first
	check(t, f.Sync(false))
	write(t, other, text(2, 6*bs), 0)
	check(t, other.Sync(false))
	foreign, err := os.ReadFile(s.path(other.id.String()))
	check(t, err)

	slot := func(b []byte, n uint32) []byte { return b[f.slotOffset(n):][:bs] }
	e0, _ := f.table.get(0)
	e1, _ := f.table.get(1)
	cases := map[string]func(b []byte) []byte{
		"flip":     func(b []byte) []byte { slot(b, e0.slot)[777] ^= 1; return b },
		"zero":     func(b []byte) []byte { clear(slot(b, e0.slot)); return b },
		"truncate": func(b []byte) []byte { return b[:f.slotOffset(e0.slot)+10] },
		"swap slots": func(b []byte) []byte {
			for i := range bs {
				x, y := slot(b, e0.slot), slot(b, e1.slot)
				x[i], y[i] = y[i], x[i]
			}
			return b
		},
		"an older block": func(b []byte) []byte { copy(slot(b, e0.slot), slot(old, e0.slot)); return b },
		"another file's": func(b []byte) []byte { copy(slot(b, e0.slot), slot(foreign, 0)); return b },
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			checkTampered(t, s, f, a, damage)
		})
	}
}

// checkTampered damages block 0 of a copy of the file, in which a was written. No read gives
// anything else, and no write into a part of the block makes the damage authentic.
func checkTampered(t *testing.T, s *Spool, f *File, a []byte, damage func([]byte) []byte) {
	dir := copyDir(t, s.dir)
	path := filepath.Join(dir, f.id.String())
	b, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, damage(b), 0o600))
	after := openSpool(t, dir, 64<<20, realSystem{})
	defer closeAll(after)
	g := load(t, after, f.id)
	p := make([]byte, bs)
	if _, err := g.ReadAt(p, 0); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("read of a damaged block: %v", err)
	}
	for i := 1; i < 6; i++ {
		if _, err := g.ReadAt(p, int64(i)*bs); err == nil {
			same(t, p, a[i*bs:(i+1)*bs])
		} else if !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	}
	// A write into part of it must not make the damage authentic.
	if _, err := g.WriteAt([]byte("x"), 5); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("write into a damaged block: %v", err)
	}
	write(t, g, a[:bs], 0) // replacing it whole heals it
	if _, err := g.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
}

// TestTamperedMap flips each byte of header and map in turn: the file is
// quarantined, or what is loaded is true.
func TestTamperedMap(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	a := text(1, 2*bs)
	write(t, f, a, 0)
	check(t, f.Sync(false))
	write(t, f, a[:bs], bs)
	check(t, f.Sync(false))
	copy(a[bs:], a[:bs])
	check(t, f.Close())

	for _, suffix := range []string{"", mapSuffix} {
		whole, err := os.ReadFile(s.path(f.id.String() + suffix))
		check(t, err)
		end := len(whole)
		if suffix == "" {
			end = headerFixed + len(f.header.Wrapped) + len(f.header.KeyID) + len(f.header.sealedPath)
		}
		for at := 0; at < end; at += 3 {
			if suffix == "" && at >= 28 && at < 32+len(f.header.Wrapped)+4+len(f.header.KeyID) && at%2 == 1 {
				continue // every second of what is only checked by the sum
			}
			b := append([]byte(nil), whole...)
			b[at] ^= 0x40
			dir := t.TempDir()
			check(t, os.Chmod(dir, 0o700))
			for _, x := range []string{"", mapSuffix} {
				c, err := os.ReadFile(s.path(f.id.String() + x))
				check(t, err)
				if x == suffix {
					c = b
				}
				check(t, os.WriteFile(filepath.Join(dir, f.id.String()+x), c, 0o600))
			}
			after := openSpool(t, dir, 64<<20, unsynced{})
			g, err := after.Load(f.id, testKey)
			if err == nil {
				t.Errorf("byte %d of %q flipped: loaded %d bytes", at, suffix, g.Size())
			} else if !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d of %q flipped: %v", at, suffix, err)
			}
			list, err := os.ReadDir(filepath.Join(dir, quarantineName))
			check(t, err)
			if len(list) != 3 {
				t.Errorf("the quarantine has %d files, want data, map and note", len(list))
			}
			closeAll(after)
		}
	}
}

func TestWrongFileUnderAName(t *testing.T) {
	s := newSpool(t, 64<<20)
	f, g := create(t, s), create(t, s)
	write(t, f, text(1, bs), 0)
	write(t, g, text(2, bs), 0)
	check(t, f.Sync(false))
	check(t, g.Sync(false))
	check(t, f.Close())
	check(t, g.Close())
	check(t, os.Rename(s.path(f.id.String()+mapSuffix), s.path(g.id.String()+mapSuffix)))
	if _, err := s.Load(g.id, testKey); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("another file's map: %v", err)
	}
	if _, err := s.Load(f.id, testKey); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("no map: %v", err)
	}
}

func TestHeaders(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	g := create(t, s)
	check(t, os.WriteFile(s.path(NewID().String()), []byte("garbage"), 0o600))
	list, err := s.Headers(func(ID) bool { return true })
	check(t, err)
	if len(list) != 2 {
		t.Fatalf("%d headers, want 2", len(list))
	}
	for _, h := range list {
		if h.ID != f.id && h.ID != g.id || string(h.Wrapped) != "wrapped" || h.KeyID != "local:1" || h.Path != "" {
			t.Errorf("header %+v", h)
		}
	}
	check(t, f.Close())
	if got := load(t, s, f.id).Path(); !strings.HasPrefix(got, "a/b ") {
		t.Errorf("path %q", got)
	}
	list2, err := os.ReadDir(s.path(quarantineName))
	check(t, err)
	if len(list2) != 2 {
		t.Errorf("the quarantine has %d files, want the garbage and its note", len(list2))
	}
	searchPlain(t, s.dir)
}

func TestLongHeader(t *testing.T) {
	s := newSpool(t, 64<<20)
	h := Header{ID: NewID(), Wrapped: text(1, 6144), KeyID: strings.Repeat("k", 2048), Path: strings.Repeat("p", 1024)}
	f, err := s.Create(h, testKey)
	check(t, err)
	write(t, f, text(2, bs+5), 0)
	check(t, f.Sync(true))
	check(t, f.Close())
	g := load(t, s, h.ID)
	same(t, readFile(t, g), text(2, bs+5))
	same(t, g.header.Wrapped, h.Wrapped)
	if g.Path() != h.Path {
		t.Errorf("path of %d bytes", len(g.Path()))
	}
}
