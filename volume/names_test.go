package volume

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// keys lists what the store holds.
func (r *rig) objects() []string {
	r.t.Helper()
	var list []string
	for token := ""; ; {
		p, err := r.store.List(r.t.Context(), "", "", token, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, o := range p.Objects {
			list = append(list, o.Key)
		}
		if token = p.Next; token == "" {
			return list
		}
	}
}

func (r *rig) expectObjects(want ...string) {
	r.t.Helper()
	if got := strings.Join(r.objects(), " "); got != strings.Join(want, " ") {
		r.t.Errorf("the store holds %q, want %q", got, strings.Join(want, " "))
	}
}

func (r *rig) sync() {
	r.t.Helper()
	if err := r.v.Sync(r.t.Context(), ""); err != nil {
		r.t.Fatalf("sync: %v", err)
	}
	r.indexed()
}

// truthful checks that each sidecar in the store decrypts the object beside it (P3).
func (r *rig) truthful() {
	r.t.Helper()
	for _, key := range r.objects() {
		base, ok := sidecar.Base(key)
		if !ok {
			continue
		}
		there, err := r.v.remote.LookSidecar(r.t.Context(), base)
		if err != nil || there == nil {
			r.t.Errorf("%s: %v", key, err)
			continue
		}
		doc, err := sidecar.Parse(there.Text)
		if err != nil {
			r.t.Errorf("%s: %v", key, err)
			continue
		}
		info, err := r.store.Head(r.t.Context(), base)
		if err != nil {
			r.t.Errorf("%s stands beside nothing: %v", key, err)
			continue
		}
		obj, _, err := sidecar.ParseObject(info.Metadata)
		if err != nil || !bytes.Equal(obj.IV, doc.IV) || !bytes.Equal(obj.Key, doc.Key) {
			r.t.Errorf("%s does not decrypt its object (%v)", key, err)
		}
	}
}

func TestOverwriteTakesFreshKeyAndIV(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", random(1000))
	first, err := r.store.Head(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	r.save("a", random(2000))
	second, err := r.store.Head(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"mcfs-key", "mcfs-iv", "mcfs-check"} {
		if first.Metadata[k] == second.Metadata[k] {
			t.Errorf("%s was used for two versions", k)
		}
	}
	r.expectObjects("a", "a.settings.json")
	r.truthful()
	r.cold()
	if !bytes.Equal(r.load("a"), random(2000)) {
		t.Error("the old content came back")
	}
}

func TestRenameRemove(t *testing.T) {
	r := newRig(t, crypt.GCM)
	ctx := t.Context()
	r.save("a", random(70_000))
	if err := r.v.Root().Rename(ctx, "a", r.v.Root(), "b", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.v.Root().Lookup(ctx, "a"); !errors.Is(err, ErrNotExist) {
		t.Errorf("the old name is still there: %v", err)
	}
	if !bytes.Equal(r.load("b"), random(70_000)) {
		t.Error("content differs while the rename is finished")
	}
	r.sync()
	r.expectObjects("b", "b.settings.json")
	r.truthful()

	r.save("c", random(100))
	if err := r.v.Root().Rename(ctx, "c", r.v.Root(), "b", NoReplace); !errors.Is(err, ErrExist) {
		t.Errorf("NOREPLACE replaced: %v", err)
	}
	if err := r.v.Root().Rename(ctx, "c", r.v.Root(), "b", 0); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.expectObjects("b", "b.settings.json")
	r.truthful()
	r.cold()
	if !bytes.Equal(r.load("b"), random(100)) {
		t.Error("the replaced content is still there")
	}
	if err := r.v.Root().Remove(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.v.Root().Lookup(ctx, "b"); !errors.Is(err, ErrNotExist) {
		t.Errorf("a removed name is still there: %v", err)
	}
	r.sync()
	r.expectObjects()
}

// TestRemoveAndCreateAgain: the removal that is still queued must not take the new file with it.
func TestRemoveAndCreateAgain(t *testing.T) {
	r := newRig(t, crypt.CTR)
	for i := range 20 {
		r.save("a", random(100+i))
		if err := r.v.Root().Remove(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	r.save("a", random(7))
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.truthful()
	r.cold()
	if !bytes.Equal(r.load("a"), random(7)) {
		t.Error("the last content is lost")
	}
}

func TestDirectories(t *testing.T) {
	r := newRig(t, crypt.CTR)
	ctx := t.Context()
	d, err := r.v.Root().Mkdir(ctx, "d", 0o750, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Mkdir(ctx, "e", 0o755, 1, 2); err != nil {
		t.Fatal(err)
	}
	r.save("d/e/a", random(10))
	if err := d.Rmdir(ctx, "e"); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("rmdir of a full directory: %v", err)
	}
	r.sync()
	r.expectObjects("d/", "d/e/", "d/e/a", "d/e/a.settings.json")
	r.cold()
	entries, err := r.node("d/e").ReadDir(ctx)
	if err != nil || len(entries) != 2 || entries[0].Name != "a.settings.json" || entries[1].Name != "a" ||
		entries[0].Ino != entries[1].Ino-1 {
		t.Errorf("listing: %v, %v", entries, err)
	}
	if err := r.node("d/e").Remove(ctx, "a.settings.json"); err != nil {
		t.Errorf("unlinking a sidecar: %v", err)
	}
	if err := r.node("d/e").Remove(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := r.node("d").Rmdir(ctx, "e"); err != nil {
		t.Fatal(err)
	}
	if err := r.v.Root().Rmdir(ctx, "d"); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.expectObjects()
}

// TestHeaderPatch: a muxer seeks back at the end; with the first part and the
// last two held back, every byte leaves once.
func TestHeaderPatch(t *testing.T) {
	for _, mode := range modes {
		bubble(t, mode.String(), func(t *testing.T) {
			r := newRigOf(t, mode, lightPart)
			p := random(2_562_500)
			h := r.create("a.mp4", os.O_TRUNC)
			for off := 0; off < len(p); off += 8192 {
				r.write(h, p[off:min(len(p), off+8192)], int64(off))
			}
			copy(p[40:], "patched header")
			r.write(h, []byte("patched header"), 40)
			r.finish(h)
			r.expectObjects("a.mp4", "a.mp4.settings.json")
			r.truthful()
			r.cold()
			if !bytes.Equal(r.load("a.mp4"), p) {
				t.Error("content differs")
			}
		})
	}
}

// TestChangeCommitted writes in the middle of a committed file: the rest comes from the store.
func TestChangeCommitted(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, mode)
			p := random(1_000_003)
			r.save("a", p)
			for step, change := range []func(h *Handle){
				func(h *Handle) { copy(p[300_001:], "changed"); r.write(h, []byte("changed"), 300_001) },
				func(h *Handle) { p = append(p, "appended"...); r.write(h, []byte("appended"), int64(len(p)-8)) },
				func(h *Handle) { r.truncate(h, 500_001); p = p[:500_001]; r.write(h, []byte("x"), 0); p[0] = 'x' },
				func(h *Handle) {
					r.truncate(h, 100)
					r.truncate(h, 70_000)
					p = append(p[:100:100], make([]byte, 69_900)...)
					r.write(h, []byte("y"), 69_999)
					p[69_999] = 'y'
				},
			} {
				r.cold()
				h, err := r.node("a").Open(t.Context(), os.O_RDWR, nil)
				if err != nil {
					t.Fatal(err)
				}
				change(h)
				if got := r.readAll(h); !bytes.Equal(got, p) {
					t.Fatalf("step %d: differs before the commit", step)
				}
				r.finish(h)
				r.cold()
				if !bytes.Equal(r.load("a"), p) {
					t.Fatalf("step %d: differs after the commit", step)
				}
				r.truthful()
			}
		})
	}
}

func (r *rig) truncate(h *Handle, size int64) {
	r.t.Helper()
	if _, err := h.Node().SetAttr(r.t.Context(), h, SetAttr{Size: &size}); err != nil {
		r.t.Fatalf("truncate: %v", err)
	}
}

// TestConflict: another machine saves the same name; both contents survive.
func TestConflict(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a.txt", random(10))
	h, err := r.node("a.txt").Open(t.Context(), os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("ours"), 0)
	if _, err := r.store.Put(t.Context(), "a.txt", bodyOf([]byte("theirs")), store.Attributes{}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Errorf("close: %v", err)
	}
	h.Release()
	r.sync()
	var ours string
	for _, key := range r.objects() {
		if strings.HasPrefix(key, "a (conflict ") && strings.HasSuffix(key, ").txt") {
			ours = key
		}
	}
	if _, err := r.node(ours).Open(t.Context(), os.O_RDWR, nil); !errors.Is(err, ErrStale) {
		t.Errorf("who may have come by the name that it had until now is not told: %v", err)
	}
	if got := r.load(ours); string(got[:4]) != "ours" {
		t.Errorf("%q holds %q", ours, got)
	}
	r.cold()
	if got := r.load("a.txt"); string(got) != "theirs" {
		t.Errorf("a.txt holds %q", got)
	}
}

// TestLocalOnly: a temporary name never reaches the store; its rename does.
func TestLocalOnly(t *testing.T) {
	r := newRig(t, crypt.CTR)
	_, h, err := r.v.Root().Create(t.Context(), ".a.mov.Xy12Zz", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600, 1, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.write(h, random(5000), 0)
	r.finish(h)
	r.expectObjects()
	r.close()
	r.open("spool")
	if !bytes.Equal(r.load(".a.mov.Xy12Zz"), random(5000)) {
		t.Error("a local-only file does not survive a restart")
	}
	if err := r.v.Root().Rename(t.Context(), ".a.mov.Xy12Zz", r.v.Root(), "a.mov", 0); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.expectObjects("a.mov", "a.mov.settings.json")
	r.truthful()
	if !bytes.Equal(r.load("a.mov"), random(5000)) {
		t.Error("content differs")
	}
}

// TestAttributesOfARemovedFile: what waits to be written of a file's attributes
// ends with the file, and leaves no sidecar behind.
func TestAttributesOfARemovedFile(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	for _, name := range []string{"removed", "replaced", "moved and removed"} {
		r.save(name, random(5))
		mode := uint32(0o640)
		if _, err := r.node(name).SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
	}
	r.save("other", random(6))
	if err := errors.Join(
		root.Remove(t.Context(), "removed"),
		root.Rename(t.Context(), "other", root, "replaced", 0),
		root.Rename(t.Context(), "moved and removed", root, "moved", 0),
		root.Remove(t.Context(), "moved"),
	); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.expectObjects("replaced", "replaced.settings.json")
	r.truthful()
}

// TestAttributesOfTheRemovedAfterACrash: what waited to be written when its file
// or directory was removed is not written by the next mount either.
func TestAttributesOfTheRemovedAfterACrash(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	root := r.v.Root()
	if _, err := root.Mkdir(t.Context(), "d", 0o755, 0, 0); err != nil {
		t.Fatal(err)
	}
	r.save("f", []byte("old"))
	r.sync()
	mode := uint32(0o700)
	for _, name := range []string{"d", "f"} {
		if _, err := r.node(name).SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(root.Rmdir(t.Context(), "d"), root.Remove(t.Context(), "f")); err != nil {
		t.Fatal(err)
	}
	r.save("f", []byte("new"))
	r.crash(f, "after")
	r.sync()
	r.expectObjects("f", "f.settings.json")
	r.cold()
	if _, err := r.v.Root().Lookup(t.Context(), "d"); !errors.Is(err, ErrNotExist) {
		t.Errorf("the removed directory is back: %v", err)
	}
	if a, err := r.node("f").Attr(t.Context()); err != nil || a.Mode&0o7777 == mode {
		t.Errorf("the new file bears the mode %o of the removed one, %v", a.Mode, err)
	}
}

// TestAttributesBeforeACommitAfterACrash: what waited to be written when a newer
// version was committed is not written over that one's by the next mount.
func TestAttributesBeforeACommitAfterACrash(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("f", []byte("old"))
	chmod := func(mode uint32) {
		t.Helper()
		if _, err := r.node("f").SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o755)
	h, err := r.node("f").Open(t.Context(), os.O_WRONLY|os.O_TRUNC, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("newer"), 0)
	chmod(0o666)
	r.finish(h)
	r.crash(f, "after")
	if a, err := r.node("f").Attr(t.Context()); err != nil || a.Mode&0o7777 != 0o666 || a.Size != 5 {
		t.Errorf("after the crash: mode %o, %d bytes, %v", a.Mode, a.Size, err)
	}
	r.sync()
	r.cold()
	if a, err := r.node("f").Attr(t.Context()); err != nil || a.Mode&0o7777 != 0o666 || a.Size != 5 {
		t.Errorf("a cold mount shows mode %o, %d bytes, %v", a.Mode, a.Size, err)
	}
}

// TestAttributesOfTheRenamedAfterACrash: what waits to be written follows a rename,
// and a crash after it does not bring the old name back.
func TestAttributesOfTheRenamedAfterACrash(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	root := r.v.Root()
	if _, err := root.Mkdir(t.Context(), "d", 0o755, 0, 0); err != nil {
		t.Fatal(err)
	}
	r.save("f", []byte("content"))
	r.save("d/g", []byte("below"))
	r.sync()
	mode := uint32(0o700)
	for _, name := range []string{"d", "f", "d/g"} {
		if _, err := r.node(name).SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(root.Rename(t.Context(), "d", root, "e", 0), root.Rename(t.Context(), "f", root, "h", 0)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // the store has the new names, and the attributes wait
	r.crash(f, "after")
	r.sync()
	r.cold()
	r.expectObjects("e/", "e/g", "e/g.settings.json", "h", "h.settings.json")
	for _, name := range []string{"e", "h", "e/g"} {
		if a, err := r.node(name).Attr(t.Context()); err != nil || a.Mode&0o7777 != mode {
			t.Errorf("%s has mode %o, %v", name, a.Mode, err)
		}
	}
}

func TestAttributesLast(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", random(5))
	mode, uid := uint32(0o640), uint32(1234)
	mtime := r.v.started.Add(-12345678912345)
	if _, err := r.node("a").SetAttr(t.Context(), nil, SetAttr{Mode: &mode, UID: &uid, Mtime: &mtime}); err != nil {
		t.Fatal(err)
	}
	if err := r.node("a").SetXattr(t.Context(), "user.note", []byte("take 3"), false, false); err != nil {
		t.Fatal(err)
	}
	r.cold()
	a, err := r.node("a").Attr(t.Context())
	if err != nil || a.Mode&0o7777 != mode || a.UID != uid || !a.Mtime.Equal(mtime) {
		t.Errorf("%+v, %v", a, err)
	}
	if x, err := r.node("a").GetXattr(t.Context(), "user.note"); err != nil || string(x) != "take 3" {
		t.Errorf("xattr %q, %v", x, err)
	}
	r.truthful()
}

// TestAttributesSetAroundACommit sets some that wait to be written when a new
// version is committed, and others after it: the last ones count.
func TestAttributesSetAroundACommit(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("f", []byte("old"))
	chmod := func(mode uint32) {
		t.Helper()
		if _, err := r.node("f").SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o444)
	h, err := r.node("f").Open(t.Context(), os.O_WRONLY|os.O_TRUNC, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("new"), 0)
	r.finish(h)
	chmod(0o755)
	r.sync()
	r.cold()
	if a, err := r.node("f").Attr(t.Context()); err != nil || a.Mode&0o7777 != 0o755 {
		t.Errorf("a cold mount shows mode %o, %v", a.Mode, err)
	}
}

// TestAttributesSetWhileACommitEnds: from the moment at which a draft's entry may go,
// the attributes that came too late for its sidecar are a change of their own.
func TestAttributesSetWhileACommitEnds(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CBC)
	h := r.create("f", 0)
	r.write(h, []byte("text"), 0)
	n := r.node("f")
	late := uint32(0o640)
	f.set(func(op, key string) error {
		if op != "put" || key != "f.settings.json" {
			return nil
		}
		_, err := n.SetAttr(t.Context(), nil, SetAttr{Mode: &late})
		return err
	})
	closed := make(chan error, 1)
	go func() {
		defer h.Release()
		closed <- h.Flush(t.Context(), nil)
	}()
	for clean := false; !clean; {
		r.v.mu.Lock()
		clean = n.content.PeekState() == Clean
		if clean && n.rewrite == nil {
			t.Error("the attributes are in the draft's entry only, which is about to go")
		}
		r.v.mu.Unlock()
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	if a, err := r.node("f").Attr(t.Context()); err != nil || a.Mode&0o7777 != late {
		t.Errorf("after a crash: mode %o, %v", a.Mode, err)
	}
}

// TestAttributesSetAndWrittenOverWhileACommitEnds: they are kept with the version
// that was being committed, although another draft, of which nobody was promised
// anything, has begun since.
func TestAttributesSetAndWrittenOverWhileACommitEnds(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	h := r.create("f", 0)
	r.write(h, []byte("text"), 0)
	n := r.node("f")
	late := uint32(0o640)
	var over *Handle
	f.set(func(op, key string) error {
		if op != "put" || key != "f.settings.json" || over != nil {
			return nil
		}
		if _, err := n.SetAttr(t.Context(), nil, SetAttr{Mode: &late}); err != nil {
			t.Error(err)
		}
		over = r.create("f", os.O_TRUNC)
		r.write(over, []byte("more"), 0)
		return nil
	})
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	h.Release()
	if err := r.v.changes.Flush(); err != nil { // as an fsync of another file does
		t.Fatal(err)
	}
	r.crash(f, "after")
	if a, err := r.node("f").Attr(t.Context()); err != nil || a.Mode&0o7777 != late || a.Size != 4 {
		t.Errorf("after a crash: mode %o, %d bytes, %v", a.Mode, a.Size, err)
	}
	if got := r.load("f"); string(got) != "text" {
		t.Errorf("after a crash: %q", got)
	}
	over.Release()
}

func TestSidecarNames(t *testing.T) {
	r := newRig(t, crypt.CTR)
	ctx := t.Context()
	r.save("a", random(5))
	doc, err := r.v.Settings(ctx, r.node("a"))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.load("a.settings.json"); !bytes.Equal(got, doc) {
		t.Error("the sidecar in the tree is not that of the store")
	}
	// A restore of a tree brings sidecars along: accepted, and nothing changes.
	h := r.create("a.settings.json", os.O_TRUNC)
	r.write(h, doc, 0)
	r.finish(h)
	// So does one that comes before its file.
	h = r.create("b.settings.json", os.O_TRUNC)
	r.write(h, doc, 0)
	r.finish(h)
	// Anything else over a sidecar is refused, and beside nothing it is an ordinary file.
	h = r.create("a.settings.json", os.O_TRUNC)
	if _, err := h.WriteAt(ctx, []byte("not a document"), 0); !errors.Is(err, ErrPermission) {
		t.Errorf("write: %v", err)
	}
	if err := h.Flush(ctx, nil); !errors.Is(err, ErrPermission) {
		t.Errorf("close: %v", err)
	}
	h.Release()
	r.save("local.settings.json", []byte(`{"mine": true}`))
	r.sync()
	r.expectObjects("a", "a.settings.json", "local.settings.json", "local.settings.json.settings.json")
	if _, _, err := r.v.Root().Create(ctx, "local", os.O_RDWR|os.O_CREATE, 0o644, 0, 0, nil); !errors.Is(err, ErrExist) {
		t.Errorf("a file whose settings would collide: %v", err)
	}
}

// TestSettingsOfOnesOwnBeforeTheirCommit: what was closed under a sidecar's name, and is
// not in the store yet, keeps the name whose settings it would be from others.
func TestSettingsOfOnesOwnBeforeTheirCommit(t *testing.T) {
	synctest.Test(t, settingsOfOnesOwnBeforeTheirCommit)
}

func settingsOfOnesOwnBeforeTheirCommit(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	f.set(func(string, string) error { return errDown })
	r.finish(r.create("empty.settings.json", os.O_TRUNC))
	r.save("mine.settings.json", []byte(`{"mine": true}`))
	for _, name := range []string{"empty", "mine"} {
		if _, _, err := r.v.Root().Create(t.Context(), name, os.O_RDWR|os.O_CREATE, 0o644, 0, 0, nil); !errors.Is(err, ErrExist) {
			t.Errorf("create %s: %v", name, err)
		}
		r.finish(r.create(".swp.swp", os.O_TRUNC))
		if err := r.rename(".swp.swp", name, 0); !errors.Is(err, ErrExist) {
			t.Errorf("rename to %s: %v", name, err)
		}
	}
	f.set(nil)
	r.sync()
	r.expectObjects("empty.settings.json", "empty.settings.json.settings.json", "mine.settings.json", "mine.settings.json.settings.json")
}

// TestGrownAndUnlinked: of an empty version nothing has to be fetched, not even the tag
// (GCM), so that a file that grew from it goes on without its object.
func TestGrownAndUnlinked(t *testing.T) {
	for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		r := newRig(t, mode)
		r.save("a", nil)
		r.sync()
		r.close()
		r.open("cold")
		h := r.create("a", 0)
		r.truncate(h, 100_000)
		r.remove("a")
		r.sync()
		if got := r.readAll(h); !bytes.Equal(got, make([]byte, 100_000)) {
			t.Errorf("%v: %d bytes were read", mode, len(got))
		}
		r.finish(h)
	}
}

// TestUnlinkedFileGoesOn: descriptors of a removed file read and write, and nothing of it is published.
func TestUnlinkedFileGoesOn(t *testing.T) {
	r := newRig(t, crypt.CTR)
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("one"), 0)
	if err := r.v.Root().Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("two"), 3)
	if got := r.readAll(h); string(got) != "onetwo" {
		t.Errorf("read %q", got)
	}
	r.finish(h)
	r.save("b", random(200_000))
	h, err := r.node("b").Open(t.Context(), os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.v.Root().Remove(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	r.sync()
	if got := r.readAll(h); !bytes.Equal(got, random(200_000)) {
		t.Error("an open file lost its content when it was removed")
	}
	r.write(h, []byte("x"), 0)
	r.finish(h)
	r.sync()
	r.expectObjects()
}

// TestRenameWhileOpen: the commit goes to the new name, whichever of close and rename comes first.
func TestRenameWhileOpen(t *testing.T) { synctest.Test(t, renameWhileOpen) }

func renameWhileOpen(t *testing.T) {
	r := newRigOf(t, crypt.CTR, lightPart)
	root := r.v.Root()
	p := random(1_875_000)
	h := r.create("a", os.O_TRUNC)
	r.write(h, p, 0)
	if err := root.Rename(t.Context(), "a", root, "b", 0); err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("!"), int64(len(p)))
	r.finish(h)
	r.sync()
	r.expectObjects("b", "b.settings.json")
	r.eventually(0)
	if !bytes.Equal(r.load("b"), append(p, '!')) {
		t.Error("content differs")
	}
	// An editor's save: a committed temporary file, renamed over a committed one.
	r.save("tmp", []byte("new"))
	if err := root.Rename(t.Context(), "tmp", root, "b", 0); err != nil {
		t.Fatal(err)
	}
	if got := r.load("b"); string(got) != "new" {
		t.Errorf("%d bytes", len(got))
	}
	r.save("b", []byte("newer")) // while the rename may still be finished behind
	r.sync()
	r.expectObjects("b", "b.settings.json")
	r.truthful()
	r.cold()
	if got := r.load("b"); string(got) != "newer" {
		t.Errorf("%q", got)
	}
}

// TestCopiedOntoItself: another tool's sync changes the ETag and not the version.
func TestCopiedOntoItself(t *testing.T) {
	r := newRig(t, crypt.CTR)
	p := random(400_000)
	r.save("a", p)
	r.cold()
	h, err := r.node("a").Open(t.Context(), os.O_RDWR, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := r.store.Head(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := r.store.Get(t.Context(), "a", store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	attr := store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata}
	if _, err := r.store.Put(t.Context(), "a", bodyOf(cipher), attr, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if got := r.readAll(h); !bytes.Equal(got, p) {
		t.Error("content differs")
	}
	r.write(h, []byte("changed"), 10)
	copy(p[10:], "changed")
	r.finish(h)
	r.expectObjects("a", "a.settings.json")
	r.truthful()
	r.cold()
	if !bytes.Equal(r.load("a"), p) {
		t.Error("content differs, cold")
	}
}

func TestSymlinks(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, mode)
			ctx := t.Context()
			root := r.v.Root()
			target := "../unreleased/" + strings.Repeat("film", 20)
			if _, err := root.Symlink(ctx, "l", target, 3, 4); err != nil {
				t.Fatal(err)
			}
			if err := root.Rename(ctx, "l", root, "m", 0); err != nil {
				t.Fatal(err)
			}
			mtime := time.Unix(1_500_000_000, 7)
			if _, err := r.node("m").SetAttr(ctx, nil, SetAttr{Mtime: &mtime}); err != nil {
				t.Fatal(err)
			}
			r.sync()
			r.expectObjects("m")
			body, _, err := r.store.Get(ctx, "m", store.Range{}, "")
			if err != nil {
				t.Fatal(err)
			}
			if cipher, err := io.ReadAll(body); err != nil || bytes.Contains(cipher, []byte("unreleased")) {
				t.Errorf("the target is readable in the store (%v)", err)
			}
			r.cold()
			l := r.node("m")
			if got, err := l.Readlink(ctx); err != nil || got != target {
				t.Errorf("target %q, %v", got, err)
			}
			a, err := l.Attr(ctx)
			if err != nil || l.Kind() != Symlink || a.Mode != modeSymlink|0o777 || a.UID != 3 || a.Size != int64(len(target)) || !a.Mtime.Equal(mtime) {
				t.Errorf("%+v, %v", a, err)
			}
			if err := r.v.Root().Remove(ctx, "m"); err != nil {
				t.Fatal(err)
			}
			r.sync()
			r.expectObjects()
		})
	}
}

// Set-id bits stay from the creation on until somebody is to drop them: who writes may
// be one who may leave them.
func TestSetIDIsDroppedWhenAsked(t *testing.T) {
	r := newRig(t, crypt.CTR)
	n, h, err := r.v.Root().Create(t.Context(), "f", os.O_RDWR|os.O_CREATE, 0o6701, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	write := func() error { _, err := h.WriteAt(t.Context(), []byte("x"), 0); return err }
	set := func(s SetAttr) func() error {
		return func() error { _, err := n.SetAttr(t.Context(), h, s); return err }
	}
	runnable := uint32(0o6711)
	for _, step := range []struct {
		what string
		do   func() error
		want uint32
	}{
		{"a write", write, 0o6701},
		{"one of the group", set(SetAttr{DropSetID: true, InGroup: true}), 0o2701},
		{"another", set(SetAttr{DropSetID: true}), 0o701},
		{"chmod", set(SetAttr{Mode: &runnable}), 0o6711},
		{"one of the group that may run it", set(SetAttr{DropSetID: true, InGroup: true}), 0o711},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		a, err := n.Attr(t.Context())
		if err != nil || a.Mode&0o7777 != step.want || n.HasSetID() != (step.want&0o6000 != 0) {
			t.Errorf("after %s: mode %#o, %v; want %#o", step.what, a.Mode&0o7777, err, step.want)
		}
	}
}

// flock(1) makes its file with a descriptor that cannot write: that file is committed too.
func TestCreatedReadOnlyIsCommitted(t *testing.T) {
	r := newRig(t, crypt.CTR)
	_, h, err := r.v.Root().Create(t.Context(), "lock", os.O_RDONLY|os.O_CREATE, 0o644, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Release()
	for deadline := time.Now().Add(10 * time.Second); len(r.objects()) < 2 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	r.expectObjects("lock", "lock.settings.json")
}

// TestRemovedTwiceStaysRemoved: while the second removal of a name is under way,
// the end of the first does not let a listing bring the name back.
func TestRemovedTwiceStaysRemoved(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.Fresh = -1 // each lookup lists
	r.open("spool-flaky")
	root := r.v.Root()
	r.save("a", []byte("first"))
	r.symlink("b", "target")
	r.sync()
	var mu sync.Mutex
	gates := []chan struct{}{make(chan struct{}), make(chan struct{})}
	arrived := make(chan struct{}, len(gates))
	f.set(func(op, key string) error {
		if op != "delete" || key != "a" {
			return nil
		}
		mu.Lock()
		gate := gates[0]
		gates = gates[1:]
		mu.Unlock()
		arrived <- struct{}{}
		<-gate
		return nil
	})
	first, second := gates[0], gates[1]
	remove := func() {
		t.Helper()
		if err := root.Remove(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	await := func() {
		t.Helper()
		select {
		case <-arrived:
		case <-time.After(10 * time.Second):
			t.Fatal("the removal does not begin")
		}
	}
	remove()
	await()
	r.mustRename("b", "a", 0)
	remove()
	close(first)
	await() // the link is in the store, and its removal has begun
	if _, err := root.Lookup(t.Context(), "a"); !errors.Is(err, ErrNotExist) {
		t.Errorf("a removed name is found: %v", err)
	}
	list, err := root.ReadDir(t.Context())
	if err != nil || len(list) > 0 {
		t.Errorf("a removed name is listed: %v, %v", list, err)
	}
	close(second)
	r.sync()
	r.expectObjects()
}

// TestRenamedOverAndAway: what is replaced under a local-only name stays gone when
// the file that replaced it goes on, although it is not removed in the store yet.
func TestRenamedOverAndAway(t *testing.T) {
	for how, leave := range map[string]func(r *rig){
		"removed": func(r *rig) {
			if err := r.v.Root().Remove(r.t.Context(), "a.local"); err != nil {
				r.t.Fatal(err)
			}
		},
		"renamed": func(r *rig) { r.mustRename("a.local", "c.local", 0) },
		"exchanged, renamed": func(r *rig) {
			r.save("c.local", nil)
			r.mustRename("a.local", "c.local", Exchange)
			r.mustRename("a.local", "d.local", 0)
		},
	} {
		bubble(t, how, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.save("a.local", []byte("committed"))
			r.expectObjects("a.local", "a.local.settings.json")
			r.close()
			r.o.Fresh, r.o.LocalOnly = -1, []string{"*.local"} // each lookup lists
			r.open("spool-flaky")
			f.set(func(op, _ string) error {
				if op == "delete" {
					return errDown
				}
				return nil
			})
			r.save("b.local", []byte("local"))
			r.mustRename("b.local", "a.local", 0)
			leave(r)
			if _, err := r.v.Root().Lookup(t.Context(), "a.local"); !errors.Is(err, ErrNotExist) {
				t.Errorf("what was replaced is found: %v", err)
			}
			h := r.create("a.local", os.O_EXCL)
			r.finish(h)
			f.set(nil)
			r.sync()
			r.expectObjects()
		})
	}
}
