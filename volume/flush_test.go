package volume

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/volume/commit"
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
