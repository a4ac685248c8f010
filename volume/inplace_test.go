package volume

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/volume/file"
)

// overwrite writes q in order over the beginning of a long file that was committed.
func (r *tight) overwrite(q []byte) (h *Handle, whole []byte) {
	r.t.Helper()
	p := random(longFile)
	r.finish(r.begin("a", p))
	h = r.openFile("a", os.O_RDWR)
	if err := r.fill(h, q); err != nil {
		r.t.Fatalf("write: %v", err)
	}
	if len(q) > longFile {
		return h, q
	}
	return h, append(bytes.Clone(q), p[len(q):]...)
}

// TestReplacedInPlaceInATightSpool: what is written in order over a version, from its start on,
// may be larger than the spool, as a new file may. The rest is the version's.
func TestReplacedInPlaceInATightSpool(t *testing.T) {
	for _, mode := range modes {
		for name, size := range map[string]int{"all": longFile, "longer": longFile + 1<<20, "its beginning": longFile - 1<<20 - 5, "shorter": longFile - 1<<20 - 7} {
			bubble(t, mode.String()+", "+name, func(t *testing.T) {
				r := newTight(t, mode, false)
				h, want := r.overwrite(random(size))
				if d := r.draft(r.v.Status(), "a"); !d.Dropped || d.Safe {
					t.Errorf("status says dropped %v, safe %v", d.Dropped, d.Safe)
				}
				if name == "shorter" {
					want = want[:size]
					r.truncate(h, int64(size))
				}
				r.finish(h)
				for _, when := range []string{"warm", "cold"} {
					if got := r.load("a"); !bytes.Equal(got, want) {
						t.Errorf("%s: %d bytes, not the %d that were written", when, len(got), len(want))
					}
					r.truthful()
					r.cold()
				}
			})
		}
	}
}

// TestReplacedOutOfOrderInATightSpool: what is not written in order does not leave before the
// close: it fails at once, for a reason that status has, and the version is as it was.
func TestReplacedOutOfOrderInATightSpool(t *testing.T) {
	r := newTight(t, modes[0], false)
	p := random(longFile)
	r.finish(r.begin("a", p))
	h := r.openFile("a", os.O_RDWR)
	begun, err := time.Now(), error(nil)
	for off := int64(longFile - tightPart); off >= 0 && err == nil; off -= tightPart {
		_, err = h.WriteAt(t.Context(), random(tightPart), off)
	}
	if took := time.Since(begun); !errors.Is(err, ErrFull) || took > r.o.CloseTimeout {
		t.Errorf("%v after %v", err, took)
	}
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrFull) {
		t.Errorf("close: %v", err)
	}
	h.Release()
	if d := r.draft(r.v.Status(), "a"); d.State != "interrupted" || !strings.Contains(d.Failure.Cause, "in order") {
		t.Errorf("status: %+v, %+v", d, d.Failure)
	}
	r.cold()
	if !bytes.Equal(r.load("a"), p) {
		t.Error("the version is not as it was")
	}
}

// TestReplacedInPlaceOnTwoMachines: where another machine replaces the version meanwhile, what needs
// nothing of it is kept with its name, and the other's beside it. What needs some is lost, and the
// close says so: the other's is what there is.
func TestReplacedInPlaceOnTwoMachines(t *testing.T) {
	synctest.Test(t, replacedInPlaceOnTwoMachines)
}

func replacedInPlaceOnTwoMachines(t *testing.T) {
	for _, whole := range []bool{true, false} {
		a, b, _ := newPairOf(t, lightPart)
		a.close()
		a.max = 3 << 20
		a.open("spool-small")
		long := random(90 << 16)
		b.save("f.bin", random(90<<16))
		h := a.openFile("f.bin", os.O_RDWR)
		end := len(long)
		if !whole {
			end -= 10 << 16
		}
		for off := 0; off < end; off += 64 << 10 {
			a.write(h, long[off:off+64<<10], int64(off))
		}
		h.n.content.Lock()
		dropped := h.n.content.WholeLocked()
		h.n.content.Unlock()
		if !file.IsSent(dropped) {
			t.Fatal("nothing was dropped: what this test is for was not tried")
		}
		b.save("f.bin", []byte("from b"))
		b.sync()
		if err := h.Flush(t.Context(), nil); (err == nil) != whole {
			t.Errorf("close of what was written whole (%v): %v", whole, err)
		}
		h.Release()
		if whole {
			settled(a, b)
			a.reads("f.bin", string(long))
			if got := string(a.beside("f.bin")); got != "from b" {
				t.Errorf("the conflict reads %q", got)
			}
		} else {
			if d := a.draft(a.v.Status(), "f.bin"); d.State != "lost" {
				t.Errorf("status: %+v", d)
			}
			b.reads("f.bin", "from b")
		}
		b.close()
		a.close()
	}
}
