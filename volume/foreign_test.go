package volume

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// foreignSizes cross the block and the part of objects that other programs have put.
var foreignSizes = []int{0, 1, 65536, 65537, 3*65536 + 5, 2*lightPart + 65_536}

// foreignChanges are the ways to change a file in place, and what is left of p.
var foreignChanges = []struct {
	name string
	do   func(r *rig, h *Handle, p []byte) []byte
}{
	{"append", func(r *rig, h *Handle, p []byte) []byte {
		r.write(h, []byte("more"), int64(len(p)))
		return append(bytes.Clone(p), "more"...)
	}},
	{"write over the start", func(r *rig, h *Handle, p []byte) []byte {
		r.write(h, []byte("ours"), 0)
		return append([]byte("ours"), p[min(4, len(p)):]...)
	}},
	{"write in the middle", func(r *rig, h *Handle, p []byte) []byte {
		off := len(p) / 2
		r.write(h, []byte("x"), int64(off))
		return append(append(bytes.Clone(p[:off]), 'x'), p[min(len(p), off+1):]...)
	}},
	{"cut", func(r *rig, h *Handle, p []byte) []byte {
		r.truncate(h, int64(len(p)/2))
		h.touch()
		return p[:len(p)/2]
	}},
	{"grow", func(r *rig, h *Handle, p []byte) []byte {
		r.truncate(h, int64(len(p)+70_000))
		h.touch()
		return append(bytes.Clone(p), make([]byte, 70_000)...)
	}},
	{"empty and write", func(r *rig, h *Handle, p []byte) []byte {
		r.truncate(h, 0)
		r.write(h, []byte("new"), 0)
		return []byte("new")
	}},
	{"punch and write behind", func(r *rig, h *Handle, p []byte) []byte {
		if err := h.Allocate(r.t.Context(), 0, int64(len(p)/2+1), punchHole|keepSize); err != nil {
			r.t.Fatal(err)
		}
		r.write(h, []byte("tail"), int64(len(p)))
		clear := append(make([]byte, min(len(p), len(p)/2+1)), p[min(len(p), len(p)/2+1):]...)
		return append(clear, "tail"...)
	}},
}

// TestChangeForeignFile changes objects that another program has put, without metadata
// or sidecar, in place: the commit encrypts them like any other file.
func TestChangeForeignFile(t *testing.T) {
	for _, mode := range modes {
		for _, size := range foreignSizes {
			t.Run(fmt.Sprintf("%s/%d", mode, size), func(t *testing.T) {
				r := newRigOf(t, mode, lightPart)
				for i := range foreignChanges {
					r.plant(fmt.Sprintf("f%d.bin", i), random(size), nil)
				}
				wants := make(map[string][]byte)
				for i, c := range foreignChanges {
					name := fmt.Sprintf("f%d.bin", i)
					wants[name] = r.changeForeign(name, size, i%2 == 0, c.do)
				}
				r.cold()
				for name, want := range wants {
					if got := r.load(name); !bytes.Equal(got, want) {
						t.Errorf("%s after %s: %d bytes, want %d", name, "a restart", len(got), len(want))
					}
					_, info := r.raw(name)
					if _, ours, err := sidecar.ParseObject(info.Metadata); !ours || err != nil {
						t.Errorf("%s is not encrypted: %v", name, err)
					}
				}
				r.truthful()
			})
		}
	}
}

// changeForeign makes one change, after a read or not, and gives what the file holds then.
func (r *rig) changeForeign(name string, size int, read bool, do func(*rig, *Handle, []byte) []byte) []byte {
	r.t.Helper()
	p := random(size)
	if read {
		if got := r.load(name); !bytes.Equal(got, p) {
			r.t.Fatalf("%s: %d bytes before the change", name, len(got))
		}
	}
	h := r.openFile(name, os.O_RDWR)
	want := do(r, h, p)
	if got := r.readAll(h); !bytes.Equal(got, want) {
		r.t.Errorf("%s before close: %d bytes, want %d", name, len(got), len(want))
	}
	r.finish(h)
	if got := r.load(name); !bytes.Equal(got, want) {
		r.t.Errorf("%s after close: %d bytes, want %d", name, len(got), len(want))
	}
	return want
}

// TestRenameForeignDraft renames a foreign file, or the directory above it, while a
// change of it is not committed, and goes on after a kill.
func TestRenameForeignDraft(t *testing.T) {
	for _, name := range []string{"file", "directory"} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/killed=%v", name, killed), func(t *testing.T) {
				r, f := newFlakyRig(t, crypt.CTR)
				p := random(200_000)
				r.plant("d/old", p, nil)
				h := r.openFile("d/old", os.O_RDWR)
				r.write(h, []byte("ours"), 100_000)
				copy(p[100_000:], "ours")
				if err := h.Fsync(t.Context()); err != nil {
					t.Fatal(err)
				}
				path := "d/new"
				if name == "file" {
					r.mustRename("d/old", path, 0)
				} else {
					path = "e/old"
					r.mustRename("d", "e", 0)
				}
				// The copy and the removal of the original are finished; the change is not committed.
				f.await(t, "d/old", func(_ store.Info, err error) bool { return errors.Is(err, store.ErrNotExist) })
				if killed {
					r.crash(f, "spool-crashed")
					r.sync()
					h = r.openFile(path, os.O_RDWR)
				}
				r.write(h, []byte("more"), 0)
				copy(p, "more")
				r.finish(h)
				r.cold()
				if got := r.load(path); !bytes.Equal(got, p) {
					t.Errorf("%d bytes differ from what was written", len(got))
				}
				r.truthful()
			})
		}
	}
}

// TestForeignFileChangedElsewhere: while a change of a foreign file is being written,
// its object is replaced. The unchanged bytes are gone; nothing is mixed.
func TestForeignFileChangedElsewhere(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.plant("a", random(200_000), nil)
	h := r.openFile("a", os.O_RDWR)
	r.write(h, []byte("ours"), 0)
	r.plant("a", random(200_001), nil)
	if err := h.Flush(t.Context(), nil); err == nil {
		t.Error("close promised a file of which the most is gone")
	}
	h.Release()
	if got, _ := r.raw("a"); !bytes.Equal(got, random(200_001)) {
		t.Error("the other's object was replaced")
	}
}
