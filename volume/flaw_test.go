package volume

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
)

// cramped is a volume in which another file takes the room that a short file needs.
type cramped struct {
	*tight
	ballast *Handle
	p       []byte // what does not fit
}

func newCramped(t *testing.T) *cramped {
	r := &cramped{tight: newTight(t, crypt.CTR, false), p: random(shortFile)}
	r.f.set(down)
	r.ballast = r.create("ballast", os.O_TRUNC)
	if err := r.fill(r.ballast, random(1<<20)); err != nil {
		t.Fatal(err)
	}
	return r
}

// half writes a file until a write fails, and says how far it came.
func (r *cramped) half(name string) (*Handle, int64) {
	r.t.Helper()
	h := r.create(name, os.O_TRUNC)
	if err := r.fill(h, r.p); !errors.Is(err, ErrFull) {
		r.t.Fatalf("write gave %v", err)
	}
	return h, h.Node().content.SizeLocked()
}

// ease makes room again.
func (r *cramped) ease() {
	r.t.Helper()
	r.remove("ballast")
	r.ballast.Release()
	r.f.set(nil)
	until(r.t, "there is room again", func() bool { used, limit := r.spool.Usage(); return used < limit/2+limit/4 })
}

// cutClose closes a file of which a write has failed.
func (r *rig) cutClose(h *Handle, want error) {
	r.t.Helper()
	if err := h.Flush(r.t.Context(), nil); !errors.Is(err, want) {
		r.t.Errorf("close gave %v, want %v", err, want)
	}
	h.Release()
}

// held checks that a file is in the spool, safe, and named with the reason.
func (r *rig) held(name, reason string) {
	r.t.Helper()
	d := r.draft(r.v.Status(), name)
	if d.State != "interrupted" || !d.Safe || d.Failure == nil || !strings.Contains(d.Failure.Cause, reason) {
		r.t.Errorf("status: %+v, %+v", d, d.Failure)
	}
}

// TestHalfFileIsNotPublished: a file of which a write failed is not committed by the
// close of its writer, nor by anything that happens by itself, until a person asks.
func TestHalfFileIsNotPublished(t *testing.T) { synctest.Test(t, halfFileIsNotPublished) }

func halfFileIsNotPublished(t *testing.T) {
	r := newCramped(t)
	h, size := r.half("a")
	r.ease()
	r.cutClose(h, ErrFull)
	r.held("a", "spool is full")
	if err := r.v.Sync(t.Context(), ""); err != nil {
		t.Error(err)
	}
	r.expectObjects()
	r.crash(r.f, "spool-after")
	r.held("a", "spool is full")
	r.expectObjects()
	if err := r.v.Sync(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	r.expectObjects("a", "a.settings.json")
	if got := int64(len(r.load("a"))); got != size {
		t.Errorf("%d bytes, want %d", got, size)
	}
}

// beyond is a place that no GCM object reaches: a write there fails at once.
const beyond = 1<<36 - 32

// TestHalfFilesOfAllKinds: whatever could not be changed, and whatever asks for the
// commit, the close fails with the same error and the file stays.
func TestHalfFilesOfAllKinds(t *testing.T) {
	big := int64(beyond + 1)
	fails := map[string]func(h *Handle) error{
		"a write":     func(h *Handle) error { _, err := h.WriteAt(t.Context(), []byte("x"), beyond); return err },
		"ftruncate":   func(h *Handle) error { _, err := h.Node().SetAttr(t.Context(), h, SetAttr{Size: &big}); return err },
		"first write": func(h *Handle) error { _, err := h.WriteAt(t.Context(), []byte("x"), beyond); return err },
	}
	for what, fail := range fails {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, crypt.GCM)
			h := r.create("a", os.O_TRUNC)
			if what != "first write" {
				r.write(h, []byte("half"), 0)
			}
			if err := fail(h); !errors.Is(err, ErrTooBig) {
				t.Fatal(err)
			}
			other := r.openFile("a", os.O_WRONLY)
			r.write(other, []byte("else"), 4)
			r.cutClose(other, ErrTooBig) // 0 would say that what it wrote is in the store
			r.cutClose(h, ErrTooBig)
			r.sync()
			r.expectObjects()
			r.held("a", "at most")
		})
	}
}

// TestHalfFileAtItsRelease: a file of which a write has failed, and that nobody closed, as through
// a map that outlives its descriptor, is held as well.
func TestHalfFileAtItsRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, crypt.GCM)
		h := r.create("a", os.O_TRUNC)
		r.write(h, []byte("half"), 0)
		if _, err := h.WriteAt(t.Context(), []byte("x"), beyond); !errors.Is(err, ErrTooBig) {
			t.Fatal(err)
		}
		h.Release()
		time.Sleep(2 * releaseDelay)
		synctest.Wait()
		r.sync()
		r.expectObjects()
		r.held("a", "at most")
	})
}

// TestHalfFileMadeGood: a failed write is forgotten once its range has been written, or
// its file emptied or cut before it.
func TestHalfFileMadeGood(t *testing.T) {
	good := map[string]func(r *cramped, h *Handle, size int64){
		"the same again": func(r *cramped, h *Handle, size int64) {
			r.ease()
			r.write(h, r.p[size:], size)
		},
		"cut":     func(r *cramped, h *Handle, size int64) { r.truncate(h, size-100); r.ease() },
		"cut off": func(r *cramped, h *Handle, size int64) { r.truncate(h, size); r.ease() },
		"emptied": func(r *cramped, h *Handle, size int64) {
			r.truncate(h, 0)
			r.write(h, []byte("whole"), 0)
			r.ease()
		},
		"by the next save": func(r *cramped, h *Handle, size int64) {
			r.cutClose(h, ErrFull)
			h = r.create("a", os.O_TRUNC) // into the room that the half had
			r.write(h, r.p[:size], 0)
			r.ease()
			r.finish(h)
		},
		"by whoever writes the rest": func(r *cramped, h *Handle, size int64) {
			r.ease()
			r.cutClose(h, ErrFull)
			r.crash(r.f, "spool-after")
			h = r.openFile("a", os.O_WRONLY)
			r.write(h, r.p[size:], size)
			r.finish(h)
		},
	}
	for how, act := range good {
		bubble(t, how, func(t *testing.T) {
			r := newCramped(t)
			h, size := r.half("a")
			act(r, h, size)
			if err := h.Flush(t.Context(), nil); err != nil {
				t.Error(err)
			}
			h.Release()
			r.expectObjects("a", "a.settings.json")
			r.truthful()
		})
	}
}

// TestCutByTheKernel: with O_DIRECT the kernel cuts a file off where a write of it has
// failed, which makes nothing good; nor do a size beyond, and zeros elsewhere.
func TestCutByTheKernel(t *testing.T) {
	if directFlag == 0 {
		return // there is no such flag
	}
	r := newRig(t, crypt.GCM)
	n, h, err := r.v.Root().Create(t.Context(), "a", os.O_CREATE|os.O_RDWR|directFlag, 0o644, 1, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.WriteAt(t.Context(), []byte("x"), beyond); !errors.Is(err, ErrTooBig) {
		t.Fatal(err)
	}
	zero := int64(0)
	if _, err := n.SetAttr(t.Context(), h, SetAttr{Size: &zero}); err != nil {
		t.Fatal(err)
	}
	if err := h.Allocate(t.Context(), 0, 100, 0); err != nil {
		t.Fatal(err)
	}
	r.cutClose(h, ErrTooBig)
	r.expectObjects()
	r.save("a", []byte("whole"))
	r.expectObjects("a", "a.settings.json")
}

// holder is a process that lives and has another descriptor of what it closes.
type holder struct{}

func (holder) Same(Process) bool         { return true }
func (holder) Fate() Fate                { return Alive }
func (holder) Holds(uint64, string) bool { return true }

// TestHalfFileOfADuplicate: a close tells that a write failed, also where its process
// has another descriptor of the file, so that nothing is committed yet.
func TestHalfFileOfADuplicate(t *testing.T) { synctest.Test(t, halfFileOfADuplicate) }

func halfFileOfADuplicate(t *testing.T) {
	r := newCramped(t)
	h, _ := r.half("a")
	for range 2 {
		if err := h.Flush(t.Context(), holder{}); !errors.Is(err, ErrFull) {
			t.Errorf("close gave %v", err)
		}
	}
	r.cutClose(h, ErrFull)
	r.held("a", "spool is full")
}

// TestHalfFileUnderAnotherName: a half file that bore a local-only name, or none, is
// not published when it gets another.
func TestHalfFileUnderAnotherName(t *testing.T) {
	r := newRig(t, crypt.GCM)
	spoil := func(h *Handle) {
		if _, err := h.WriteAt(t.Context(), []byte("x"), beyond); !errors.Is(err, ErrTooBig) {
			t.Fatal(err)
		}
		r.cutClose(h, ErrTooBig)
	}
	h := r.create(".~lock.a#", os.O_TRUNC)
	r.write(h, []byte("half"), 0)
	spoil(h)
	r.mustRename(".~lock.a#", "a", 0)
	nameless := r.nameless([]byte("half"))
	spoil(nameless)
	if err := r.v.Root().Link(t.Context(), nameless.Node(), "b"); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.await(func(s Status) bool { return len(s.Drafts) == 2 && s.Drafts[0].Safe && s.Drafts[1].Safe })
	r.held("a", "at most")
	r.held("b", "at most")
	r.mustRename("a", "c", 0)
	r.held("c", "at most")
	r.expectObjects()
}

// TestHalfFileOverAWholeOne: what was saved before stays, in the store and where its
// commit still waits; and a file of which nothing could be changed is as it was.
func TestHalfFileOverAWholeOne(t *testing.T) { synctest.Test(t, halfFileOverAWholeOne) }

func halfFileOverAWholeOne(t *testing.T) {
	r, f := newFlakyRig(t, crypt.GCM)
	spoiled := func(name string, p []byte) *Handle {
		h := r.openFile(name, os.O_WRONLY)
		if p != nil {
			r.write(h, p, 0)
		}
		if _, err := h.WriteAt(t.Context(), []byte("x"), beyond); !errors.Is(err, ErrTooBig) {
			t.Fatal(err)
		}
		return h
	}
	r.save("a", []byte("saved before"))
	r.cutClose(spoiled("a", nil), ErrTooBig)
	if s := r.v.Status(); len(s.Drafts) > 0 {
		t.Errorf("nothing was changed: %+v", s.Drafts)
	}
	h := r.openFile("a", os.O_WRONLY)
	r.write(h, []byte("SAVED"), 0)
	f.set(down)
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrIO) {
		t.Fatal(err)
	}
	h.Release()
	h = spoiled("a", []byte("half."))
	r.cutClose(h, ErrTooBig)
	f.set(nil)
	r.await(func(s Status) bool { return r.draft(s, "a").State == "interrupted" })
	if got := string(r.load("a")); got != "half. before" {
		t.Errorf("the mount has %q", got)
	}
	r.truthful()
	r.cold()
	if got := string(r.load("a")); got != "SAVED before" {
		t.Errorf("the store has %q", got)
	}
}
