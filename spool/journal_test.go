package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"mcfs/sidecar"
)

func someEntry(path string) Entry {
	return Entry{
		ID: NewID(), Path: path, State: "draft", Wrapped: []byte{1, 2}, KeyID: "local:1", Size: 7,
		Attr:    sidecar.Attr{Mtime: time.Unix(5, 6).UTC(), Mode: 0o100644, Xattr: map[string][]byte{"user.a": {0}}},
		Updated: time.Unix(9, 0).UTC(), Reason: "why", Data: []byte("opaque"),
	}
}

func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir, MinSize, realSystem{})
	if s.Rebuilt() {
		t.Error("a new journal is not a rebuilt one")
	}
	e := someEntry("a/ü")
	gone := someEntry("b")
	var first, second uint64
	check(t, s.Journal().Update(func(tx *Tx) (err error) {
		first, err = tx.AddChange(Change{Op: "rename", Path: "a", To: "b", Data: []byte("x")})
		return errors.Join(err, tx.PutEntry(e), tx.PutEntry(gone), tx.PutSetting("k", []byte("v")), tx.PutSetting("empty", []byte{}))
	}))
	check(t, s.Journal().Update(func(tx *Tx) (err error) {
		second, err = tx.AddChange(Change{Op: "unlink", Path: "c"})
		return errors.Join(err, tx.DeleteEntry(gone.ID), tx.DeleteChange(first))
	}))
	check(t, s.Journal().Update(func(tx *Tx) error {
		return errors.Join(tx.PutUpload(Upload{ID: "u1", Key: "a"}), tx.PutUpload(Upload{ID: "u2", Key: "b"}), tx.DeleteUpload("u1"), tx.DeleteUpload("u3"))
	}))
	if ups, err := s.Journal().Uploads(); err != nil || len(ups) != 1 || ups[0] != (Upload{ID: "u2", Key: "b"}) {
		t.Errorf("uploads %v, %v", ups, err)
	}
	// An error undoes all of its own transaction.
	boom := errors.New("boom")
	if err := s.Journal().Update(func(tx *Tx) error { return errors.Join(tx.DeleteEntry(e.ID), boom) }); !errors.Is(err, boom) {
		t.Errorf("update: %v", err)
	}
	check(t, s.Journal().Update(func(tx *Tx) error { return tx.PutChange(Change{Seq: second, Op: "unlink", Path: "d"}) }))
	for _, bad := range []func(*Tx) error{
		func(tx *Tx) error { return tx.PutChange(Change{Seq: 99}) },
		func(tx *Tx) error { return tx.PutEntry(Entry{ID: NewID(), Path: "\xff"}) },
	} {
		if s.Journal().Update(bad) == nil {
			t.Error("accepted")
		}
	}
	check(t, s.Close())

	s = openSpool(t, dir, MinSize, realSystem{})
	defer s.Close()
	entries, err := s.Journal().Entries()
	check(t, err)
	if d := cmp.Diff([]Entry{e}, entries); d != "" {
		t.Error(d)
	}
	changes, err := s.Journal().Changes()
	check(t, err)
	if d := cmp.Diff([]Change{{Seq: second, Op: "unlink", Path: "d"}}, changes); d != "" {
		t.Error(d)
	}
	for name, want := range map[string][]byte{"k": []byte("v"), "empty": {}, "none": nil} {
		got, err := s.Journal().Setting(name)
		check(t, err)
		if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("setting %s is %q", name, got)
		}
	}
	numbersGoOn(t, s, first, second)
}

// numbersGoOn demands that a change's number is never used again, not even that of the last
// change after it was deleted.
func numbersGoOn(t *testing.T, s *Spool, first, second uint64) {
	t.Helper()
	var third uint64
	check(t, s.Journal().Update(func(tx *Tx) error { return tx.DeleteChange(second) }))
	check(t, s.Journal().Update(func(tx *Tx) (err error) {
		third, err = tx.AddChange(Change{Op: "x"})
		return err
	}))
	if first >= second || second >= third {
		t.Errorf("numbers %d, %d, %d", first, second, third)
	}
}

func TestJournalLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir, MinSize, realSystem{})
	j := s.Journal()
	var order []int
	note := func(k int) func(*Tx) error {
		return func(tx *Tx) error {
			order = append(order, k)
			return tx.PutSetting("last", fmt.Append(nil, k))
		}
	}
	j.Later(note(1))
	j.Later(note(2))
	check(t, j.Update(note(3)))
	if !cmp.Equal(order, []int{1, 2, 3}) {
		t.Errorf("order %v", order)
	}
	j.Later(note(4))
	if v, err := j.Setting("last"); err != nil || string(v) != "4" {
		t.Errorf("a read does not see what was put before: %s %v", v, err)
	}
	ran := make(chan time.Time, 1)
	start := time.Now()
	j.Later(func(*Tx) error { ran <- time.Now(); return nil })
	select {
	case at := <-ran:
		if at.Sub(start) < laterDelay/2 {
			t.Errorf("ran after %v: it waits for company", at.Sub(start))
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a late change never runs")
	}
	j.Later(func(*Tx) error { return errors.New("its own failure") })
	j.Later(note(5))
	check(t, s.Close())
	if err := j.Update(note(6)); !errors.Is(err, errJournalClosed) {
		t.Errorf("update after close: %v", err)
	}
	s = openSpool(t, dir, MinSize, realSystem{})
	defer s.Close()
	if v, _ := s.Journal().Setting("last"); string(v) != "5" {
		t.Errorf("close forgot what was pending: %s", v)
	}
}

// TestJournalGroups: callers that come together share transactions, and one that fails harms no other.
func TestJournalGroups(t *testing.T) {
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"), MinSize, realSystem{})
	defer s.Close()
	boom := errors.New("boom")
	const callers, each = 16, 20
	writes := func() int64 { st := s.journal.db.Stats().TxStats; return st.GetWrite() }
	before := writes()
	var all sync.WaitGroup
	for k := range callers {
		all.Go(func() {
			for i := range each {
				want := error(nil)
				if (k+i)%5 == 0 {
					want = boom
				}
				err := s.Journal().Update(func(tx *Tx) error {
					_, err := tx.AddChange(Change{Op: "x", Path: fmt.Sprintf("%d/%d", k, i)})
					return errors.Join(err, want)
				})
				if !errors.Is(err, want) {
					t.Errorf("update: %v, want %v", err, want)
				}
			}
		})
	}
	all.Wait()
	list, err := s.Journal().Changes()
	check(t, err)
	if len(list) != callers*each*4/5 {
		t.Errorf("%d changes", len(list))
	}
	// A transaction alone writes three pages and more.
	if n := writes() - before; n > callers*each*3/2 {
		t.Errorf("%d page writes for %d updates: they do not share", n, callers*each)
	}
}

func TestJournalUnreadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir, MinSize, realSystem{})
	good, moved := someEntry("good"), someEntry("moved")
	check(t, s.Journal().Update(func(tx *Tx) error {
		if _, err := tx.AddChange(Change{Op: "x"}); err != nil {
			return err
		}
		v, _ := encodeEntry(moved)
		return errors.Join(tx.PutEntry(good),
			tx.tx.Bucket(bucketEntries).Put([]byte("0123456789abcdef"), []byte("{")),
			tx.tx.Bucket(bucketEntries).Put([]byte("another-key-....."), v),
			tx.tx.Bucket(bucketChanges).Put([]byte("12345678"), []byte("null")))
	}))
	for range 2 { // the second time they are out of the way
		entries, err := s.Journal().Entries()
		check(t, err)
		if len(entries) != 1 || entries[0].Path != "good" {
			t.Errorf("entries %+v", entries)
		}
		changes, err := s.Journal().Changes()
		check(t, err)
		if len(changes) != 1 {
			t.Errorf("changes %+v", changes)
		}
	}
	check(t, s.journal.db.View(func(tx *bolt.Tx) error {
		if n := tx.Bucket(bucketUnreadable).Stats().KeyN; n != 3 {
			t.Errorf("%d values were set aside, want 3", n)
		}
		return nil
	}))
	check(t, s.Close())
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
	for p := 2; p < min(size/page, 30); p++ {
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
	whole, err := os.ReadFile(filepath.Join(dir, journalName))
	check(t, err)
	damages := journalDamages(len(whole))
	rebuilt := 0
	for name, damage := range damages {
		dir := filepath.Join(t.TempDir(), "spool")
		check(t, os.Mkdir(dir, 0o700))
		check(t, os.WriteFile(filepath.Join(dir, journalName), damage(bytes.Clone(whole)), 0o600))
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
