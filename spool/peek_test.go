package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPeek: what a spool holds is read while nobody has it open, and not while
// somebody has; nothing in the folder changes.
func TestPeek(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	if _, err := Peek(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	s := openSpool(t, dir, 64<<20, realSystem{})
	f := create(t, s)
	write(t, f, text(1, 100_000), 0)
	check(t, f.Sync(false))
	check(t, s.Journal().Update(func(tx *Tx) error {
		_, err := tx.AddChange(Change{Op: "rename", Path: "a", To: "b"})
		return errors.Join(err, tx.PutEntry(Entry{ID: f.ID(), Path: "c", Size: 100_000, Reason: "it rained"}))
	}))
	check(t, f.Close())
	used, _ := s.Usage()
	if _, err := Peek(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("in use: %v", err)
	}
	check(t, s.Close())
	before, err := os.ReadFile(logOf(dir))
	check(t, err)
	l, err := Peek(dir)
	check(t, err)
	if len(l.Entries) != 1 || l.Entries[0].Path != "c" || l.Entries[0].Reason != "it rained" {
		t.Errorf("entries: %+v", l.Entries)
	}
	if len(l.Changes) != 1 || l.Changes[0].To != "b" {
		t.Errorf("changes: %+v", l.Changes)
	}
	if l.Used != used {
		t.Errorf("%d bytes, %d while it was open", l.Used, used)
	}
	after, err := os.ReadFile(logOf(dir))
	check(t, err)
	same(t, after, before)
	s = openSpool(t, dir, 64<<20, realSystem{}) // it let go
	check(t, s.Close())

	check(t, os.WriteFile(logOf(dir), before[:len(before)/2], 0o600))
	if _, err := Peek(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a journal cut short: %v", err)
	}
}

// TestQuarantined: what was set aside is listed with the reason, whole or not.
func TestQuarantined(t *testing.T) {
	s := newSpool(t, 64<<20)
	if list, err := s.Quarantined(); err != nil || len(list) > 0 {
		t.Errorf("at first: %+v, %v", list, err)
	}
	f := create(t, s)
	write(t, f, text(1, 100_000), 0)
	check(t, f.Sync(false))
	check(t, f.Close())
	check(t, s.Quarantine(f.ID(), "first line\nsecond line"))
	check(t, os.WriteFile(filepath.Join(s.dir, quarantineName, "20000101T000000Z-odd"), []byte("x"), 0o600))
	list, err := s.Quarantined()
	check(t, err)
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	if !strings.HasSuffix(list[0].File, "-odd") || list[0].Why != "there is no note of why" {
		t.Errorf("without a note: %+v", list[0])
	}
	q := list[1]
	if !strings.HasSuffix(q.File, f.ID().String()) || q.Why != "first line; second line" || q.At.IsZero() || q.Bytes < 100_000 {
		t.Errorf("with a note: %+v", q)
	}
}
