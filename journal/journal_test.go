package journal

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	dir := filepath.Join(t.TempDir(), "journal")
	s := open(t, dir)
	if s.Rebuilt() {
		t.Error("a new journal is not a rebuilt one")
	}
	e := someEntry("a/ü")
	gone := someEntry("b")
	var first, second uint64
	check(t, s.Update(func(tx *Tx) (err error) {
		first, err = tx.AddChange(Change{Op: "rename", Path: "a", To: "b", Data: []byte("x")})
		return errors.Join(err, tx.PutEntry(e), tx.PutEntry(gone), tx.PutSetting("k", []byte("v")), tx.PutSetting("empty", []byte{}))
	}))
	check(t, s.Update(func(tx *Tx) (err error) {
		second, err = tx.AddChange(Change{Op: "unlink", Path: "c"})
		return errors.Join(err, tx.DeleteEntry(gone.ID), tx.DeleteChange(first))
	}))
	check(t, s.Update(func(tx *Tx) error {
		return errors.Join(tx.PutUpload(Upload{ID: "u1", Key: "a"}), tx.PutUpload(Upload{ID: "u2", Key: "b"}), tx.DeleteUpload("u1"), tx.DeleteUpload("u3"))
	}))
	if ups, err := s.Uploads(); err != nil || len(ups) != 1 || ups[0] != (Upload{ID: "u2", Key: "b"}) {
		t.Errorf("uploads %v, %v", ups, err)
	}
	// An error undoes all of its own transaction.
	boom := errors.New("boom")
	if err := s.Update(func(tx *Tx) error { return errors.Join(tx.DeleteEntry(e.ID), boom) }); !errors.Is(err, boom) {
		t.Errorf("update: %v", err)
	}
	check(t, s.Update(func(tx *Tx) error { return tx.PutChange(Change{Seq: second, Op: "unlink", Path: "d"}) }))
	for _, bad := range []func(*Tx) error{
		func(tx *Tx) error { return tx.PutChange(Change{Seq: 99}) },
		func(tx *Tx) error { return tx.PutEntry(Entry{ID: NewID(), Path: "\xff"}) },
	} {
		if s.Update(bad) == nil {
			t.Error("accepted")
		}
	}
	check(t, s.Close())

	s = open(t, dir)
	defer s.Close()
	entries, err := s.Entries()
	check(t, err)
	if d := cmp.Diff([]Entry{e}, entries); d != "" {
		t.Error(d)
	}
	changes, err := s.Changes()
	check(t, err)
	if d := cmp.Diff([]Change{{Seq: second, Op: "unlink", Path: "d"}}, changes); d != "" {
		t.Error(d)
	}
	for name, want := range map[string][]byte{"k": []byte("v"), "empty": {}, "none": nil} {
		got, err := s.Setting(name)
		check(t, err)
		if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("setting %s is %q", name, got)
		}
	}
	numbersGoOn(t, s, first, second)
}

// numbersGoOn demands that a change's number is never used again, not even that of the last
// change after it was deleted.
func numbersGoOn(t *testing.T, s *Journal, first, second uint64) {
	t.Helper()
	var third uint64
	check(t, s.Update(func(tx *Tx) error { return tx.DeleteChange(second) }))
	check(t, s.Update(func(tx *Tx) (err error) {
		third, err = tx.AddChange(Change{Op: "x"})
		return err
	}))
	if first >= second || second >= third {
		t.Errorf("numbers %d, %d, %d", first, second, third)
	}
}

func TestJournalLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := open(t, dir)
	j := s
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
	if err := j.Update(note(6)); !errors.Is(err, errClosed) {
		t.Errorf("update after close: %v", err)
	}
	s = open(t, dir)
	defer s.Close()
	if v, _ := s.Setting("last"); string(v) != "5" {
		t.Errorf("close forgot what was pending: %s", v)
	}
}

// TestJournalGroups: callers that come together share transactions, and one that fails harms no other.
func TestJournalGroups(t *testing.T) {
	disk := &testDisk{pause: time.Millisecond}
	s := openOn(t, filepath.Join(t.TempDir(), "journal"), disk)
	defer s.Close()
	boom := errors.New("boom")
	const callers, each = 16, 20
	before := disk.syncs.Load()
	var all sync.WaitGroup
	for k := range callers {
		all.Go(func() {
			for i := range each {
				want := error(nil)
				if (k+i)%5 == 0 {
					want = boom
				}
				err := s.Update(func(tx *Tx) error {
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
	list, err := s.Changes()
	check(t, err)
	if len(list) != callers*each*4/5 {
		t.Errorf("%d changes", len(list))
	}
	if n := disk.syncs.Load() - before; n > callers*each/2 {
		t.Errorf("%d syncs for %d updates: they do not share", n, callers*each)
	}
}

func TestJournalUnreadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := open(t, dir)
	good, moved := someEntry("good"), someEntry("moved")
	check(t, s.Update(func(tx *Tx) error {
		if _, err := tx.AddChange(Change{Op: "x"}); err != nil {
			return err
		}
		v, _ := encodeEntry(moved)
		return errors.Join(tx.PutEntry(good),
			tx.put(bucketEntries, "0123456789abcdef", []byte("{")),
			tx.put(bucketEntries, "another-key-.....", v),
			tx.put(bucketChanges, "12345678", []byte("null")))
	}))
	for range 2 { // the second time they are out of the way
		entries, err := s.Entries()
		check(t, err)
		if len(entries) != 1 || entries[0].Path != "good" {
			t.Errorf("entries %+v", entries)
		}
		changes, err := s.Changes()
		check(t, err)
		if len(changes) != 1 {
			t.Errorf("changes %+v", changes)
		}
	}
	if n := len(s.state.keys(bucketUnreadable)); n != 3 {
		t.Errorf("%d values were set aside, want 3", n)
	}
	ids, others, err := s.Unreadable()
	check(t, err)
	if !others || !ids[ID([]byte("0123456789abcdef"))] {
		t.Errorf("%v, %v", ids, others)
	}
	check(t, s.Recovered())
	if ids, others, err = s.Unreadable(); err != nil || others || len(ids) > 0 {
		t.Errorf("it is never over: %v, %v, %v", ids, others, err)
	}
	check(t, s.Close())
}
