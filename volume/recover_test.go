package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// flaky is a real store of which a test can make single operations fail.
type flaky struct {
	store.Store
	mu   sync.Mutex
	fail func(op, key string) error
	slow atomic.Pointer[func()] // called before each request, without the lock
}

func (f *flaky) set(fail func(op, key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *flaky) ask(op, key string) error {
	if slow := f.slow.Load(); slow != nil {
		(*slow)()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		return nil
	}
	return f.fail(op, key)
}

func (f *flaky) Put(ctx context.Context, key string, b store.Body, a store.Attributes, c store.Condition) (store.Info, error) {
	if err := f.ask("put", key); err != nil {
		return store.Info{}, err
	}
	return f.Store.Put(ctx, key, b, a, c)
}

func (f *flaky) Begin(ctx context.Context, key string, a store.Attributes) (store.Upload, error) {
	if err := f.ask("begin", key); err != nil {
		return store.Upload{}, err
	}
	return f.Store.Begin(ctx, key, a)
}

func (f *flaky) Complete(ctx context.Context, up store.Upload, parts []store.Part, c store.Condition) (store.Info, error) {
	if err := f.ask("complete", up.Key); err != nil {
		return store.Info{}, err
	}
	return f.Store.Complete(ctx, up, parts, c)
}

func (f *flaky) Head(ctx context.Context, key string) (store.Info, error) {
	if err := f.ask("head", key); err != nil {
		return store.Info{}, err
	}
	return f.Store.Head(ctx, key)
}

func (f *flaky) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	if err := f.ask("copy", c.Source); err != nil {
		return store.Info{}, err
	}
	return f.Store.Copy(ctx, c)
}

func (f *flaky) Delete(ctx context.Context, key string, c store.Condition) error {
	if err := f.ask("delete", key); err != nil {
		return err
	}
	return f.Store.Delete(ctx, key, c)
}

// await waits until an object is as it should be, whatever is switched off.
func (f *flaky) await(t *testing.T, key string, as func(info store.Info, err error) bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		info, err := f.Store.Head(t.Context(), key)
		if as(info, err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays as it is: %+v, %v", key, info, err)
		}
	}
}

var errDown = fmt.Errorf("switched off by the test: %w", store.ErrUnavailable)

// down fails every change of the store.
func down(string, string) error { return errDown }

// newFlakyRig is a rig whose store a test can switch off.
func newFlakyRig(t *testing.T, mode crypt.Mode) (*rig, *flaky) {
	return newFlakyRigOf(t, mode, 5<<20)
}

// newFlakyRigOf is newFlakyRig with parts of a size.
func newFlakyRigOf(t *testing.T, mode crypt.Mode, part int64) (*rig, *flaky) {
	r := newRigOf(t, mode, part)
	r.close()
	f := &flaky{Store: r.store}
	r.o.Store = f
	r.o.CloseTimeout = 5 * time.Second // what waits for it to pass does so in a bubble
	r.open("spool-flaky")
	return r, f
}

// crash opens another volume on what the disk holds now, as after kill -9. The
// first goes on with a store that is switched off, and is thrown away.
func (r *rig) crash(f *flaky, name string) {
	r.t.Helper()
	time.Sleep(150 * time.Millisecond) // what may be written a little later is written by then
	if err := r.spool.Journal().Flush(); err != nil {
		r.t.Fatal(err)
	}
	from, to := r.spoolDir(), filepath.Join(r.home, name)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		r.t.Fatal(err)
	}
	r.throwAway(f)
	r.openCopy(f, name, nil)
}

// throwAway ends a volume that cannot finish anything: its store is gone.
func (r *rig) throwAway(f *flaky) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f.set(down)
	_ = r.v.Close(ctx)
	if err := r.spool.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// openCopy opens a volume on a copy of a spool, with a store that fails as told.
func (r *rig) openCopy(f *flaky, name string, fail func(op, key string) error) {
	r.t.Helper()
	r.restrict(filepath.Join(r.home, name))
	f.set(fail)
	r.open(name)
}

// restrict gives a copied spool the modes that a spool must have.
func (r *rig) restrict(dir string) {
	r.t.Helper()
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.Chmod(p, 0o700)
		}
		return os.Chmod(p, 0o600)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// spoolDir is the folder of the spool that is open.
func (r *rig) spoolDir() string { return filepath.Join(r.home, r.name) }

func (r *rig) spoolFile(name string) string { return filepath.Join(r.home, "spool-flaky", name) }

func TestCrashKeepsWhatFsyncPromised(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	p := random(300_001)
	h := r.create("a", os.O_TRUNC)
	r.write(h, p, 0)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("never synced"), 5)
	lost := r.create("b", os.O_TRUNC)
	r.write(lost, p, 0)
	r.crash(f, "after")
	if got := r.load("a"); !bytes.Equal(got, p) {
		t.Error("fsynced bytes are lost or mixed with later ones")
	}
	if _, err := r.v.Root().Lookup(t.Context(), "b"); !errors.Is(err, ErrNotExist) {
		t.Errorf("what was never promised came back: %v", err)
	}
	r.expectObjects() // nobody closed it: it is not published by itself
	if err := r.v.Sync(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	r.expectObjects("a", "a.settings.json")
	r.truthful()
}

// TestPromisedSize: after a kill stat says the size of what was promised, also before
// anybody has opened the file, whatever was journaled when more had been written.
func TestPromisedSize(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	h := r.create("a", os.O_TRUNC)
	r.write(h, random(300_001), 0)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.write(h, random(300_001), 300_001)
	r.chmod("a", 0o600)
	if err := r.v.Root().Fsync(); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	a, err := r.node("a").Attr(t.Context())
	if err != nil || a.Size != 300_001 || a.Mode&0o777 != 0o600 {
		t.Errorf("%d bytes, mode %o, %v", a.Size, a.Mode, err)
	}
	if got := len(r.load("a")); got != 300_001 {
		t.Errorf("%d bytes are read", got)
	}
}

func TestCloseFailsAndTheDraftIsRetried(t *testing.T) {
	synctest.Test(t, closeFailsAndTheDraftIsRetried)
}

func closeFailsAndTheDraftIsRetried(t *testing.T) {
	r, f := newFlakyRig(t, crypt.GCM)
	p := random(200_000)
	f.set(down)
	h := r.create("a", os.O_TRUNC)
	r.write(h, p, 0)
	err := h.Flush(t.Context(), nil)
	if !errors.Is(err, ErrIO) {
		t.Fatalf("close: %v", err)
	}
	h.Release()
	if list := r.v.Pending(); len(list) != 1 || list[0].Path != "a" {
		t.Errorf("pending: %+v", list)
	}
	if !bytes.Equal(r.load("a"), p) {
		t.Error("the draft is not what was written")
	}
	r.crash(f, "after")
	if !bytes.Equal(r.load("a"), p) {
		t.Error("the draft did not survive")
	}
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.truthful()
}

// TestCrashBetweenObjectAndSidecar: the machine that wrote the object publishes its sidecar.
func TestCrashBetweenObjectAndSidecar(t *testing.T) { synctest.Test(t, crashBetweenObjectAndSidecar) }

func crashBetweenObjectAndSidecar(t *testing.T) {
	for _, size := range []int{1000, 750_000} {
		r, f := newFlakyRigOf(t, crypt.CBC, lightPart)
		p := random(size)
		f.set(func(op, key string) error {
			if op == "put" && sidecar.Is(key) {
				return errDown
			}
			return nil
		})
		mtime := time.Unix(1_700_000_000, 123_456_789)
		h := r.create("a", os.O_TRUNC)
		r.write(h, p, 0)
		if _, err := h.Node().SetAttr(t.Context(), h, SetAttr{Mtime: &mtime}); err != nil {
			t.Fatal(err)
		}
		if err := h.Flush(t.Context(), nil); err == nil {
			t.Fatal("close succeeded without a sidecar")
		}
		h.Release()
		r.expectObjects("a")
		r.crash(f, "after")
		r.sync()
		r.expectObjects("a", "a.settings.json")
		r.truthful()
		r.cold()
		if !bytes.Equal(r.load("a"), p) {
			t.Error("content differs")
		}
		if a, err := r.node("a").Attr(t.Context()); err != nil || !a.Mtime.Equal(mtime) {
			t.Errorf("mtime %v, %v", a.Mtime, err)
		}
	}
}

// TestCrashFinishesNames: renames and removals that had not reached the store are true at once and finished later.
func TestCrashFinishesNames(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	ctx := t.Context()
	for _, name := range []string{"a", "b", "c", "d"} {
		r.save(name, []byte("content of "+name))
	}
	f.set(down)
	root := r.v.Root()
	if _, err := root.Mkdir(ctx, "dir", 0o755, 0, 0); err != nil {
		t.Fatal(err)
	}
	for _, m := range [][2]string{{"a", "x"}, {"b", "c"}, {"x", "y"}} {
		if err := root.Rename(ctx, m[0], root, m[1], 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := root.Remove(ctx, "d"); err != nil {
		t.Fatal(err)
	}
	h := r.create("dir/new", os.O_TRUNC)
	r.write(h, []byte("draft"), 0)
	if err := h.Fsync(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.node("dir").Rename(ctx, "new", root, "e", 0); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	want := map[string]string{"y": "content of a", "c": "content of b", "e": "draft"}
	entries, err := r.v.Root().ReadDir(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, e := range entries {
		if e.Kind == File {
			seen = append(seen, e.Name)
		}
	}
	if strings.Join(seen, " ") != "c e y" {
		t.Errorf("names after the crash: %v", seen)
	}
	for name, content := range want {
		if got := r.load(name); string(got) != content {
			t.Errorf("%s holds %q", name, got)
		}
	}
	if err := r.v.Sync(ctx, "e"); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.expectObjects("c", "c.settings.json", "dir/", "e", "e.settings.json", "y", "y.settings.json")
	r.truthful()
	r.cold()
	for name, content := range want {
		if got := r.load(name); string(got) != content {
			t.Errorf("%s holds %q at last", name, got)
		}
	}
}

// TestCrashAbortsUploads: an upload that was begun and lost is aborted, nobody else's.
func TestCrashAbortsUploads(t *testing.T) { synctest.Test(t, crashAbortsUploads) }

func crashAbortsUploads(t *testing.T) {
	r, f := newFlakyRigOf(t, crypt.CTR, lightPart)
	theirs, err := r.store.Begin(t.Context(), "a", store.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	h := r.create("a", os.O_TRUNC)
	p := random(2_500_000)
	for off := 0; off < len(p); off += 64 << 10 {
		r.write(h, p[off:min(len(p), off+64<<10)], int64(off))
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		ups, err := r.store.Uploads(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(ups) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no part left before close")
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.crash(f, "after")
	for {
		ups, err := r.store.Uploads(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(ups) == 1 && ups[0].ID == theirs.ID {
			break
		}
		if time.Now().After(deadline.Add(10 * time.Second)) {
			t.Fatalf("unfinished uploads: %v", ups)
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.expectObjects()
}

// TestSpoolDurability: close returns once the spool has the bytes, with the store switched off.
func TestSpoolDurability(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	f.set(down)
	r.save("a", random(100_000))
	r.crash(f, "after")
	r.sync()
	r.expectObjects("a", "a.settings.json")
	if !bytes.Equal(r.load("a"), random(100_000)) {
		t.Error("content differs")
	}
}

// TestKilledBeforeTheCommit is killed after close has returned and before anything
// else was done for the file: what was promised is published all the same.
func TestKilledBeforeTheCommit(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.v.mu.Lock()
	first := r.v.queue.AddLocked(nil, "a") // nothing else is done by that name
	r.v.mu.Unlock()
	r.save("a", random(100_000))
	to := filepath.Join(r.home, "after")
	if err := os.CopyFS(to, os.DirFS(r.spoolDir())); err != nil {
		t.Fatal(err)
	}
	r.v.mu.Lock()
	r.v.queue.FinishLocked(first)
	r.v.mu.Unlock()
	r.throwAway(f)
	r.openCopy(f, "after", nil)
	r.sync()
	r.expectObjects("a", "a.settings.json")
	if !bytes.Equal(r.load("a"), random(100_000)) {
		t.Error("content differs")
	}
}

// TestWriterFaster than the link, file larger than the spool: sent blocks make room.
func TestFileLargerThanSpool(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRigOf(t, mode, lightPart)
			r.close()
			r.max = 3 << 20
			r.open("small")
			p := random(9_375_000)
			h := r.create("a", os.O_TRUNC)
			for off := 0; off < len(p); off += 8192 {
				r.write(h, p[off:min(len(p), off+8192)], int64(off))
			}
			buf := make([]byte, 10)
			if _, err := h.ReadAt(t.Context(), buf, 1_250_000); !errors.Is(err, ErrFull) {
				t.Errorf("reading a dropped part: %v", err)
			}
			if _, err := h.WriteAt(t.Context(), buf, 1_250_000); !errors.Is(err, ErrFull) {
				t.Errorf("writing a dropped part: %v", err)
			}
			h.Node().clearFlaws()
			if err := r.rename("a", "b", 0); !errors.Is(err, ErrBusy) {
				t.Errorf("renaming with a dropped part: %v", err)
			}
			r.finish(h)
			if !bytes.Equal(r.load("a"), p) {
				t.Error("content differs, warm")
			}
			r.max = 1 << 30
			r.cold()
			if !bytes.Equal(r.load("a"), p) {
				t.Error("content differs, cold")
			}
		})
	}
}

// TestCrashKeepsWhatFollowedACommit: bytes fsynced after a close whose commit is
// still on its way are not mistaken for that commit's.
func TestCrashKeepsWhatFollowedACommit(t *testing.T) { synctest.Test(t, crashKeepsWhatFollowedACommit) }

func crashKeepsWhatFollowedACommit(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	f.set(func(op, key string) error {
		if op == "put" && sidecar.Is(key) {
			return errDown
		}
		return nil
	})
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("first"), 0)
	if err := h.Flush(t.Context(), nil); err == nil {
		t.Fatal("close succeeded without a sidecar")
	}
	r.write(h, []byte("second"), 0)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	if got := r.load("a"); string(got) != "second" {
		t.Errorf("%q", got)
	}
	if err := r.v.Sync(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	r.truthful()
	r.cold()
	if got := r.load("a"); string(got) != "second" {
		t.Errorf("%q at last", got)
	}
}

// TestWriteDuringCommit: what is written while a commit is on its way is committed after it.
func TestWriteDuringCommit(t *testing.T) { synctest.Test(t, writeDuringCommit) }

func writeDuringCommit(t *testing.T) {
	r, f := newFlakyRig(t, crypt.GCM)
	f.set(down)
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("first"), 0)
	if err := h.Flush(t.Context(), nil); err == nil {
		t.Fatal("close succeeded without a store")
	}
	r.write(h, []byte("2"), 0) // as through a map: no flush follows, only the release
	h.Release()
	time.Sleep(2 * releaseDelay)
	f.set(nil)
	r.sync()
	r.truthful()
	r.cold()
	if got := r.load("a"); string(got) != "2irst" {
		t.Errorf("%q", got)
	}
}

// TestKilledAfterTheLastRelease: what no close had asked for, and a moment after the last
// release was to be committed, is committed by the next mount.
func TestKilledAfterTheLastRelease(t *testing.T) {
	leave := func(r *rig, h *Handle) {
		r.t.Helper()
		h.Release()
		time.Sleep(4 * releaseDelay)
	}
	for name, c := range map[string]struct {
		do   func(r *rig)
		want string
	}{
		"made by a descriptor that cannot write": {func(r *rig) {
			_, h, err := r.v.Root().Create(r.t.Context(), "b", os.O_RDONLY|os.O_CREATE, 0o644, 1, 2, nil)
			if err != nil {
				r.t.Fatal(err)
			}
			leave(r, h)
		}, ""},
		"cut by its name": {func(r *rig) {
			size := int64(3)
			if _, err := r.node("a").SetAttr(r.t.Context(), nil, SetAttr{Size: &size}); err != nil {
				r.t.Fatal(err)
			}
			time.Sleep(4 * releaseDelay)
		}, "bas"},
		"written through a map": {func(r *rig) {
			h := r.openFile("a", os.O_RDWR)
			r.write(h, []byte("map"), 0)
			leave(r, h)
		}, "mape"},
	} {
		bubble(t, name, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.save("a", []byte("base"))
			f.set(down)
			c.do(r)
			r.crash(f, "after")
			r.sync()
			r.cold()
			at := "a"
			if c.want == "" {
				at = "b"
			}
			if got := r.load(at); string(got) != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
			r.truthful()
		})
	}
}

// TestTruncateByPath commits although nobody has the file open.
func TestTruncateByPath(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", random(100_000))
	r.cold()
	size := int64(70_001)
	if _, err := r.node("a").SetAttr(t.Context(), nil, SetAttr{Size: &size}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * releaseDelay)
	r.cold()
	if !bytes.Equal(r.load("a"), random(100_000)[:size]) {
		t.Error("content differs")
	}
}

// TestLostJournal: drafts come back from their sealed files alone, as interrupted.
func TestLostJournal(t *testing.T) { synctest.Test(t, lostJournal) }

func lostJournal(t *testing.T) {
	for _, damage := range []func(path string) error{
		os.Remove,
		func(path string) error { return os.Truncate(path, 5000) },
		func(path string) error { return os.WriteFile(path, random(32768), 0o600) },
	} {
		r, f := newFlakyRig(t, crypt.CTR)
		f.set(down)
		p := random(500_000)
		if _, err := r.v.Root().Mkdir(t.Context(), "d", 0o755, 0, 0); err != nil {
			t.Fatal(err)
		}
		h := r.create("d/a", os.O_TRUNC)
		r.write(h, p, 0)
		if err := h.Flush(t.Context(), nil); err == nil {
			t.Fatal("close succeeded without a store")
		}
		h.Release()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = r.v.Close(ctx) // it cannot finish: its store is gone
		if err := r.spool.Close(); err != nil {
			t.Fatal(err)
		}
		if err := damage(r.spoolFile("journal/log")); err != nil {
			t.Fatal(err)
		}
		f.set(nil)
		r.open("spool-flaky")
		if got := r.load("d/a"); !bytes.Equal(got, p) {
			t.Error("the draft did not come back")
		}
		if err := r.v.Sync(t.Context(), "d/a"); err != nil {
			t.Fatal(err)
		}
		r.truthful()
	}
}

// TestMoveDirectory renames directories with committed files and drafts in
// them, while the store is down, over a crash, twice in a row.
func TestMoveDirectory(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	ctx := t.Context()
	root := r.v.Root()
	for _, d := range []string{"a", "a/sub"} {
		dir, base := filepath.Split(d)
		if _, err := r.node(dir).Mkdir(ctx, base, 0o755, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	mtime := time.Unix(1_600_000_000, 5)
	for i := range 30 {
		name := fmt.Sprintf("a/sub/f%02d", i)
		r.save(name, []byte("content "+name))
		if _, err := r.node(name).SetAttr(ctx, nil, SetAttr{Mtime: &mtime}); err != nil {
			t.Fatal(err)
		}
	}
	r.sync()
	open, err := r.node("a/sub/f03").Open(ctx, os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.set(down)
	draft := r.create("a/draft", os.O_TRUNC)
	r.write(draft, []byte("a draft"), 0)
	if err := root.Rename(ctx, "a", root, "b", 0); err != nil {
		t.Fatal(err)
	}
	if err := root.Rename(ctx, "b", root, "c", 0); err != nil {
		t.Fatal(err)
	}
	if err := root.Rename(ctx, "c", r.node("c/sub"), "inside", 0); !errors.Is(err, ErrInvalid) {
		t.Errorf("a directory moved into itself: %v", err)
	}
	if err := r.node("c/sub").Remove(ctx, "f01"); err != nil {
		t.Fatal(err)
	}
	if err := r.node("c/sub").Rename(ctx, "f02", root, "out", 0); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for i := range 30 {
			name := fmt.Sprintf("c/sub/f%02d", i)
			if i == 1 || i == 2 {
				if _, err := r.node("c/sub").Lookup(ctx, filepath.Base(name)); !errors.Is(err, ErrNotExist) {
					t.Errorf("%s: %s is there: %v", when, name, err)
				}
				continue
			}
			if got := r.load(name); string(got) != fmt.Sprintf("content a/sub/f%02d", i) {
				t.Errorf("%s: %s holds %q", when, name, got)
			}
			if a, err := r.node(name).Attr(ctx); err != nil || !a.Mtime.Equal(mtime) {
				t.Errorf("%s: %s has mtime %v, %v", when, name, a.Mtime, err)
			}
		}
		if got := r.load("out"); string(got) != "content a/sub/f02" {
			t.Errorf("%s: out holds %q", when, got)
		}
		if _, err := r.v.Root().Lookup(ctx, "a"); !errors.Is(err, ErrNotExist) {
			t.Errorf("%s: the old name is there: %v", when, err)
		}
	}
	check("store down")
	if got := r.readAll(open); string(got) != "content a/sub/f03" {
		t.Errorf("an open file reads %q", got)
	}
	r.crash(f, "after")
	check("after the crash")
	if got := r.load("c/draft"); string(got) != "a draft" {
		t.Errorf("draft: %q", got)
	}
	if err := r.v.Sync(ctx, "c/draft"); err != nil {
		t.Fatal(err)
	}
	r.sync()
	check("done")
	r.truthful()
	for _, key := range r.objects() {
		if !strings.HasPrefix(key, "c/") && !strings.HasPrefix(key, "out") {
			t.Errorf("%s is left over", key)
		}
	}
	if n := len(r.objects()); n != 2+2*28+2+2 {
		t.Errorf("%d objects", n)
	}
	r.cold()
	check("cold")
}

// TestMoveDirectoryAndGoOn changes files of a directory that has just been moved.
func TestMoveDirectoryAndGoOn(t *testing.T) {
	r := newRig(t, crypt.GCM)
	ctx := t.Context()
	root := r.v.Root()
	if _, err := root.Mkdir(ctx, "a", 0o755, 0, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		r.save(fmt.Sprintf("a/f%d", i), random(1000+i))
	}
	h, err := r.node("a/f5").Open(ctx, os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Rename(ctx, "a", root, "b", 0); err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("changed"), 3)
	r.finish(h)
	r.save("b/f6", []byte("new"))
	if err := r.node("b").Remove(ctx, "f7"); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.truthful()
	r.cold()
	want := random(1005)
	copy(want[3:], "changed")
	if !bytes.Equal(r.load("b/f5"), want) || string(r.load("b/f6")) != "new" || !bytes.Equal(r.load("b/f8"), random(1008)) {
		t.Error("content differs")
	}
	if n := len(r.objects()); n != 1+2*9 {
		t.Errorf("%v", r.objects())
	}
}

// TestInodesOfTwoMounts: a descriptor that was left of a mount bears no inode number of the
// next one, where a close would take it for a duplicate.
func TestInodesOfTwoMounts(t *testing.T) {
	r := newRig(t, crypt.CTR)
	h := r.create("a", os.O_TRUNC)
	was, root := h.Node().Ino(), r.v.Root().Ino()
	h.Release()
	r.close()
	r.open("spool")
	if now := r.v.Root().Ino(); now <= was && was <= now+was-root {
		t.Errorf("inode %d was that of a file, and may be again: the numbers begin at %d", was, now)
	}
}
