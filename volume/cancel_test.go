package volume

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
)

// TestOppositesCancel: changes whose turn has not come, and that undo each
// other, come to nothing; the store is not asked at all.
func TestOppositesCancel(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", random(10))
	r.sync()
	var asked atomic.Int64
	f.set(func(string, string) error { asked.Add(1); return nil })
	r.v.mu.Lock()
	busy := r.v.queue.AddLocked(nil, "a", "d", "l")
	r.v.mu.Unlock()

	r.mustRename("a", "b", 0)
	r.mustRename("b", "a", 0)
	r.mkdir("d")
	if err := r.v.Root().Rmdir(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	r.symlink("l", "a")
	r.remove("l")
	if list := r.v.Pending(); len(list) != 0 {
		t.Errorf("pending: %+v", list)
	}
	after := map[string]string{"a": string(random(10)), "b": "", "d": "", "l": ""}
	r.holds("cancelled", after)
	r.v.mu.Lock()
	r.v.queue.FinishLocked(busy)
	r.v.mu.Unlock()
	r.sync()
	if n := asked.Load(); n != 0 {
		t.Errorf("the store was asked for %d changes", n)
	}
	r.expectObjects("a", "a.settings.json")
	r.crash(f, "after")
	r.holds("after a crash", after)
}

// TestWhatHasBegunIsNotCancelled: it is undone by its opposite instead.
func TestWhatHasBegunIsNotCancelled(t *testing.T) { synctest.Test(t, whatHasBegunIsNotCancelled) }

func whatHasBegunIsNotCancelled(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", random(10))
	r.sync()
	f.set(func(op, _ string) error {
		if op == "delete" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "b", 0)
	for r.v.Pending()[0].Reason == "" {
		if t.Context().Err() != nil {
			t.Fatal("the rename has not begun")
		}
	}
	r.mustRename("b", "a", 0)
	f.set(nil)
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.truthful()
	r.cold()
	r.holds("cold", map[string]string{"a": string(random(10)), "b": ""})
}

// TestCancelledRenameLeavesNoTrace: after a rename and its opposite have come to
// nothing, the name is believed of a listing again.
func TestCancelledRenameLeavesNoTrace(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("f", []byte("ours"))
	a.sync()
	a.v.mu.Lock()
	busy := a.v.queue.AddLocked(nil, "f")
	a.v.mu.Unlock()
	a.mustRename("f", "g", 0)
	a.mustRename("g", "f", 0)
	a.v.mu.Lock()
	a.v.queue.FinishLocked(busy)
	a.v.mu.Unlock()
	a.sync()
	b.save("f", []byte("theirs"))
	a.reads("f", "theirs")
}

// TestPassedNameIsNotCancelled: what has come to the old name meanwhile, and has left it again,
// still has to pass there in the store: the rename back is not made by doing nothing.
func TestPassedNameIsNotCancelled(t *testing.T) {
	for what, pass := range map[string]func(r *rig){
		"by an exchange": func(r *rig) { r.mustRename("c", "b", Exchange) },
		"by a rename": func(r *rig) {
			r.mustRename("c", "d", 0)
			r.mustRename("b", "c", 0)
			r.mustRename("d", "b", 0)
		},
	} {
		bubble(t, what, func(t *testing.T) {
			r, _ := newFlakyRig(t, crypt.CTR)
			r.save("b", []byte("b"))
			r.save("c", []byte("c"))
			r.sync()
			r.v.mu.Lock()
			busy := r.v.queue.AddLocked(nil, "b", "c")
			r.v.mu.Unlock()
			pass(r)
			r.mustRename("b", "e", 0)
			r.mustRename("c", "b", 0)
			r.v.mu.Lock()
			r.v.queue.FinishLocked(busy)
			r.v.mu.Unlock()
			r.sync()
			r.expectObjects("b", "b.settings.json", "e", "e.settings.json")
			r.truthful()
			r.holds("in the end", map[string]string{"b": "b", "c": "", "e": "c"})
		})
	}
	bubble(t, "by a symlink", func(t *testing.T) {
		r, _ := newFlakyRig(t, crypt.CTR)
		r.save("b", []byte("b"))
		r.sync()
		r.v.mu.Lock()
		busy := r.v.queue.AddLocked(nil, "b", "c")
		r.v.mu.Unlock()
		r.mustRename("b", "c", 0)
		r.symlink("b", "target")
		r.mustRename("b", "e", 0)
		r.mustRename("c", "b", 0)
		r.v.mu.Lock()
		r.v.queue.FinishLocked(busy)
		r.v.mu.Unlock()
		r.sync()
		r.expectObjects("b", "b.settings.json", "e")
		r.holds("in the end", map[string]string{"b": "b", "c": "", "e": "-> target"})
	})
}
