package volume

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/volume/commit"
	"mcfs/volume/file"
)

// TestRenamedWhileItsCloseWaits: a close waits for a commit, and the file is renamed to a
// local-only name. There is no commit to wait for then: close returns 0 with the file safe
// in the spool, and does not wait for its time-out to say that the store is away.
func TestRenamedWhileItsCloseWaits(t *testing.T) {
	closes := func(h *Handle) <-chan error {
		ended := make(chan error, 1)
		go func() { ended <- h.Flush(h.n.v.ctx, nil) }()
		return ended
	}
	soon := func(t *testing.T, r *rig, ended <-chan error) {
		t.Helper()
		begun := time.Now()
		if err := <-ended; err != nil {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(begun); took > r.o.CloseTimeout/2 {
			t.Errorf("close took %s", took)
		}
	}
	t.Run("before its turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.save("a", []byte("old"))
			r.sync()
			f.set(down)
			r.mustRename("a", "b", 0) // for which the next a waits
			h := r.create("a", os.O_TRUNC)
			r.write(h, []byte("text"), 0)
			ended := closes(h)
			synctest.Wait()
			r.mustRename("a", "a~", 0)
			soon(t, r, ended)
			h.Release()
			f.set(nil)
			r.sync()
			r.expectObjects("b", "b.settings.json")
			r.holds("in the end", map[string]string{"a": "", "a~": "text", "b": "old"})
		})
	})
	t.Run("while an earlier commit ends", func(t *testing.T) {
		r, f := newFlakyRig(t, crypt.CTR)
		r.close()
		r.o.CloseTimeout = time.Minute
		r.open("spool-flaky")
		gate := make(chan struct{})
		f.set(func(op, key string) error {
			if op == "put" && key == "a.settings.json" {
				<-gate
			}
			return nil
		})
		h := r.create("a", os.O_TRUNC)
		r.write(h, []byte("text"), 0)
		first := closes(h)
		n := r.node("a")
		until(t, "its object is there", func() bool { return r.stage(n) == commit.Stored })
		r.mustRename("a", "a~", 0)
		r.write(h, []byte("next"), 0)
		second := closes(h)
		until(t, "a second close waits", func() bool {
			n.content.Lock()
			defer n.content.Unlock()
			return n.content.Expected == 2
		})
		close(gate)
		soon(t, r, first)
		soon(t, r, second)
		h.Release()
		r.sync()
		r.expectObjects()
		r.holds("in the end", map[string]string{"a": "", "a~": "next"})
	})
}

// shell is a process that has a duplicate of what it closes while it says so.
type shell struct{ duplicates bool }

func (s *shell) Same(other Process) bool   { return s == other }
func (s *shell) Fate() Fate                { return Alive }
func (s *shell) Holds(uint64, string) bool { return s.duplicates }

// TestDuplicateWhileAnEarlierOpeningEnds: a shell saves a file, opens it again, and closes a
// duplicate, and the kernel has not released the first opening yet. The half of the second
// content is not committed, unless a process may still have the first.
func TestDuplicateWhileAnEarlierOpeningEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		another bool  // process has closed the first opening
		want    int64 // bytes
	}{{"closed by it", false, 5}, {"closed by another", true, 8}} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			s := &shell{}
			h := r.create("a", os.O_TRUNC)
			h.by = s
			if r.write(h, []byte("first"), 0); c.another {
				h.by = &shell{}
			}
			if err := h.Flush(t.Context(), h.by); err != nil {
				t.Fatal(err)
			}
			n := r.node("a")
			second, err := n.Open(t.Context(), os.O_RDWR, s)
			if err != nil {
				t.Fatal(err)
			}
			stores := func(when string, want int64) {
				if info, err := r.store.Head(t.Context(), "a"); err != nil || info.Size != want {
					t.Errorf("%s the store has %d bytes, not %d: %v", when, info.Size, want, err)
				}
			}
			r.write(second, []byte("the seco"), 0)
			s.duplicates = true
			if err := second.Flush(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			stores("while a duplicate is open", c.want)
			h.Release()
			r.write(second, []byte("the second"), 0)
			s.duplicates = false
			if err := second.Flush(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			stores("in the end", 10)
			second.Release()
		})
	}
}

// TestRenameBeforeTheRelease: a file is closed under a temporary name and renamed while the
// kernel's release of it is on its way. Nothing follows that would ask for its commit, so the
// rename does; but not while the process has another descriptor.
func TestRenameBeforeTheRelease(t *testing.T) {
	for _, c := range []struct {
		name      string
		folder    bool // it is the folder that has a temporary name
		duplicate bool
		comes     bool // the release does
		asked     bool
	}{
		{"on its way", false, false, true, true},
		{"of a duplicate", false, true, true, false},
		{"of a child's copy", false, false, false, false},
		{"in a folder", true, false, true, true},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			s := &shell{}
			from, to, name, objects := "a.tmp", "a", "a.tmp", []string{"a", "a.settings.json"}
			if c.folder {
				from, to, name, objects = unisonsFolder, "d", unisonsFolder+"/a", []string{"d/", "d/a", "d/a.settings.json"}
				r.mkdir(unisonsFolder)
			}
			h := r.create(name, os.O_TRUNC)
			h.by = s
			r.write(h, []byte("text"), 0)
			if err := h.Flush(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			f.set(down)
			s.duplicates = c.duplicate
			renamed := make(chan error, 1)
			go func() { renamed <- r.v.Root().Rename(t.Context(), from, r.v.Root(), to, 0) }()
			synctest.Wait()
			if waits := len(renamed) == 0; waits == c.duplicate {
				t.Errorf("the rename waits: %v", waits)
			}
			if c.comes && !c.duplicate {
				h.Release()
			}
			if err := <-renamed; err != nil {
				t.Fatal(err)
			}
			if asked := h.n.content.PeekState() != file.Writing; asked != c.asked {
				t.Errorf("its commit is asked for: %v", asked)
			}
			bury := r.killHolding(f, f.Store, "killed")
			h.Release()
			defer bury()
			if r.sync(); c.asked {
				r.expectObjects(objects...)
			} else {
				r.expectObjects() // as of a killed writer
			}
		})
	}
}
