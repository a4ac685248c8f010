package spool

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mcfs/journal"
)

// logOf is the file of a spool's journal.
func logOf(dir string) string { return filepath.Join(dir, journalName, journal.Log) }

// hoard is what a journal holds.
type hoard struct {
	entries map[ID]Entry
	changes map[uint64]Change
	uploads map[string]Upload
}

// fill makes a journal in dir that holds some of everything.
func fill(t *testing.T, dir string) hoard {
	s := openSpool(t, dir, MinSize, realSystem{})
	h := hoard{map[ID]Entry{}, map[uint64]Change{}, map[string]Upload{}}
	for k := range 12 {
		e := someEntry(fmt.Sprint("film ", k))
		e.Data = text(uint64(k), 700)
		u := Upload{ID: fmt.Sprint("upload-", k), Key: e.Path}
		check(t, s.Journal().Update(func(tx *Tx) error {
			c := Change{Op: "rename", Path: e.Path, To: "b", Data: []byte("opaque")}
			seq, err := tx.AddChange(c)
			c.Seq = seq
			h.changes[seq], h.entries[e.ID], h.uploads[u.ID] = c, e, u
			if err != nil {
				return err
			}
			return firstOf(tx.PutEntry(e), tx.PutUpload(u))
		}))
	}
	check(t, s.Close())
	return h
}

// diff is cmp.Diff, which takes long over bytes, of what is not plainly equal.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

func firstOf(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// judge opens the journal and demands of each value that it is as it was put, and
// of each that is missing that somebody knows. It says what became of it.
func (h hoard) judge(t *testing.T, dir string) string {
	t.Helper()
	s, err := Open(Options{Dir: dir, MaxSize: MinSize, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	defer s.Close()
	j := s.Journal()
	entries, err := j.Entries()
	check(t, err)
	changes, err := j.Changes()
	check(t, err)
	uploads, err := j.Uploads()
	check(t, err)
	for _, e := range entries {
		if d := diff(h.entries[e.ID], e); d != "" {
			t.Error(d)
		}
	}
	for _, c := range changes {
		if d := diff(h.changes[c.Seq], c); d != "" {
			t.Error(d)
		}
	}
	for _, u := range uploads {
		if u != h.uploads[u.ID] {
			t.Errorf("%+v, not %+v", u, h.uploads[u.ID])
		}
	}
	lost, others, err := j.Unreadable()
	check(t, err)
	missing := len(h.entries) + len(h.changes) + len(h.uploads) - len(entries) - len(changes) - len(uploads)
	known := len(entries)
	for id := range lost {
		if _, ours := h.entries[id]; ours {
			known++
		}
	}
	switch {
	case s.Rebuilt():
		return "rebuilt"
	case others:
		return "some set aside"
	case known < len(h.entries):
		t.Errorf("%d of %d entries are known, and nothing is said of the others", known, len(h.entries))
	case missing > 0:
		return "set aside"
	}
	return "whole"
}

// TestJournalFlippedBits flips one bit after the other of a journal: no value
// comes back as another, and no entry is gone without a word.
func TestJournalFlippedBits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	h := fill(t, dir)
	whole, err := os.ReadFile(logOf(dir))
	check(t, err)
	if got := h.judge(t, dir); got != "whole" {
		t.Fatalf("untouched it is %s", got)
	}
	const flips = 400
	r := rand.New(rand.NewPCG(1, 2))
	became := map[string]int{}
	for k := range flips {
		at := k * len(whole) / flips
		if k%4 == 0 { // the heads of pages, where little does much
			at = at/os.Getpagesize()*os.Getpagesize() + r.IntN(96)
		}
		b := bytes.Clone(whole)
		b[at] ^= 1 << r.IntN(8)
		dir := freshDir(t, b)
		became[h.judge(t, dir)]++
		check(t, os.RemoveAll(dir))
		if t.Failed() {
			t.Fatalf("byte %d of %d", at, len(whole))
		}
	}
	t.Logf("%v", became)
	if became["rebuilt"] == 0 || became["set aside"] == 0 {
		t.Errorf("of %d flips some must be found in the one way, some in the other: %v", flips, became)
	}
}

// TestJournalCutShort: cut anywhere, down to nothing, it is whole or known to be lost.
func TestJournalCutShort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	h := fill(t, dir)
	whole, err := os.ReadFile(logOf(dir))
	check(t, err)
	rebuilt := 0
	for cut := 0; cut < len(whole); cut += len(whole)/40 + 1 {
		switch got := h.judge(t, freshDir(t, whole[:cut])); got {
		case "rebuilt":
			rebuilt++
		case "whole": // judge has seen that nothing is missing: the rest was free
		default:
			t.Errorf("cut to %d of %d bytes it is %s", cut, len(whole), got)
		}
	}
	if rebuilt < 5 {
		t.Errorf("only %d of 40 cuts were found", rebuilt)
	}
}

func freshDir(t *testing.T, log []byte) string {
	dir := filepath.Join(t.TempDir(), "spool")
	check(t, os.MkdirAll(filepath.Join(dir, journalName), 0o700))
	check(t, os.WriteFile(logOf(dir), log, 0o600))
	return dir
}

// TestRebuiltUntilRecovered: what a lost journal makes the next mount do is not
// forgotten if that one is killed before it is done.
func TestRebuiltUntilRecovered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir, MinSize, realSystem{})
	check(t, create(t, s).Close())
	check(t, s.Close())
	check(t, os.Remove(logOf(dir)))
	for range 2 {
		s = openSpool(t, dir, MinSize, realSystem{})
		if !s.Rebuilt() {
			t.Error("the loss is forgotten")
		}
		check(t, s.Close())
	}
	s = openSpool(t, dir, MinSize, realSystem{})
	check(t, s.Recovered())
	check(t, s.Close())
	s = openSpool(t, dir, MinSize, realSystem{})
	defer s.Close()
	if s.Rebuilt() {
		t.Error("it is never over")
	}
}

// TestJournalPutBack: an older journal is whole, and nothing can tell it from the
// last one: what was promised since is not in it. (Nor can an older map together
// with its blocks be told: what a spool keeps is only as new as the disk under it.)
func TestJournalPutBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	h := fill(t, dir)
	older, err := os.ReadFile(logOf(dir))
	check(t, err)
	s := openSpool(t, dir, MinSize, realSystem{})
	check(t, s.Journal().Update(func(tx *Tx) error { return tx.PutEntry(someEntry("later")) }))
	check(t, s.Close())
	check(t, os.WriteFile(logOf(dir), older, 0o600))
	if got := h.judge(t, dir); got != "whole" {
		t.Errorf("it is %s", got)
	}
}

// journalDamages returns what is done to a journal of a size, by name.
func journalDamages(size int) map[string]func([]byte) []byte {
	page := os.Getpagesize()
	damages := map[string]func(b []byte) []byte{
		"garbage": func([]byte) []byte { return text(1, 100_000) },
		"empty":   func([]byte) []byte { return nil },
		"short":   func(b []byte) []byte { return b[:len(b)/2/page*page] },
		"tiny":    func(b []byte) []byte { return b[:100] },
		"metas":   func(b []byte) []byte { clear(b[:2*page]); return b },
	}
	for p := range min(size/page, 30) {
		damages[fmt.Sprintf("page %d zeroed", p)] = func(b []byte) []byte { clear(b[p*page:][:page]); return b }
		damages[fmt.Sprintf("page %d random", p)] = func(b []byte) []byte { copy(b[p*page:], text(uint64(p), page)); return b }
		for seed := range uint64(2) {
			damages[fmt.Sprintf("page %d head %d", p, seed)] = func(b []byte) []byte {
				r := rand.New(rand.NewPCG(seed, uint64(p)))
				for range 3 {
					b[p*page+r.IntN(64)] ^= 1 << r.IntN(8)
				}
				return b
			}
		}
	}
	return damages
}

// TestJournalDamaged damages the database in many ways: each time it opens,
// with its values or as a new one, and the process lives.
func TestJournalDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir, MinSize, realSystem{})
	check(t, s.Journal().Update(func(tx *Tx) error {
		for k := range 300 {
			if err := tx.PutEntry(someEntry(fmt.Sprint(k))); err != nil {
				return err
			}
		}
		return nil
	}))
	check(t, s.Close())
	whole, err := os.ReadFile(logOf(dir))
	check(t, err)
	damages := journalDamages(len(whole))
	rebuilt := 0
	for name, damage := range damages {
		dir := freshDir(t, damage(bytes.Clone(whole)))
		s, err := Open(Options{Dir: dir, MaxSize: MinSize, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Rebuilt() {
			rebuilt++
			if list, _ := os.ReadDir(filepath.Join(dir, quarantineName)); name != "empty" && len(list) != 2 {
				t.Errorf("%s: the quarantine has %d files", name, len(list))
			}
		}
		if err := s.Journal().Update(func(tx *Tx) error { return tx.PutEntry(someEntry("new")) }); err != nil {
			t.Errorf("%s: update: %v", name, err)
		}
		if _, err := s.Journal().Entries(); err != nil {
			t.Errorf("%s: entries: %v", name, err)
		}
		check(t, s.Close())
	}
	if rebuilt < 10 {
		t.Errorf("only %d of %d damages were found", rebuilt, len(damages))
	}
}
