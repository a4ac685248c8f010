package volume

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/volume/file"
)

// Where a volume is not as a disk is.

// TestUnlinkedVersionGoesStale: an open file that was removed is read from the
// store until another takes its name there; after that what is not cached is gone.
func TestUnlinkedVersionGoesStale(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", random(8<<20))
	r.cold()
	h := r.openFile("a", os.O_RDONLY)
	defer h.Release()
	if err := r.v.Root().Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	r.save("a", []byte("another"))
	r.sync()
	buf := make([]byte, 100)
	if _, err := h.ReadAt(t.Context(), buf, 7<<20); !errors.Is(err, ErrStale) {
		t.Errorf("read of what is gone: %v", err)
	}
	r.reads("a", "another")
}

// TestMissedVersionFailsAtOnce: what was looked for everywhere in vain is not looked
// for again by each of the reads that follow, for a while.
func TestMissedVersionFailsAtOnce(t *testing.T) { synctest.Test(t, missedVersionFailsAtOnce) }

func missedVersionFailsAtOnce(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", random(8<<20))
	r.cold()
	h := r.openFile("a", os.O_RDONLY)
	defer h.Release()
	if err := r.v.Root().Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	r.save("a", []byte("another"))
	r.sync()
	looks := 0
	f.set(func(op, _ string) error {
		looks++ // under the lock of f
		return nil
	})
	read := func(off int64) {
		t.Helper()
		buf := make([]byte, 100)
		if _, err := h.ReadAt(t.Context(), buf, off); !errors.Is(err, ErrStale) {
			t.Errorf("read of what is gone: %v", err)
		}
	}
	read(7 << 20)
	first := looks
	start := time.Now()
	for i := range int64(20) {
		read(i << 18)
	}
	if again := looks - first; again > 0 && time.Since(start) < file.MissFor {
		t.Errorf("looked for %d times again", again)
	}
	time.Sleep(file.MissFor)
	first = looks
	if read(1 << 20); looks == first {
		t.Error("never looked for again")
	}
}

// TestRootKeepsAttributesInMemory: the root has no marker, since no object has an
// empty name: what is set lasts as long as the mount. A directory counts one
// link, whatever is in it.
func TestRootKeepsAttributesInMemory(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := func() Attr {
		t.Helper()
		a, err := r.v.Root().Attr(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before, mode := root(), uint32(0o711)
	r.mkdir("d")
	r.mkdir("d/e")
	if _, err := r.v.Root().SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	if a := root(); a.Mode&0o7777 != mode || a.Nlink != 1 {
		t.Errorf("mode %o, %d links", a.Mode, a.Nlink)
	}
	if a, err := r.node("d").Attr(t.Context()); err != nil || a.Nlink != 1 {
		t.Errorf("%d links, %v", a.Nlink, err)
	}
	r.sync()
	r.expectObjects("d/", "d/e/")
	r.cold()
	if a := root(); a.Mode != before.Mode {
		t.Errorf("mode %o, not %o, in the next mount", a.Mode, before.Mode)
	}
}

// TestTruncateToTheSameSize is no change of content: no object is uploaded.
func TestTruncateToTheSameSize(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", random(100_000))
	r.sync()
	f.set(func(op, key string) error {
		if op != "head" {
			t.Errorf("%s of %s", op, key)
		}
		return nil
	})
	before, err := r.node("a").Attr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := r.openFile("a", os.O_RDWR)
	r.truncate(h, 100_000)
	r.finish(h)
	time.Sleep(2 * releaseDelay)
	r.sync()
	if after, err := r.node("a").Attr(t.Context()); err != nil || !after.Mtime.Equal(before.Mtime) {
		t.Errorf("mtime %v became %v, %v", before.Mtime, after.Mtime, err)
	}
	if list := r.v.Pending(); len(list) > 0 {
		t.Errorf("pending: %+v", list)
	}
}

// TestSidecarOfCommittedVersions: a draft has none; while a committed file is
// written anew, that of the version in the store is there.
func TestSidecarOfCommittedVersions(t *testing.T) {
	r := newRig(t, crypt.CTR)
	absent := func(when string) {
		t.Helper()
		n, err := r.v.Root().Lookup(t.Context(), "a.settings.json")
		if err == nil { // what it has left behind cannot be opened
			_, err = n.Open(t.Context(), os.O_RDONLY, nil)
		}
		if !errors.Is(err, ErrNotExist) {
			t.Errorf("%s: %v", when, err)
		}
	}
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("one"), 0)
	absent("of a draft")
	r.finish(h)
	text := string(r.load("a.settings.json"))
	if a, err := r.node("a.settings.json").Attr(t.Context()); err != nil || a.Size != int64(len(text)) {
		t.Errorf("%d bytes, not %d; %v", a.Size, len(text), err)
	}
	h = r.openFile("a", os.O_RDWR)
	r.write(h, []byte("two"), 0)
	r.reads("a.settings.json", text)
	r.finish(h)
	if got := r.load("a.settings.json"); string(got) == text {
		t.Error("the sidecar is still that of the old version")
	}
	if err := r.v.Root().Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	absent("of a removed file")
}
