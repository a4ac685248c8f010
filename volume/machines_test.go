package volume

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/file"
)

// newPair is two machines with spools of their own on one store. The first one's
// requests can be made to wait for what the second does.
func newPair(t *testing.T) (a, b *rig, between *flaky) {
	t.Helper()
	return newPairOf(t, 5<<20)
}

// newPairOf is newPair with parts of a size.
func newPairOf(t *testing.T, part int64) (a, b *rig, between *flaky) {
	t.Helper()
	a = newRigOf(t, crypt.CTR, part)
	a.close()
	raw := a.store
	between = &flaky{Store: raw}
	a.o.Store, a.o.Fresh = between, -1
	a.open("spool-a")
	b = &rig{t: t, home: a.home, store: raw, keeper: a.keeper, max: a.max, o: a.o}
	b.o.Store = raw
	b.open("spool-b")
	t.Cleanup(b.close)
	return a, b, between
}

// once runs f before the first request of the kind for the key.
func (f *flaky) once(op, key string, do func()) {
	var one sync.Once
	f.set(func(o, k string) error {
		if o == op && k == key {
			one.Do(do)
		}
		return nil
	})
}

// beside is the content under a conflict name made from name; the test fails if there is not just one.
func (r *rig) beside(name string) []byte {
	r.t.Helper()
	ext := filepath.Ext(name)
	var found []string
	entries, err := r.v.Root().ReadDir(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind != Sidecar && strings.HasPrefix(e.Name, strings.TrimSuffix(name, ext)+" (conflict ") && strings.HasSuffix(e.Name, ext) {
			found = append(found, e.Name)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("beside %s stand %q, want one", name, found)
	}
	return r.load(found[0])
}

// reads demands a content on this machine.
func (r *rig) reads(name, want string) {
	r.t.Helper()
	if got := string(r.load(name)); got != want {
		r.t.Errorf("%s reads %q, want %q", name, got, want)
	}
}

// open opens a file for change.
func (r *rig) openFile(name string, flags int) *Handle {
	r.t.Helper()
	h, err := r.node(name).Open(r.t.Context(), flags, nil)
	if err != nil {
		r.t.Fatalf("open %s: %v", name, err)
	}
	return h
}

// settled waits for both and checks what the store holds.
func settled(a, b *rig) {
	a.t.Helper()
	a.sync()
	b.sync()
	b.truthful()
	for _, key := range b.objects() {
		if base, is := sidecar.Base(key); !is {
			if _, err := b.store.Head(b.t.Context(), sidecar.Name(key)); err != nil {
				b.t.Errorf("%s has no sidecar: %v", key, err)
			}
		} else if _, err := b.store.Head(b.t.Context(), base); err != nil {
			b.t.Errorf("%s has no file: %v", key, err)
		}
	}
}

func TestBothChangeOneFile(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("f.txt", []byte("one"))
	ha, hb := a.openFile("f.txt", os.O_RDWR), b.openFile("f.txt", os.O_RDWR)
	a.write(ha, []byte("from a"), 0)
	b.write(hb, []byte("from b"), 0)
	a.finish(ha)
	if err := hb.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Errorf("the second close gave %v, want ErrStale", err)
	}
	hb.Release()
	settled(a, b)
	for _, r := range []*rig{a, b} {
		r.reads("f.txt", "from a")
		if got := string(r.beside("f.txt")); got != "from b" {
			t.Errorf("the conflict reads %q", got)
		}
	}
}

// TestWriteAfterNewsFromElsewhere: a file is open, but not changed yet, when a
// listing shows another machine's version. What is written then is neither lost
// nor goes over the new version.
func TestWriteAfterNewsFromElsewhere(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("f.txt", []byte("one"))
	h := a.openFile("f.txt", os.O_RDWR)
	old := h.Node()
	b.save("f.txt", []byte("from b"))
	a.reads("f.txt", "from b")
	if _, err := old.Open(t.Context(), os.O_RDONLY, nil); !errors.Is(err, ErrStale) {
		t.Errorf("the old version can be opened anew: %v", err)
	}
	mode := uint32(0o600)
	if _, err := old.SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); !errors.Is(err, ErrStale) {
		t.Errorf("chmod of the old version gave %v", err)
	}
	a.write(h, []byte("from a"), 0)
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Errorf("close gave %v, want ErrStale", err)
	}
	h.Release()
	settled(a, b)
	for _, r := range []*rig{a, b} {
		r.reads("f.txt", "from b")
		if got := string(r.beside("f.txt")); got != "from a" {
			t.Errorf("the conflict reads %q", got)
		}
	}
	// The conflict file is an ordinary one.
	h = a.openFile(func() string {
		for _, k := range a.objects() {
			if strings.Contains(k, "conflict") && !sidecar.Is(k) {
				return k
			}
		}
		return ""
	}(), os.O_RDWR)
	a.write(h, []byte("again"), 0)
	a.finish(h)
}

func TestRenameOverWhatAnotherSaved(t *testing.T) {
	for _, before := range []bool{true, false} {
		a, b, between := newPair(t)
		if before {
			a.save("f.txt", []byte("one"))
		}
		a.save("tmp", []byte("from a"))
		between.once("copy", "tmp", func() { b.save("f.txt", []byte("from b")) })
		if err := a.v.Root().Rename(t.Context(), "tmp", a.v.Root(), "f.txt", 0); err != nil {
			t.Fatal(err)
		}
		settled(a, b)
		for _, r := range []*rig{a, b} {
			r.reads("f.txt", "from b")
			if got := string(r.beside("f.txt")); got != "from a" {
				t.Errorf("the conflict reads %q", got)
			}
			if _, err := r.v.Root().Lookup(t.Context(), "tmp"); !errors.Is(err, ErrNotExist) {
				t.Errorf("the old name is still there: %v", err)
			}
		}
		b.close()
		a.close()
	}
}

// TestRenameOfWhatAnotherSaved: the rename is of the name, so the newer version moves.
func TestRenameOfWhatAnotherSaved(t *testing.T) {
	for _, op := range []string{"head", "copy", "delete"} {
		t.Run(op, func(t *testing.T) {
			a, b, between := newPair(t)
			a.save("f.txt", random(10))
			between.once(op, "f.txt", func() { b.save("f.txt", []byte("from b")) })
			if err := a.v.Root().Rename(t.Context(), "f.txt", a.v.Root(), "g.txt", 0); err != nil {
				t.Fatal(err)
			}
			settled(a, b)
			if op == "delete" { // it came after the copy: both are there
				b.reads("g.txt", string(random(10)))
				b.reads("f.txt", "from b")
				a.reads("f.txt", "from b")
				return
			}
			a.reads("g.txt", "from b")
			b.reads("g.txt", "from b")
			b.expectObjects("g.txt", "g.txt.settings.json")
		})
	}
}

func TestRemoveOfWhatAnotherSaved(t *testing.T) {
	for _, key := range []string{"f.txt", "f.txt.settings.json"} {
		a, b, between := newPair(t)
		a.save("f.txt", []byte("one"))
		between.once("delete", key, func() { b.save("f.txt", []byte("from b")) })
		if err := a.v.Root().Remove(t.Context(), "f.txt"); err != nil {
			t.Fatal(err)
		}
		settled(a, b)
		a.reads("f.txt", "from b")
		b.reads("f.txt", "from b")
		b.close()
		a.close()
	}
}

// TestRemoveWhileCommitting: what is removed may turn out never to have come to
// be, since another machine was first; that one's version stays.
func TestRemoveWhileCommitting(t *testing.T) {
	a, b, between := newPair(t)
	h := a.create("f.txt", 0)
	a.write(h, []byte("from a"), 0)
	between.once("put", "f.txt", func() {
		b.save("f.txt", []byte("from b"))
		if err := a.v.Root().Remove(t.Context(), "f.txt"); err != nil {
			t.Errorf("remove: %v", err)
		}
	})
	_ = h.Flush(t.Context(), nil)
	h.Release()
	settled(a, b)
	a.reads("f.txt", "from b")
	b.reads("f.txt", "from b")
}

// TestRemoveAfterChmodElsewhere leaves no sidecar behind, though its ETag is another.
func TestRemoveAfterChmodElsewhere(t *testing.T) {
	a, b, between := newPair(t)
	b.save("f.txt", []byte("one"))
	a.node("f.txt")
	between.once("delete", "f.txt.settings.json", func() { b.chmod("f.txt", 0o600); b.sync() })
	if err := a.v.Root().Remove(t.Context(), "f.txt"); err != nil {
		t.Fatal(err)
	}
	a.sync()
	b.expectObjects()
}

func (r *rig) chmod(name string, mode uint32) {
	r.t.Helper()
	if _, err := r.node(name).SetAttr(r.t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
		r.t.Fatalf("chmod %s: %v", name, err)
	}
}

func (r *rig) mode(name string) uint32 {
	r.t.Helper()
	at, err := r.node(name).Attr(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return at.Mode & 0o7777
}

// TestAttributesMerge: what two machines change of one file's attributes, or one
// of its attributes and one of its content, is all there in the end.
func TestAttributesMerge(t *testing.T) {
	stamp := time.Unix(1_600_000_000, 123456789)
	t.Run("two attributes", func(t *testing.T) {
		a, b, between := newPair(t)
		a.save("f", []byte("one"))
		between.once("put", "f.settings.json", func() { b.chmod("f", 0o600); b.sync() })
		if _, err := a.node("f").SetAttr(t.Context(), nil, SetAttr{Mtime: &stamp}); err != nil {
			t.Fatal(err)
		}
		settled(a, b)
		for _, r := range []*rig{a, b} {
			at, err := r.node("f").Attr(t.Context())
			if err != nil || at.Mode&0o7777 != 0o600 || !at.Mtime.Equal(stamp) {
				t.Errorf("mode %o, mtime %v (%v)", at.Mode, at.Mtime, err)
			}
		}
	})
	t.Run("mode after content", func(t *testing.T) {
		a, b, between := newPair(t)
		a.save("f", []byte("one"))
		between.once("put", "f.settings.json", func() { b.save("f", []byte("from b")) })
		a.chmod("f", 0o600)
		settled(a, b)
		for _, r := range []*rig{a, b} {
			r.reads("f", "from b")
			if got := r.mode("f"); got != 0o600 {
				t.Errorf("mode is %o", got)
			}
		}
	})
	t.Run("content after mode", func(t *testing.T) {
		a, b, between := newPair(t)
		a.save("f", []byte("one"))
		between.once("put", "f", func() { b.chmod("f", 0o600); b.sync() })
		a.save("f", []byte("from a"))
		settled(a, b)
		for _, r := range []*rig{a, b} {
			r.reads("f", "from a")
			if got := r.mode("f"); got != 0o600 {
				t.Errorf("mode is %o", got)
			}
		}
	})
	t.Run("mode while renamed", func(t *testing.T) {
		a, b, between := newPair(t)
		a.save("f", []byte("one"))
		between.once("copy", "f", func() { b.chmod("f", 0o600); b.sync() })
		if err := a.v.Root().Rename(t.Context(), "f", a.v.Root(), "g", 0); err != nil {
			t.Fatal(err)
		}
		settled(a, b)
		for _, r := range []*rig{a, b} {
			if got := r.mode("g"); got != 0o600 {
				t.Errorf("mode is %o", got)
			}
		}
		b.expectObjects("g", "g.settings.json")
	})
}

// TestBaseCopiedOntoItself is no conflict: the IV is the same.
func TestBaseCopiedOntoItself(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("f", random(6<<20))
	h := a.openFile("f", os.O_RDWR)
	a.write(h, []byte("changed"), 100)
	copyOnto(t, a.store, "f")
	a.finish(h)
	settled(a, b)
	want := random(6 << 20)
	copy(want[100:], "changed")
	if !bytes.Equal(b.load("f"), want) {
		t.Error("the change is not there")
	}
	b.expectObjects("f", "f.settings.json")
}

func copyOnto(t *testing.T, s store.Store, key string) {
	t.Helper()
	info, err := s.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Copy(t.Context(), store.Copy{
		Source: key, SourceIfMatch: info.ETag, Target: key, Size: info.Size,
		Attributes: store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBaseVanishes: close tells, and what there is of the draft is kept.
func TestBaseVanishes(t *testing.T) {
	whole := random(1 << 20)
	t.Run("with bytes that are needed", func(t *testing.T) {
		a, b, _ := newPair(t)
		b.save("f.bin", whole)
		h := a.openFile("f.bin", os.O_RDWR)
		a.write(h, random(65536), 0)
		if err := b.v.Root().Remove(t.Context(), "f.bin"); err != nil {
			t.Fatal(err)
		}
		b.sync()
		if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
			t.Errorf("close gave %v, want ErrStale", err)
		}
		h.Release()
		b.expectObjects()
	})
	t.Run("with none", func(t *testing.T) {
		a, b, _ := newPair(t)
		a.save("g.bin", whole)
		h := a.openFile("g.bin", os.O_RDWR)
		a.write(h, []byte("from a"), 0)
		if err := b.v.Root().Remove(t.Context(), "g.bin"); err != nil {
			t.Fatal(err)
		}
		b.sync()
		if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
			t.Errorf("close gave %v, want ErrStale", err)
		}
		h.Release()
		settled(a, b)
		copy(whole, "from a")
		if !bytes.Equal(b.beside("g.bin"), whole) {
			t.Error("what was saved is not kept beside")
		}
	})
}

// TestConflictWithDroppedBlocks: parts of a long file are in the store alone, so
// it is the other machine's version that takes the conflict name.
func TestConflictWithDroppedBlocks(t *testing.T) { synctest.Test(t, conflictWithDroppedBlocks) }

func conflictWithDroppedBlocks(t *testing.T) {
	for _, theirs := range []bool{true, false} {
		a, b, _ := newPairOf(t, lightPart)
		a.close()
		a.max = 3 << 20 // eight parts under way, and maps
		a.open("spool-small")
		long := random(90 << 16)
		if !theirs {
			b.save("f.bin", []byte("one"))
		}
		h := a.create("f.bin", os.O_TRUNC)
		for off := 0; off < len(long); off += 64 << 10 {
			a.write(h, long[off:off+64<<10], int64(off))
		}
		h.n.content.Lock()
		dropped := h.n.content.WholeLocked()
		h.n.content.Unlock()
		if !file.IsSent(dropped) {
			t.Fatal("nothing was dropped: what this test is for was not tried")
		}
		if theirs {
			b.save("f.bin", []byte("from b"))
		} else if err := b.v.Root().Remove(t.Context(), "f.bin"); err != nil {
			t.Fatal(err)
		}
		b.sync()
		a.finish(h)
		settled(a, b)
		for _, r := range []*rig{a, b} {
			if !bytes.Equal(r.load("f.bin"), long) {
				t.Error("the long file is not what was written")
			}
			if theirs {
				if got := string(r.beside("f.bin")); got != "from b" {
					t.Errorf("the conflict reads %q", got)
				}
			}
		}
		if !theirs {
			b.expectObjects("f.bin", "f.bin.settings.json")
		}
		b.close()
		a.close()
	}
}

// TestOwnVersionIsNoConflict: what a commit finds in its way is this machine's own, though
// it did not know that it was to replace it. That is nobody else's doing.
func TestOwnVersionIsNoConflict(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", []byte("one"))
	n := r.node("a")
	h := r.openFile("a", os.O_RDWR|os.O_TRUNC)
	n.content.Lock()
	n.content.Replaces = nil
	n.content.Unlock()
	r.write(h, []byte("two"), 0)
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Errorf("close: %v", err)
	}
	h.Release()
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.holds("in the end", map[string]string{"a": "two"})
	r.truthful()
}

// TestOwnVersionMovedElsewhere: what a commit finds in its way was saved on this machine,
// under another name, and another machine has moved it here. That is the other's save.
func TestOwnVersionMovedElsewhere(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("a.txt", []byte("precious"))
	a.save("b.txt", []byte("old"))
	h := a.openFile("b.txt", os.O_RDWR|os.O_TRUNC)
	a.write(h, []byte("new"), 0)
	if err := b.rename("a.txt", "b.txt", 0); err != nil {
		t.Fatal(err)
	}
	b.sync()
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Errorf("close gave %v, want ErrStale", err)
	}
	h.Release()
	settled(a, b)
	for _, r := range []*rig{a, b} {
		r.reads("b.txt", "precious")
		if got := string(r.beside("b.txt")); got != "new" {
			t.Errorf("the conflict reads %q", got)
		}
	}
}

// TestOwnVersionPutBack: what a commit finds in its way was saved on this machine under
// this name, but replaced since; another machine had moved it away, and has moved it back.
func TestOwnVersionPutBack(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("b.txt", []byte("precious"))
	if err := b.rename("b.txt", "a.txt", 0); err != nil {
		t.Fatal(err)
	}
	b.sync()
	a.save("b.txt", []byte("old"))
	h := a.openFile("b.txt", os.O_RDWR|os.O_TRUNC)
	a.write(h, []byte("new"), 0)
	if err := b.rename("a.txt", "b.txt", 0); err != nil {
		t.Fatal(err)
	}
	b.sync()
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Errorf("close gave %v, want ErrStale", err)
	}
	h.Release()
	settled(a, b)
	for _, r := range []*rig{a, b} {
		r.reads("b.txt", "precious")
		if got := string(r.beside("b.txt")); got != "new" {
			t.Errorf("the conflict reads %q", got)
		}
	}
}
