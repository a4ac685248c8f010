package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// killAt has act run until it asks the store for op on key, and opens another
// volume on what the spool held at that instant, with a store that fails as told:
// nothing that the first does from then on reaches either. That is a kill in the
// middle, where crash is one at rest.
func (r *rig) killAt(f *flaky, op, key, name string, act func(), then func(op, key string) error) {
	r.t.Helper()
	from, to := r.spoolDir(), filepath.Join(r.home, name)
	killed := false // flaky asks one after the other
	f.set(func(asked, of string) error {
		if !killed && (asked != op || of != key) {
			return nil
		}
		if !killed {
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				r.t.Error(err)
			}
		}
		killed = true
		return errDown
	})
	act()
	r.throwAway(f)
	if !killed {
		r.t.Fatalf("nobody asked for %s of %s", op, key)
	}
	r.openCopy(f, name, then)
}

// killedOverwrite replaces a file, and is killed before the store is asked to take it.
func (r *rig) killedOverwrite(f *flaky, name string, then func(op, key string) error) {
	r.t.Helper()
	r.killAt(f, "put", name, "after", func() {
		h := r.create(name, os.O_TRUNC)
		r.write(h, []byte("what nobody was promised"), 0)
		if err := h.Flush(r.t.Context(), nil); err == nil {
			r.t.Error("close succeeded without a store")
		}
		h.Release()
	}, then)
}

// until calls f until it does not say that the name is to be looked up again.
func (r *rig) until(f func() error) {
	r.t.Helper()
	err := f()
	for range 5 {
		if !errors.Is(err, ErrStale) {
			break
		}
		err = f()
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestKillDuringACommitKeepsAttributes: attributes that an fsync promised, and that
// are not in the store yet, outlive a commit that was never finished.
func TestKillDuringACommitKeepsAttributes(t *testing.T) {
	synctest.Test(t, killDuringACommitKeepsAttributes)
}

func killDuringACommitKeepsAttributes(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("content"))
	r.sync()
	r.chmod("a", 0o700)
	if err := r.v.Root().Fsync(); err != nil {
		t.Fatal(err)
	}
	r.killedOverwrite(f, "a", nil)
	r.until(func() error { return r.node("a").describe(t.Context()) })
	for _, when := range []string{"after the kill", "once all is done", "elsewhere"} {
		if got := r.mode("a") & 0o777; got != 0o700 {
			t.Errorf("%s: mode %o", when, got)
		}
		if got := string(r.load("a")); got != "content" {
			t.Errorf("%s: %q", when, got)
		}
		if when == "once all is done" {
			r.truthful()
			r.cold()
		}
		r.sync()
	}
}

// TestKilledCommitGoesOn: what is written after such a kill is committed as ever.
func TestKilledCommitGoesOn(t *testing.T) { synctest.Test(t, killedCommitGoesOn) }

func killedCommitGoesOn(t *testing.T) {
	for _, set := range []bool{false, true} { // attributes that still have to be written
		r, f := newFlakyRig(t, crypt.CTR)
		r.save("a", []byte("content"))
		r.sync()
		if set {
			r.chmod("a", 0o700)
		}
		r.killedOverwrite(f, "a", nil)
		r.until(func() error { return r.node("a").describe(t.Context()) })
		r.save("a", []byte("again"))
		r.sync()
		r.cold()
		if got := string(r.load("a")); got != "again" {
			t.Errorf("set %v: it holds %q", set, got)
		}
	}
}

// lateListing is a store whose listings are as old as one likes: each has its
// answer, says so, and waits.
type lateListing struct {
	store.Store
	answered, gate chan struct{}
}

func (s *lateListing) List(ctx context.Context, prefix, delimiter, token string, most int) (store.Page, error) {
	page, err := s.Store.List(ctx, prefix, delimiter, token, most)
	select {
	case s.answered <- struct{}{}:
		<-s.gate
	case <-s.gate:
	}
	return page, err
}

// TestListingFromBeforeASidecar: a listing that the store made just before the
// sidecar of an object was put that had arrived without one, and that comes just
// after, takes nothing away from what the sidecar states.
func TestListingFromBeforeASidecar(t *testing.T) { synctest.Test(t, listingFromBeforeASidecar) }

func listingFromBeforeASidecar(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	s := &lateListing{Store: f, answered: make(chan struct{}), gate: make(chan struct{})}
	r.killAt(f, "put", "a.settings.json", "after", func() {
		h := r.create("a", os.O_TRUNC)
		r.write(h, []byte("content"), 0)
		mode := uint32(0o600)
		if _, err := h.Node().SetAttr(t.Context(), h, SetAttr{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
		if err := h.Flush(t.Context(), nil); err == nil {
			t.Error("close succeeded without a sidecar")
		}
		h.Release()
		r.o.Store = s // of the next volume
	}, func(op, key string) error {
		if op == "put" {
			<-s.answered
		}
		return nil
	})
	listed := make(chan error, 1)
	go func() { // ends when the gate is opened
		_, err := r.v.Root().ReadDir(t.Context())
		listed <- err
	}()
	r.sync()
	close(s.gate)
	if err := <-listed; err != nil {
		t.Fatal(err)
	}
	if got := r.mode("a") & 0o777; got != 0o600 {
		t.Errorf("mode %o", got)
	}
}

// TestUnclearAfterAKill: as long as the store does not say whether the last commit
// has arrived, nobody is shown what may be neither the old content nor the new, and
// nothing is made of it.
func TestUnclearAfterAKill(t *testing.T) {
	mode := uint32(0o600)
	size := int64(3)
	uses := map[string]func(r *rig, ctx context.Context) error{
		"open": func(r *rig, ctx context.Context) error {
			h, err := r.node("d/a").Open(ctx, os.O_RDONLY, nil)
			if err == nil {
				h.Release()
			}
			return err
		},
		"chmod": func(r *rig, ctx context.Context) error {
			_, err := r.node("d/a").SetAttr(ctx, nil, SetAttr{Mode: &mode})
			return err
		},
		"truncate": func(r *rig, ctx context.Context) error {
			_, err := r.node("d/a").SetAttr(ctx, nil, SetAttr{Size: &size})
			return err
		},
		"xattr": func(r *rig, ctx context.Context) error {
			return r.node("d/a").SetXattr(ctx, "user.a", nil, false, false)
		},
		"rename": func(r *rig, ctx context.Context) error { return r.node("d").Rename(ctx, "a", r.v.Root(), "b", 0) },
		"rename of the directory": func(r *rig, ctx context.Context) error {
			return r.v.Root().Rename(ctx, "d", r.v.Root(), "e", 0)
		},
		"exchange": func(r *rig, ctx context.Context) error { return r.v.Root().Rename(ctx, "d", r.v.Root(), "x", Exchange) },
	}
	for name, use := range uses {
		bubble(t, name, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.mkdir("d")
			r.save("d/a", []byte("content"))
			r.save("x", nil)
			r.sync()
			r.killedOverwrite(f, "d/a", func(op, key string) error {
				if op == "head" {
					return errDown
				}
				return nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := use(r, ctx); !errors.Is(err, ErrIO) {
				t.Errorf("while it is unclear: %v", err)
			}
			f.set(nil)
			r.until(func() error { return use(r, t.Context()) })
			r.sync()
			want, at := "content", map[string]string{"rename": "b", "rename of the directory": "e/a", "exchange": "x/a"}[name]
			if at == "" {
				at = "d/a"
			}
			if name == "truncate" {
				want = want[:size]
			}
			if got := string(r.load(at)); got != want {
				t.Errorf("it holds %q", got)
			}
			r.truthful()
		})
	}
}

// TestKillRightAfterALocalClose: nothing is left to be written a little later when a
// close under a local-only name, or of a duplicate, has returned.
func TestKillRightAfterALocalClose(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	h := r.create("a~", os.O_TRUNC)
	for i, text := range []string{"content", "content, and more"} {
		r.write(h, []byte(text), 0)
		if err := h.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("after ", i)
		if err := os.CopyFS(filepath.Join(r.home, name), os.DirFS(r.spoolDir())); err != nil {
			t.Fatal(err)
		}
	}
	h.Release()
	for i, want := range []string{"content", "content, and more"} {
		r.throwAway(f)
		r.openCopy(f, fmt.Sprint("after ", i), nil)
		if a, err := r.node("a~").Attr(t.Context()); err != nil || a.Size != int64(len(want)) {
			t.Errorf("size %d, %v", a.Size, err)
		}
		if got := string(r.load("a~")); got != want {
			t.Errorf("it holds %q", got)
		}
	}
}

// TestKillBetweenFileAndJournal: where a sealed file was synced and the journal was
// not any more, the next mount but one says no other size than the next.
func TestKillBetweenFileAndJournal(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	journal := filepath.Join(r.spoolDir(), "journal", "log")
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("content"), 0)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("content, and more"), 0)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "one")
	r.close()
	if err := os.WriteFile(filepath.Join(r.spoolDir(), "journal", "log"), before, 0o600); err != nil {
		t.Fatal(err)
	}
	r.open("one")
	if _, err := r.node("a").Open(t.Context(), os.O_RDONLY, nil); !errors.Is(err, ErrStale) {
		t.Errorf("stat has told the journal's size, and open gives %v, want ErrStale", err)
	}
	text := r.load("a")
	if a, err := r.node("a").Attr(t.Context()); err != nil || a.Size != int64(len(text)) {
		t.Errorf("%d bytes are read, and the size is %d, %v", len(text), a.Size, err)
	}
	if err := r.v.Root().Fsync(); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "two")
	if a, err := r.node("a").Attr(t.Context()); err != nil || a.Size != int64(len(text)) {
		t.Errorf("%d bytes were read before, and the size is %d, %v", len(text), a.Size, err)
	}
}

// TestKillDuringACommitInAMovedDirectory: the request that was to replace a file had left
// and never arrived, and the directory was renamed meanwhile.
func TestKillDuringACommitInAMovedDirectory(t *testing.T) {
	for _, to := range []string{"e", "e~"} { // what goes along to a local-only name stays in the store
		bubble(t, to, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.close()
			r.o.SpoolDurable = true
			r.open("spool-flaky")
			r.mkdir("d")
			r.mkdir("d/sub")
			r.save("d/sub/a", []byte("old"))
			r.sync()
			f.set(func(op, key string) error {
				if op == "put" && key == "d/sub/a" {
					return errDown
				}
				return nil
			})
			r.save("d/sub/a", []byte("new"))
			r.await(func(s Status) bool {
				return slices.ContainsFunc(s.Drafts, func(d DraftStatus) bool { return d.Path == "d/sub/a" && d.State == Publishing.String() })
			})
			r.mustRename("d", to, 0)
			r.crash(f, "after")
			r.sync()
			r.holds("after the kill", map[string]string{to + "/sub/a": "new"})
			r.truthful()
			r.expectObjects(to+"/", to+"/sub/", to+"/sub/a", to+"/sub/a.settings.json")
			r.cold()
			r.holds("elsewhere", map[string]string{to + "/sub/a": "new"})
		})
	}
}

// TestUnclearWithOlderContent: what the spool has was written over before the content whose
// object may have arrived. Nobody reads it before that is known, and not afterwards.
func TestUnclearWithOlderContent(t *testing.T) { synctest.Test(t, unclearWithOlderContent) }

func unclearWithOlderContent(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("older, and longer"), 0)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.killAt(f, "put", "a.settings.json", "after", func() {
		again := r.openFile("a", os.O_RDWR|os.O_TRUNC)
		r.write(again, []byte("new"), 0)
		_ = again.Flush(t.Context(), nil)
		again.Release()
		h.Release()
	}, func(op, key string) error {
		if op == "head" && key == "a" {
			return errDown
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if early, err := r.node("a").Open(ctx, os.O_RDONLY, nil); err == nil {
		early.Release()
		t.Error("it can be opened before it is known what it holds")
	}
	f.set(nil)
	r.until(func() error {
		h, err := r.node("a").Open(t.Context(), os.O_RDONLY, nil)
		if err == nil {
			h.Release()
		}
		return err
	})
	if got := string(r.load("a")); got != "new" {
		t.Errorf("it holds %q", got)
	}
	r.sync()
	r.truthful()
}
