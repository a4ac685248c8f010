package spool

import (
	"compress/gzip"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mcfs/journal"
)

// olderJournal is a journal as an older program has written it. It is read only by Open
// and Peek.
func olderJournal(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "journal", "legacy", "testdata", name+".db.gz"))
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	b, err := io.ReadAll(z)
	check(t, err)
	return b
}

// olderSpool is the folder of an older program's spool.
func olderSpool(t *testing.T, log []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	check(t, os.Mkdir(dir, 0o700))
	check(t, os.WriteFile(filepath.Join(dir, oldJournalName), log, 0o600))
	return dir
}

// promises is all that a spool's journal has.
type promises struct {
	Entries    []Entry
	Changes    []Change
	Uploads    []Upload
	Name       string // a setting
	Unreadable map[ID]bool
	Others     bool
	Rebuilt    bool
	Next       uint64 // number of a change
}

func promisesOf(t *testing.T, dir string) (p promises) {
	t.Helper()
	s, err := Open(Options{Dir: dir, MaxSize: MinSize, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	defer s.Close()
	j := s.Journal()
	p.Entries, err = j.Entries()
	check(t, err)
	p.Changes, err = j.Changes()
	check(t, err)
	p.Uploads, err = j.Uploads()
	check(t, err)
	name, err := j.Setting("name")
	check(t, err)
	p.Unreadable, p.Others, err = j.Unreadable()
	check(t, err)
	p.Name, p.Rebuilt, p.Next = string(name), s.Rebuilt(), j.Number()
	return p
}

// TestOlderJournalTakenOver: what an older program has promised is there at the first start
// and at the next, and the folder is one that such a program refuses.
func TestOlderJournalTakenOver(t *testing.T) {
	dir := olderSpool(t, olderJournal(t, "every-kind"))
	left, err := Peek(dir)
	check(t, err)
	want := promisesOf(t, dir)
	if len(want.Entries) != 11 || len(want.Changes) != 10 || len(want.Uploads) != 11 || want.Name != "value" || want.Rebuilt {
		t.Fatalf("%d entries, %d changes, %d uploads, %+v", len(want.Entries), len(want.Changes), len(want.Uploads), want)
	}
	if want.Next != 13 { // 12 was the last, and is deleted
		t.Errorf("the next number is %d", want.Next)
	}
	if !want.Others {
		t.Error("an entry that was set aside is forgotten")
	}
	if d := cmp.Diff(want.Entries, left.Entries) + cmp.Diff(want.Changes, left.Changes); d != "" {
		t.Errorf("a look before was told something else: %s", d)
	}
	e := want.Entries[10]
	if e.Path != "day 1/film 10 ü.mov" || e.Size != 10_000 || e.Attr.Mode != 0o100644 || string(e.Wrapped) != "wrapped key 10" || len(e.Data) < 60 || string(e.Attr.Xattr["user.k"]) != "\x0a\x00" {
		t.Errorf("%+v", e)
	}
	if u := want.Uploads[1]; u.Since.IsZero() || u.Until.IsZero() || u.Key == "" {
		t.Errorf("%+v", u)
	}
	if d := diff(want, promisesOf(t, dir)); d != "" {
		t.Error(d)
	}
	if _, err := os.Lstat(filepath.Join(dir, oldJournalName)); !os.IsNotExist(err) {
		t.Errorf("the older journal is there: %v", err)
	}
	// An older program refuses a spool in which anything but the quarantine is a folder.
	if fi, err := os.Lstat(filepath.Join(dir, journalName)); err != nil || !fi.IsDir() {
		t.Errorf("%v, %v", fi, err)
	}
}

// TestTakeoverCutShort kills the first start, and cuts the power, before every call by which
// it changes something: the next start has all of it.
func TestTakeoverCutShort(t *testing.T) {
	for name, cuts := range map[string]int{"every-kind": 4, "many": 1} {
		older := olderJournal(t, name)
		want := promisesOf(t, olderSpool(t, older))
		rng := rand.New(rand.NewPCG(1, 7))
		dir := filepath.Join(t.TempDir(), "spool")
		check(t, os.Mkdir(dir, 0o700))
		disk := newPlatter(dir)
		disk.has(t, filepath.Join(dir, oldJournalName), older)
		steps := map[string]int{}
		judge := func(how, tag, dir string) {
			if d := diff(want, promisesOf(t, dir)); d != "" {
				t.Errorf("%s: %s before %s: %s", name, how, tag, d)
			}
		}
		step := func(tag string) {
			steps[tag]++
			judge("killed", tag, copyDir(t, dir))
			for range cuts {
				judge("a power cut", tag, disk.cut(t, rng))
			}
		}
		disk.watch(step)
		s, err := disk.on(Options{Dir: dir, MaxSize: MinSize})
		check(t, err)
		step("the end")
		disk.watch(nil)
		check(t, s.Close())
		for _, tag := range []string{"journal.open", "journal.write", "journal.sync", "journal.rename", "journal.syncdir", "journal.remove"} {
			if steps[tag] == 0 {
				t.Errorf("%s: nothing happened before %s: %v", name, tag, steps)
			}
		}
	}
}

// TestTakeoverRefused: if the new journal cannot be written, the spool does not open, and the
// older journal is as it was.
func TestTakeoverRefused(t *testing.T) {
	older := olderJournal(t, "every-kind")
	want := promisesOf(t, olderSpool(t, older))
	for _, bad := range []string{"journal.open", "journal.write", "journal.sync", "journal.rename", "journal.syncdir", "journal.remove"} {
		dir := olderSpool(t, older)
		sys := &faulty{short: true}
		sys.set(func(tag string, _ int) error {
			if tag == bad {
				return os.ErrPermission
			}
			return nil
		})
		if s, err := openWith(Options{Dir: dir, MaxSize: MinSize, Log: slog.New(slog.DiscardHandler)}, sys); err == nil {
			t.Errorf("%s fails, and the spool opens", bad)
			s.Close()
		}
		if d := diff(want, promisesOf(t, dir)); d != "" {
			t.Errorf("after %s had failed: %s", bad, d)
		}
	}
}

// TestOlderJournalDamaged flips bits of an older program's journal: what is whole is taken
// over, what is not is set aside or known to be lost, and the damaged file is kept.
func TestOlderJournalDamaged(t *testing.T) {
	whole := olderJournal(t, "every-kind")
	want := promisesOf(t, olderSpool(t, whole))
	h := hoard{map[ID]Entry{}, map[uint64]Change{}, map[string]Upload{}}
	for _, e := range want.Entries {
		h.entries[e.ID] = e
	}
	for _, c := range want.Changes {
		h.changes[c.Seq] = c
	}
	for _, u := range want.Uploads {
		h.uploads[u.ID] = u
	}
	const flips = 150
	rng := rand.New(rand.NewPCG(1, 2))
	became := map[string]int{}
	for k := range flips {
		at := k * len(whole) / flips
		if k%4 == 0 { // the heads of pages, where little does much
			at = at/os.Getpagesize()*os.Getpagesize() + rng.IntN(96)
		}
		b := append([]byte(nil), whole...)
		b[at] ^= 1 << rng.IntN(8)
		dir := olderSpool(t, b)
		got := h.judge(t, dir)
		became[got]++
		if list, err := ListQuarantine(dir); err != nil || (got == "rebuilt") != (len(list) == 1) {
			t.Errorf("byte %d: it is %s, and in quarantine is %+v (%v)", at, got, list, err)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%v", became)
	if became["rebuilt"] == 0 || became["some set aside"] == 0 {
		t.Errorf("%v", became)
	}
}

// TestOlderJournalCutShort: cut anywhere, down to nothing, it is whole or known to be lost.
func TestOlderJournalCutShort(t *testing.T) {
	whole := olderJournal(t, "every-kind")
	want := promisesOf(t, olderSpool(t, whole))
	for cut := 0; cut < len(whole); cut += len(whole)/20 + 1 {
		got := promisesOf(t, olderSpool(t, whole[:cut]))
		if !got.Rebuilt && !cmp.Equal(got, want) {
			t.Errorf("cut to %d of %d bytes: %+v", cut, len(whole), got)
		}
	}
}

// TestStaleOlderJournal: an older program's journal beside a log is one that was taken over,
// and goes without being looked at.
func TestStaleOlderJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openSpool(t, dir, MinSize, realSystem{})
	e := someEntry("new")
	check(t, s.Journal().Update(func(tx *Tx) error { return tx.PutEntry(e) }))
	check(t, s.Close())
	check(t, os.WriteFile(filepath.Join(dir, oldJournalName), olderJournal(t, "many"), 0o600))
	got := promisesOf(t, dir)
	if d := cmp.Diff([]Entry{e}, got.Entries); d != "" || len(got.Changes) > 0 {
		t.Errorf("%d changes, %s", len(got.Changes), d)
	}
	if _, err := os.Lstat(filepath.Join(dir, oldJournalName)); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, journalName, journal.Log)); err != nil {
		t.Error(err)
	}
}
