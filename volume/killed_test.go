package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/spool"
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
func TestKilledCommitGoesOn(t *testing.T) {
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
func TestListingFromBeforeASidecar(t *testing.T) {
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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
	journal := filepath.Join(r.spoolDir(), "journal.db")
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
	if err := os.WriteFile(filepath.Join(r.spoolDir(), "journal.db"), before, 0o600); err != nil {
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

// TestKillAfterBequest: a version that was drawn into the spool, and left to the
// draft that waited at its name, is not removed when the draw is done again because
// a kill had come before the journal knew that it was done.
func TestKillAfterBequest(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	r.save("b~", []byte("new"))
	f.set(func(op, key string) error {
		if op == "put" && key == "a" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "b~", Exchange)
	r.await(func(s Status) bool { return len(s.Changes) == 0 })
	drawn, heir := r.node("b~"), r.node("a")
	drawn.lock()
	id, _ := drawn.entryID()
	drawn.unlock()
	heir.lock()
	again := &change{Change: spool.Change{Op: opDraw, Path: "a"}, ver: heir.replaces, entry: id}
	heir.unlock()
	if again.ver == nil {
		t.Fatal("nothing was left to the draft")
	}
	if err := r.v.journalChanges([]*change{again}, nil); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.holds("in the end", map[string]string{"a": "new", "b~": "old"})
	r.truthful()
}

// TestKillAfterVacating: a draw has removed the version, and the kill came before the
// journal knew. The draft that waits at the name is committed there all the same, and
// not as if another machine had been at it.
func TestKillAfterVacating(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "put" && key == "a" || op == "head" && key == "a" || op == "delete" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "a~", 0)
	r.await(func(s Status) bool { return len(s.Changes) == 1 && s.Changes[0].Failure != nil })
	r.save("a", []byte("new"))
	raw := f.Store
	for _, key := range []string{"a.settings.json", "a"} { // the requests arrive, and nothing more is noted
		if err := raw.Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	r.crash(f, "after")
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.holds("in the end", map[string]string{"a": "new", "a~": "old"})
	r.truthful()
}

// TestKillDuringAMoveKeepsAttributes: attributes that were set of a file on its way
// with its directory are written where it is, though it had arrived there before the kill.
func TestKillDuringAMoveKeepsAttributes(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/a", []byte("content"))
	r.sync()
	fails := func(what, of string) func(op, key string) error {
		return func(op, key string) error {
			if op == what && key == of {
				return errDown
			}
			return nil
		}
	}
	f.set(fails("copy", "d/a"))
	r.mustRename("d", "e", 0)
	if err := r.node("e/a").SetXattr(t.Context(), "user.note", []byte("kept"), false, false); err != nil {
		t.Fatal(err)
	}
	if err := r.v.Root().Fsync(); err != nil {
		t.Fatal(err)
	}
	f.set(fails("delete", "d/"))
	for deadline := time.Now().Add(10 * time.Second); !slices.Contains(r.objects(), "e/"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not move: %q", r.objects())
		}
	}
	r.crash(f, "after")
	r.sync()
	r.cold()
	if got, err := r.node("e/a").GetXattr(t.Context(), "user.note"); err != nil || string(got) != "kept" {
		t.Errorf("user.note is %q, %v", got, err)
	}
	r.truthful()
}

// TestKillDuringACommitInAMovedDirectory: the request that was to replace a file had left
// and never arrived, and the directory was renamed meanwhile.
func TestKillDuringACommitInAMovedDirectory(t *testing.T) {
	for _, to := range []string{"e", "e~"} { // what goes along to a local-only name stays in the store
		t.Run(to, func(t *testing.T) {
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
func TestUnclearWithOlderContent(t *testing.T) {
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

// TestKillAfterRemovalWithAttributes: what was set of a file's attributes waits to be
// written, and does not bring the file back when that was removed before a kill.
func TestKillAfterRemovalWithAttributes(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("content"))
	r.sync()
	if err := r.node("a").SetXattr(t.Context(), "user.note", []byte("set"), false, false); err != nil {
		t.Fatal(err)
	}
	f.set(func(op, key string) error {
		if op == "delete" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "a~", 0)
	r.await(func(s Status) bool {
		return slices.ContainsFunc(s.Changes, func(c ChangeStatus) bool { return c.Failure != nil })
	})
	r.remove("a~")
	after := filepath.Join(r.home, "after")
	if err := os.Mkdir(after, 0o700); err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(filepath.Join(r.spoolDir(), "journal.db")) // at once, not as crash does; nothing else matters
	if err := errors.Join(err, os.WriteFile(filepath.Join(after, "journal.db"), journal, 0o600)); err != nil {
		t.Fatal(err)
	}
	r.throwAway(f)
	r.openCopy(f, "after", nil)
	r.holds("after the kill", map[string]string{"a": "", "a~": ""})
	r.sync()
	r.expectObjects()
}

// held keeps the request that puts an object, until it is let go: as a network and a
// server do that still have it when its sender is dead.
type held struct {
	store.Store
	key   string
	begun chan struct{} // it has left
	let   chan struct{} // it may arrive
	put   chan struct{} // it has arrived
}

func hold(s store.Store, key string) *held {
	return &held{Store: s, key: key, begun: make(chan struct{}), let: make(chan struct{}), put: make(chan struct{})}
}

func (h *held) Put(ctx context.Context, key string, b store.Body, a store.Attributes, c store.Condition) (store.Info, error) {
	if key != h.key {
		return h.Store.Put(ctx, key, b, a, c)
	}
	text := make([]byte, b.Size)
	if _, err := io.ReadFull(b, text); err != nil {
		return store.Info{}, err
	}
	b.ReadSeeker = bytes.NewReader(text)
	close(h.begun)
	<-h.let
	_, err := h.Store.Put(context.Background(), key, b, a, c)
	close(h.put)
	return store.Info{}, errors.Join(errDown, err) // of which the dead hear nothing
}

// killHolding opens another volume on what the spool holds now, while a request of the
// first one is held, which is all that is left of it. bury ends the first.
func (r *rig) killHolding(f *flaky, raw store.Store, name string) (bury func()) {
	r.t.Helper()
	to := filepath.Join(r.home, name)
	err := os.CopyFS(to, os.DirFS(r.spoolDir()))
	for range 10 { // a file that nobody needs any more may go in the middle of it
		if err == nil {
			break
		}
		err = errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(r.spoolDir())))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	f.set(down)
	dead, deadSpool := r.v, r.spool
	r.o.Store = raw
	r.restrict(filepath.Join(r.home, name))
	r.open(name)
	return func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = dead.Close(ctx)
		if err := deadSpool.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

// TestKillBeforeALateArrival: the request of a commit that nobody was promised arrives
// when the next mount has looked for its object already. Nobody finds that object with
// another version's sidecar, or without one.
func TestKillBeforeALateArrival(t *testing.T) {
	for _, late := range []time.Duration{500 * time.Millisecond, 2 * time.Second} {
		for _, before := range []string{"", "old"} {
			t.Run(fmt.Sprintf("after %v, over %q", late, before), func(t *testing.T) {
				r, f := newFlakyRig(t, crypt.CTR)
				if before != "" {
					r.save("a", []byte(before))
				}
				r.sync()
				raw := f.Store
				request := hold(raw, "a")
				f.Store = request
				h := r.create("a", os.O_TRUNC)
				r.write(h, []byte("new"), 0)
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = h.Flush(t.Context(), nil)
					h.Release()
				}()
				<-request.begun
				time.AfterFunc(late, func() { close(request.let) })
				bury := r.killHolding(f, raw, "after")
				for deadline := time.Now().Add(8 * time.Second); ; time.Sleep(50 * time.Millisecond) {
					n, err := r.v.Root().Lookup(t.Context(), "a")
					var h *Handle
					if err == nil {
						h, err = n.Open(t.Context(), os.O_RDONLY, nil)
					}
					text := ""
					if err == nil {
						text = string(r.readAll(h))
						h.Release()
					}
					if text == "new" && slices.Contains(r.objects(), "a.settings.json") {
						break
					}
					if time.Now().After(deadline) {
						t.Fatalf("a is %q, %v, and the store has %q", text, err, r.objects())
					}
				}
				r.sync()
				r.truthful()
				<-done
				bury()
			})
		}
	}
}

// TestKillKeepsAttributesOfMovedDirectories: what the mount knew of a directory when that
// was renamed, the next one knows without the store, in which other markers may stand
// at its name until it has moved.
func TestKillKeepsAttributesOfMovedDirectories(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	modes := map[string]uint32{"d": 0o700, "e": 0o750}
	for name, mode := range modes {
		r.mkdir(name)
		r.chmod(name, mode)
		r.save(name+"/in "+name, []byte(name))
	}
	r.save("a", []byte("a"))
	r.sync()
	check := func(when string) {
		t.Helper()
		for name, mode := range modes {
			if got := r.mode(name) & 0o777; got != mode {
				t.Errorf("%s: %s has mode %o, not %o", when, name, got, mode)
			}
		}
	}
	check("before")
	r.v.mu.Lock()
	for name := range modes { // as a listing does that shows another marker
		d := r.v.Root().dir.children[name]
		d.dir.marker = marker{}
		r.v.seeMarker(d, map[string]*found{"": {object: &store.Info{ETag: "other"}}})
	}
	r.v.mu.Unlock()
	f.set(down)
	r.mustRename("a", "d/a", 0) // of which the journal knows, and so of the directory, before its move
	r.mustRename("d", "e", Exchange)
	modes["d"], modes["e"] = modes["e"], modes["d"]
	check("at once")
	r.crash(f, "after")
	f.set(down)
	check("after the kill")
	f.set(nil)
	r.sync()
	check("in the end")
	r.holds("in the end", map[string]string{"d/in e": "e", "e/in d": "d", "e/a": "a"})
	r.cold()
	check("cold")
}

// TestKillAfterTimesWereSetAndOverwritten: times that were set of a file's last version, and
// are still to be written, are not those of the version that has just arrived.
func TestKillAfterTimesWereSetAndOverwritten(t *testing.T) {
	for name, wait := range map[string]time.Duration{"at once": 0, "when the journal has all": 200 * time.Millisecond} {
		t.Run(name, func(t *testing.T) { killAfterTimesWereSet(t, wait) })
	}
}

func killAfterTimesWereSet(t *testing.T, wait time.Duration) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	long := time.Unix(118570974, 685363742)
	if _, err := r.node("a").SetAttr(t.Context(), nil, SetAttr{Mtime: &long}); err != nil {
		t.Fatal(err)
	}
	raw := f.Store
	request := hold(raw, "a")
	f.Store = request
	r.save("a", []byte("new"))
	<-request.begun
	f.set(down)
	r.mustRename("a", "b", 0)
	close(request.let)
	<-request.put
	time.Sleep(wait)
	bury := r.killHolding(f, raw, "after")
	r.holds("after the kill", map[string]string{"a": "", "b": "new"})
	r.sync()
	a, err := r.node("b").Attr(t.Context())
	if err != nil || a.Mtime.Equal(long) {
		t.Errorf("mtime is %v, that of the version before; %v", a.Mtime, err)
	}
	r.truthful()
	r.cold()
	if a, err := r.node("b").Attr(t.Context()); err != nil || a.Mtime.Equal(long) {
		t.Errorf("elsewhere mtime is %v, that of the version before; %v", a.Mtime, err)
	}
	bury()
}

// TestKillsAfterADraw: a draft whose commit never arrived was drawn to a local-only name,
// and the next mount has removed what it was to replace. The one after that does not
// look for it under the name that the draft gets then.
func TestKillsAfterADraw(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "put" && key == "a" {
			return errDown
		}
		return nil
	})
	r.save("a", []byte("new"))
	r.await(func(s Status) bool {
		return slices.ContainsFunc(s.Drafts, func(d DraftStatus) bool { return d.State == Publishing.String() })
	})
	r.mustRename("a", "a~", 0)
	for _, name := range []string{"two", "three"} {
		r.crash(f, name)
		r.await(func(s Status) bool { return len(s.Changes) == 0 })
		r.expectObjects()
		r.holds(name, map[string]string{"a": "", "a~": "new"})
	}
	r.mustRename("a~", "b", 0)
	r.sync()
	r.holds("in the end", map[string]string{"b": "new"})
	r.expectObjects("b", "b.settings.json")
	r.truthful()
}

// TestKillBeforeWhatWasRenamedArrived: a new file was renamed over another one, and then
// removed, while its commit was under way, which never arrived. The other one goes.
func TestKillBeforeWhatWasRenamedArrived(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("b", []byte("old"))
	r.save("c", []byte("other"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "put" && key == "n" {
			return errDown
		}
		return nil
	})
	r.save("n", []byte("new"))
	r.await(func(s Status) bool {
		return slices.ContainsFunc(s.Drafts, func(d DraftStatus) bool { return d.State == Publishing.String() })
	})
	r.mustRename("n", "b", 0)
	r.mustRename("b", "c", Exchange)
	r.remove("c")
	after := map[string]string{"n": "", "b": "other", "c": ""}
	r.holds("at once", after)
	r.crash(f, "after")
	r.holds("after the kill", after)
	r.sync()
	r.holds("in the end", after)
	r.expectObjects("b", "b.settings.json")
	r.truthful()
}

// TestKillAndALateArrivalOfWhatWasRenamed: the request of a commit is still on its way
// when the next mount renames its file, over which another one has been renamed since.
func TestKillAndALateArrivalOfWhatWasRenamed(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("f", []byte("old"))
	r.sync()
	raw := f.Store
	request := hold(raw, "f")
	f.Store = request
	r.save("f", []byte("new"))
	<-request.begun
	f.set(down)
	r.mustRename("f", "a", 0)
	r.save("x~", []byte("last"))
	r.mustRename("x~", "a", 0)
	time.AfterFunc(500*time.Millisecond, func() { close(request.let) })
	bury := r.killHolding(f, raw, "after")
	<-request.put
	r.sync()
	r.holds("in the end", map[string]string{"f": "", "a": "last"})
	r.expectObjects("a", "a.settings.json")
	r.truthful()
	bury()
}

// TestKillAndReadWhatMovesTwice: a file was renamed out of a directory that is still on its
// way, half of which an earlier mount has done. It can be read all the while.
func TestKillAndReadWhatMovesTwice(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.mkdir("e")
	r.save("d/c", []byte("content"))
	r.save("e/x", []byte("x"))
	r.sync()
	stuck := func(op, key string) error {
		if op == "copy" && key == "e/x" {
			return errDown
		}
		return nil
	}
	f.set(down)
	r.mustRename("d", "e", Exchange)
	r.mustRename("e/c", "top", 0)
	f.set(stuck)
	r.await(func(s Status) bool { return len(s.Changes) == 3 }) // the first of three moves is done
	r.crash(f, "after")
	f.set(stuck)
	r.holds("after the kill", map[string]string{"top": "content", "d/x": "x"})
	f.set(nil)
	r.sync()
	r.cold()
	r.holds("cold", map[string]string{"top": "content", "d/x": "x"})
	r.truthful()
}

// TestKillsAfterADrawOfWhatArrived: a file was renamed to a local-only name, and its
// directory then, while its commit was under way, which had arrived at a kill. It is still
// promised after the next one, when its version is gone from the store.
func TestKillsAfterADrawOfWhatArrived(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.mkdir("d")
	r.sync()
	raw := f.Store
	request := hold(raw, "a")
	f.Store = request
	r.save("a", []byte("new"))
	<-request.begun
	f.set(down)
	r.mustRename("a", "d/a~", 0)
	r.mustRename("d", "e", 0)
	close(request.let)
	<-request.put
	bury := r.killHolding(f, raw, "two")
	r.await(func(s Status) bool { return len(s.Changes) == 0 })
	r.holds("after a kill", map[string]string{"a": "", "e/a~": "new"})
	r.mustRename("e/a~", "e/c~", 0)
	bury()
	f.Store, r.o.Store = raw, f
	f.set(nil)
	r.crash(f, "three")
	after := map[string]string{"a": "", "e/a~": "", "e/c~": "new"}
	r.holds("after two kills", after)
	r.sync()
	r.holds("in the end", after)
	r.truthful()
}
