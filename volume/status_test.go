package volume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/changes"
	"mcfs/volume/entry"
	"mcfs/volume/file"
)

// draft is what the status says of one, of which there is to be just one.
func (r *rig) draft(s Status, path string) DraftStatus {
	r.t.Helper()
	if s = s.Under(path); len(s.Drafts) != 1 {
		r.t.Fatalf("drafts at %s: %+v", path, s.Drafts)
	}
	return s.Drafts[0]
}

// TestStatusOfAFailure: a draft that the store does not take is shown with cause,
// tries and the time of the next one, and so is a change of names; neither once
// it is done.
func TestStatusOfAFailure(t *testing.T) { synctest.Test(t, statusOfAFailure) }

func statusOfAFailure(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("old", random(10))
	r.sync()
	f.set(down)
	began := time.Now()
	h := r.create("a", os.O_TRUNC)
	r.write(h, random(300_000), 0)
	if d := r.draft(r.v.Status(), "a"); d.State != "writing" || d.Safe || !d.Closed.IsZero() || d.Failure != nil {
		t.Errorf("open: %+v", d)
	}
	if err := h.Flush(t.Context(), nil); err == nil {
		t.Fatal("close succeeded without a store")
	}
	h.Release()
	r.mustRename("old", "new", 0)
	s := r.await(func(s Status) bool {
		return len(s.Changes) == 1 && s.Changes[0].Failure != nil && r.draft(s, "a").Failure != nil
	})
	d := r.draft(s, "a")
	if d.State == "writing" || !d.Safe || d.Size != 300_000 || d.Closed.Before(began) {
		t.Errorf("closed: %+v", d)
	}
	for _, l := range []*Failure{d.Failure, s.Changes[0].Failure} {
		if !strings.Contains(l.Cause, errDown.Error()) || l.Tries < 1 || l.Since.Before(began) || !l.Next.IsZero() && l.Next.Before(l.Since) {
			t.Errorf("failure: %+v", l)
		}
	}
	r.await(func(s Status) bool { return !r.draft(s, "a").Failure.Next.IsZero() })
	if c := s.Changes[0]; c.What != "rename" || c.Path != "old" || c.To != "new" {
		t.Errorf("change: %+v", c)
	}
	if s.Cache.Drafts < 300_000 || s.Cache.Used < s.Cache.Drafts || s.Cache.Limit != r.max {
		t.Errorf("cache: %+v", s.Cache)
	}
	f.set(nil)
	r.sync()
	if s := r.v.Status(); len(s.Drafts)+len(s.Changes) > 0 || s.Committed < 300_000 || s.Cache.Drafts != 0 {
		t.Errorf("when all is done: %+v", s)
	}
}

// TestStatusOfWhatWaits: a draft and a change whose turn has not come are shown with what
// they wait for, what fails first; nothing once it has come.
func TestStatusOfWhatWaits(t *testing.T) { synctest.Test(t, statusOfWhatWaits) }

func statusOfWhatWaits(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/a", random(10))
	r.save("d/b", random(10))
	r.sync()
	f.set(down)
	r.mustRename("d/b", "d/c", 0)
	r.mustRename("d", "e", 0)
	h := r.create("e/new", os.O_TRUNC)
	r.write(h, random(99), 0)
	h.Release()
	s := r.await(func(s Status) bool {
		return len(s.Changes) == 2 && s.Changes[0].Failure != nil && r.draft(s, "e/new").Behind != nil
	})
	if b := r.draft(s, "e/new").Behind; b.What != changes.Move || b.Path != "d/" || b.To != "e/" {
		t.Errorf("the draft waits for %+v", b)
	}
	if b := s.Changes[1].Behind; b == nil || b.What != changes.Rename || b.Path != "d/b" || b.To != "d/c" || s.Changes[0].Behind != nil {
		t.Errorf("the move waits for %+v, the rename for %+v", b, s.Changes[0].Behind)
	}
	r.mustRename("e/new", "e/a", 0)
	r.await(func(s Status) bool { return r.draft(s, "e/a").Behind != nil })
	f.set(nil)
	r.sync()
	h = r.create("x", os.O_TRUNC)
	defer h.Release()
	r.write(h, random(99), 0)
	if d := r.draft(r.v.Status(), "x"); d.Behind != nil {
		t.Errorf("what waits for nothing waits for %+v", d.Behind)
	}
}

// await waits until the status is as wanted.
func (r *rig) await(as func(Status) bool) Status {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		s := r.v.Status()
		if as(s) {
			return s
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("never so: %+v", s)
		}
	}
}

// trickle takes parts slowly.
type trickle struct{ store.Store }

func (s trickle) PutPart(ctx context.Context, up store.Upload, number int, body store.Body) (store.Part, error) {
	body.ReadSeeker = slow{body.ReadSeeker}
	return s.Store.PutPart(ctx, up, number, body)
}

type slow struct{ io.ReadSeeker }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return s.ReadSeeker.Read(p[:min(len(p), 64<<10)])
}

// TestStatusOfAnUpload: bytes, rate and time left of what is on its way.
func TestStatusOfAnUpload(t *testing.T) { synctest.Test(t, statusOfAnUpload) }

func statusOfAnUpload(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.close()
	r.o.Store, r.o.SpoolDurable = trickle{r.store}, true
	r.open("spool-slow")
	r.save("a", random(12<<20))
	s := r.await(func(s Status) bool { return len(s.Drafts) == 1 && s.Drafts[0].Left > 0 && s.Drafts[0].Sent > 200_000 })
	d := r.draft(s, "a")
	if d.State != "uploading" || d.Rate < 100_000 || d.Rate > 100<<20 || d.Sent > d.Size || !d.Safe || d.Dropped {
		t.Errorf("on its way: %+v", d)
	}
	r.sync()
}

// TestStatusWaitsForNoStore: it is answered while every request hangs.
func TestStatusWaitsForNoStore(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	hold := make(chan struct{})
	f.set(func(string, string) error { <-hold; return nil })
	defer f.set(nil)
	defer close(hold)
	for _, name := range []string{"a", "b", "c"} {
		h := r.create(name, os.O_TRUNC)
		r.write(h, random(10), 0)
		h.Release()
	}
	r.await(func(s Status) bool { return len(s.Drafts) == 3 && s.Drafts[0].State == "publishing" })
	began := time.Now()
	r.v.Status()
	if took := time.Since(began); took > 10*time.Second { // the requests hang for ever
		t.Errorf("it took %v", took)
	}
}

// TestStatusOfLocalNames: a file closed for more than an hour under a local-only
// name is warned of, over a restart, too.
func TestStatusOfLocalNames(t *testing.T) {
	r, _ := newFlakyRig(t, crypt.CTR)
	h := r.create("notes~", os.O_TRUNC)
	r.write(h, []byte("x"), 0)
	if d := r.draft(r.v.Status(), ""); d.State != "local" || d.Overdue || !d.Closed.IsZero() {
		t.Errorf("open: %+v", d)
	}
	r.finish(h)
	if d := r.draft(r.v.Status(), ""); d.Overdue || d.Closed.IsZero() || !d.Safe {
		t.Errorf("closed: %+v", d)
	}
	n := h.Node()
	n.content.Lock()
	n.content.Quiet = n.content.Quiet.Add(-entry.OverdueAfter)
	n.content.Unlock()
	if d := r.draft(r.v.Status(), ""); !d.Overdue {
		t.Errorf("an hour later: %+v", d)
	}
	name := r.name
	r.close()
	r.open(name)
	if d := r.draft(r.v.Status(), ""); d.State != "local" || d.Overdue || d.Closed.IsZero() {
		t.Errorf("after a restart: %+v", d)
	}
}

// TestStatusOfAFileLargerThanTheSpool: it is not safe before its close.
func TestStatusOfAFileLargerThanTheSpool(t *testing.T) {
	r := newRigOf(t, crypt.CTR, lightPart)
	r.close()
	r.max = 3 << 20
	r.open("spool-small")
	h := r.create("a", os.O_TRUNC)
	p := random(64 << 10)
	for i := range int64(100) {
		r.write(h, p, i<<16)
	}
	if d := r.draft(r.v.Status(), "a"); d.State != "writing" || d.Safe || !d.Dropped || d.Sent < 640<<10 || d.Left != 0 {
		t.Errorf("growing: %+v", d)
	}
	r.finish(h)
}

// TestStatusOfAConflict: what was set aside is shown under its other name, as long as it is there.
func TestStatusOfAConflict(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("f.txt", []byte("one"))
	h := b.openFile("f.txt", os.O_RDWR)
	b.write(h, []byte("from b"), 0)
	a.save("f.txt", []byte("from a"))
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Fatalf("close gave %v", err)
	}
	h.Release()
	settled(a, b)
	if s := a.v.Status(); len(s.Conflicts) != 0 {
		t.Errorf("where nothing was set aside: %+v", s.Conflicts)
	}
	shown := func() ConflictStatus {
		t.Helper()
		s := b.v.Status().Under("f.txt")
		if len(s.Conflicts) != 1 {
			t.Fatalf("conflicts: %+v", s.Conflicts)
		}
		return s.Conflicts[0]
	}
	c := shown()
	if c.Path != "f.txt" || !strings.HasPrefix(c.Aside, "f (conflict ") || c.At.IsZero() || !c.There {
		t.Errorf("at first: %+v", c)
	}
	b.mustRename(c.Aside, "mine.txt", 0)
	if c := shown(); c.Aside != "mine.txt" || !c.There {
		t.Errorf("renamed: %+v", c)
	}
	b.remove("mine.txt")
	if c := shown(); c.There {
		t.Errorf("removed: %+v", c)
	}
}

// TestStatusOfWhatIsLost: what lies in quarantine is shown with the reason.
func TestStatusOfWhatIsLost(t *testing.T) {
	a, b, _ := newPair(t)
	b.save("f.bin", random(1<<20))
	h := a.openFile("f.bin", os.O_RDWR)
	a.write(h, random(65536), 0)
	b.remove("f.bin")
	b.sync()
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Fatalf("close gave %v", err)
	}
	h.Release()
	s := a.v.Status()
	if d := a.draft(s, "f.bin"); d.State != "lost" || d.Failure == nil || !d.Failure.Next.IsZero() {
		t.Errorf("lost: %+v", d)
	}
	if len(s.Quarantine) != 1 || !strings.Contains(s.Quarantine[0].Why, "version is gone") {
		t.Errorf("quarantine: %+v", s.Quarantine)
	}
}

// TestWaiting: what the journal tells without a mount is what the next mount takes up.
func TestWaiting(t *testing.T) { synctest.Test(t, waitingPaths) }

func waitingPaths(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("old", random(10))
	r.sync()
	f.set(down)
	h := r.create("a", os.O_TRUNC)
	r.write(h, random(300_000), 0)
	if err := h.Flush(t.Context(), nil); err == nil {
		t.Fatal("close succeeded without a store")
	}
	h.Release()
	k := r.create("killed", os.O_TRUNC)
	r.write(k, random(10), 0)
	k.Node().commit.Interrupt(file.EvKill)
	r.mkdir("d")
	r.mustRename("old", "new", 0)
	r.finish(r.create("notes~", os.O_TRUNC))
	if _, err := Waiting(r.spoolDir()); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("while it is open: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = r.v.Close(ctx) // it says what is left
	if err := r.spool.Close(); err != nil {
		t.Fatal(err)
	}
	r.v = nil
	s, err := Waiting(r.spoolDir())
	if err != nil {
		t.Fatal(err)
	}
	if d := r.draft(s, "a"); d.State != "queued" || d.Size != 300_000 || d.Failure == nil || !strings.Contains(d.Failure.Cause, errDown.Error()) {
		t.Errorf("a: %+v", d)
	}
	if d := r.draft(s, "killed"); d.State != "interrupted" || !d.Safe {
		t.Errorf("killed: %+v", d)
	}
	if d := r.draft(s, "notes~"); d.State != "local" || d.Overdue {
		t.Errorf("notes~: %+v", d)
	}
	if len(s.Drafts) != 3 || len(s.Changes) != 2 || s.Cache.Used < 300_000 {
		t.Errorf("all: %+v", s)
	}
	if _, err := Waiting(filepath.Join(r.home, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no spool: %v", err)
	}
	f.set(nil)
	r.open(r.name)
	now := r.v.Status()
	for _, d := range s.Drafts {
		if d.State != "queued" && r.draft(now, d.Path).State != d.State {
			t.Errorf("%s was to come back %s: %+v", d.Path, d.State, now)
		}
	}
	r.sync()
}

// TestSyncNamesWhatItWaitsFor: the whole volume has a name in an error, too.
func TestSyncNamesWhatItWaitsFor(t *testing.T) { synctest.Test(t, syncNamesWhatItWaitsFor) }

func syncNamesWhatItWaitsFor(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	f.set(down)
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("content"), 0)
	if err := h.Flush(t.Context(), nil); err == nil {
		t.Fatal("close succeeded without a store")
	}
	h.Release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.v.Sync(ctx, ""); err == nil || !strings.HasPrefix(err.Error(), "sync /: ") {
		t.Errorf("sync gave %v", err)
	}
	f.set(nil)
	r.sync()
}

// TestTotals: what programs read is counted, and how much of it came from the store.
func TestTotals(t *testing.T) {
	r := newRig(t, crypt.CTR)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	r.save("film.mov", content)
	r.load("film.mov")
	size := int64(len(content))
	if got, want := r.v.Totals(), (Totals{Committed: size, Read: size}); got != want {
		t.Errorf("of what is cached: %+v, want %+v", got, want)
	}
	r.cold()
	r.load("film.mov")
	if got, want := r.v.Totals(), (Totals{Read: size, Fetched: size}); got != want {
		t.Errorf("of what the store has: %+v, want %+v", got, want)
	}
}
