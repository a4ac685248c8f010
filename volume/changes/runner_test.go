package changes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/commit"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// TestCarriedOut: what is queued is carried out in its turn, and told; then nothing is left of it.
func TestCarriedOut(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.has("a", "c")
		first := r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
		r.add(Change{Op: Rename, Path: "b", To: "d/a", Ver: version("a", 1)})
		r.add(Change{Op: Move, Path: "d/", To: "e/"})
		r.expectTries("rename a>b", "rename b>d/a", "move d/>e/")
		r.expectEvents("rename a b", "rename b d/a", "rename d e")
		r.expectNone()
		r.add(Change{Op: Remove, Path: "c", Ver: version("c", 2)})
		r.add(Change{Op: Rmdir, Path: "c/"})
		r.expectEvents("remove c", "remove c")
		r.locked(func() {
			if first.ended != 1 || r.ended != 5 || r.runner.Steps() < 5 {
				t.Errorf("the host was told %d times, others %d, after %d steps", first.ended, r.ended, r.runner.Steps())
			}
		})
	})
}

// TestStays: a removal that has left something in the store is no event.
func TestStays(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.add(Change{Op: Remove, Path: "a", Ver: version("a", 1), Stays: true})
		r.add(Change{Op: Rename, Path: "b", To: "c", Ver: remote.NewVersion(remote.Content{}, remote.State{})})
		r.expectEvents("failure rename b") // the store has none
	})
}

// TestTriedAgain: a failure that may pass is said once and tried again; what waits behind it knows.
func TestTriedAgain(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.has("a")
		r.fail(store.ErrUnavailable)
		h := r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
		synctest.Wait()
		r.locked(func() {
			behind, other := r.queue.AddLocked(nil, "b"), r.queue.AddLocked(nil, "z")
			b, ok := r.runner.BeforeLocked(behind)
			if !ok || !errors.Is(b.Why, store.ErrUnavailable) || b.Moved == 0 {
				t.Errorf("%+v, %t", b, ok)
			}
			if _, ok := r.runner.BeforeLocked(other); ok {
				t.Error("what does not wait is told that it does")
			}
			r.queue.FinishLocked(behind)
			r.queue.FinishLocked(other)
			if h.c.Tries != 1 || h.c.Reason == "" || h.ended > 0 {
				t.Errorf("%d tries, because of %q", h.c.Tries, h.c.Reason)
			}
		})
		time.Sleep(time.Hour)
		r.expectJournaled("rename a>b")
		r.expectEvents("failure rename a")
		r.fail(nil)
		time.Sleep(time.Minute)
		r.expectNames("b")
		r.expectEvents("rename a b")
		r.expectNone()
	})
}

// TestGivenUp: what cannot succeed is told, and ends, after as many tries as its failure deserves.
func TestGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		within time.Duration
	}{
		"not there":    {store.ErrNotExist, 0},
		"refused":      {store.ErrPrecondition, 0},
		"unknown word": {fmt.Errorf("%w: %q", ErrUnknown, "fly"), 0},
		"unexplained":  {errors.New("a riddle"), Unexplained + time.Minute},
		"full disk":    {syscall.ENOSPC, diskFails + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				r.fail(c.err)
				h := r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
				synctest.Wait()
				r.locked(func() {
					if early := h.ended > 0; early != (c.within == 0) {
						t.Errorf("it ended with its first try: %t", early)
					}
				})
				time.Sleep(c.within)
				r.expectNone()
				if !errors.Is(h.givenUp, c.err) || h.ended != 1 {
					t.Errorf("given up for %v, and ended %d times", h.givenUp, h.ended)
				}
			})
		})
	}
}

// TestGivesWay: what comes to a name that another machine has taken goes to another one, of
// which the journal knows, and keeps others from that until it is there.
func TestGivesWay(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.has("a", "b")
		r.fail(store.ErrUnavailable)
		h := r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
		synctest.Wait()
		r.must(h.GiveWay())
		r.expectJournaled("rename a>b (conflict)")
		var aside *queue.Job
		r.locked(func() {
			aside = h.c.AsideLocked()
			if behind := r.queue.AddLocked(nil, "b (conflict)"); !aside.KeepsBackLocked(behind) {
				t.Error("others are not kept from the name")
			} else {
				r.queue.FinishLocked(behind)
			}
		})
		r.fail(nil)
		time.Sleep(time.Minute)
		r.expectNames("b", "b (conflict)")
		r.expectNone()
		r.locked(func() {
			if r.queue.BusyLocked("b (conflict)") {
				t.Error("others are still kept from the name")
			}
		})
	})
}

// TestTaken: it gives way by itself, and at once.
func TestTaken(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.has("a", "b")
		r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
		r.expectTries("rename a>b", "rename a>b (conflict)")
		r.expectEvents("rename a b (conflict)")
		r.expectNone()
	})
}

// TestPartIsNotJournaled: a part of a larger change has no number, and stays out of the journal.
func TestPartIsNotJournaled(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		part := &host{r: r, c: &Change{Op: Rename, Path: "d/a", To: "e/a", Ver: version("d/a", 1)}}
		r.must(part.GiveWay())
		if part.c.To != "e/a (conflict)" {
			t.Errorf("it goes to %q", part.c.To)
		}
		r.expectJournaled()
	})
}

// TestStopped: what was not finished when the rig stopped is taken up by the next one.
func TestStopped(t *testing.T) {
	home := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, home)
		r.fail(store.ErrUnavailable)
		r.add(Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)})
		r.delay(Change{Op: Attr, Path: "c", Ver: version("c", 2)})
		synctest.Wait()
		r.close()
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, home)
		r.has("a")
		r.expectJournaled("rename a>b", "attr c")
		for _, c := range r.journaled() {
			h := &host{r: r, c: &c, path: c.Path}
			r.locked(func() {
				r.runner.AddLocked(h.c, h)
				if r.runner.RetractLocked(h.c) {
					t.Error("what may have begun in an earlier mount was retracted")
				}
			})
		}
		r.expectNames("b", "c")
		r.expectNone()
	})
}

// TestStoppedInTheMiddle: a try that the end of the mount cuts off says nothing of its change.
func TestStoppedInTheMiddle(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		h := &host{r: r, c: &Change{Op: Rename, Path: "a", To: "b", Ver: version("a", 1)}}
		h.carry = func(ctx context.Context) error { <-ctx.Done(); return store.ErrPrecondition }
		r.addHost(h)
		synctest.Wait()
		r.stop(commit.ErrStopping)
		r.expectJournaled("rename a>b")
		r.expectEvents()
		if h.ended > 0 || h.givenUp != nil {
			t.Errorf("it ended, given up for %v", h.givenUp)
		}
	})
}

// TestDeadline: small requests have one; what takes as long as its size asks has the store's alone.
func TestDeadline(t *testing.T) {
	for op, want := range map[string]bool{Remove: true, Mkdir: true, Rmdir: true, Attr: true, Link: true, Rename: false, Move: false, Localise: false} {
		t.Run(op, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				h := &host{r: r, c: &Change{Op: op, Path: "a", Ver: version("a", 1)}}
				h.carry = func(ctx context.Context) error {
					if at, has := ctx.Deadline(); has != want || has && time.Until(at) > requestTimeout {
						t.Errorf("a deadline: %t, %v", has, at)
					}
					return nil
				}
				r.addHost(h)
				r.expectNone()
				if h.ended != 1 {
					t.Errorf("it ended %d times", h.ended)
				}
			})
		})
	}
}

// TestNoFurther: what a try does once more is no progress; while it is under way, no other is due.
func TestNoFurther(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		var steps []int64
		h := &host{r: r, c: &Change{Op: Move, Path: "d/", To: "e/"}}
		h.carry = func(context.Context) error {
			h.c.StrideOf("d/a").Step(3)
			steps = append(steps, r.runner.Steps())
			r.locked(func() {
				if !h.c.Next.IsZero() {
					t.Errorf("while a try is under way, another is due %v", h.c.Next)
				}
			})
			return store.ErrUnavailable
		}
		r.addHost(h)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(steps) < 3 || steps[0] != 3 || steps[len(steps)-1] != 3 {
			t.Errorf("the steps after each try: %d", steps)
		}
	})
}

// TestMoveIsOver: a machine that goes down once the tree knows that a directory has moved finds the
// move no more in the journal; of what may be done twice it does, for a while.
func TestMoveIsOver(t *testing.T) {
	for _, c := range []struct {
		change Change
		left   int
	}{{Change{Op: Move, Path: "d/", To: "e/"}, 0}, {Change{Op: Rmdir, Path: "f/"}, 1}} {
		t.Run(c.change.Op, func(t *testing.T) {
			run(t, func(t *testing.T, r *rig) {
				down := t.TempDir() // what such a machine has
				h := &host{r: r, c: &c.change, atEnd: func() { r.must(os.CopyFS(down, os.DirFS(r.home))) }}
				r.addHost(h)
				r.expectNone()
				r.close()
				r.must(filepath.WalkDir(down, func(path string, _ fs.DirEntry, err error) error {
					return errors.Join(err, os.Chmod(path, 0o700)) // which the copy is not
				}))
				s, err := spool.Open(spool.Options{Dir: filepath.Join(down, "spool"), MaxSize: 1 << 30, Log: slog.New(slog.DiscardHandler)})
				r.must(err)
				defer s.Close()
				if kept, err := s.Journal().Changes(); err != nil || len(kept) != c.left {
					t.Errorf("it has %d changes, %v", len(kept), err)
				}
			})
		})
	}
}

// TestPasses: what a change takes to a path is seen from there, but by itself and through attributes.
func TestPasses(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.fail(store.ErrUnavailable)
		move := r.add(Change{Op: Move, Path: "d/", To: "e/"})
		r.delay(Change{Op: Attr, Path: "f", Ver: version("f", 1)})
		r.locked(func() {
			for path, want := range map[string]bool{"d/a": true, "e": true, "f": false, "x": false} {
				if r.runner.PassesLocked(path, nil) != want || r.runner.PassesLocked(path, move.c) {
					t.Errorf("%s is passed: %t", path, !want)
				}
			}
		})
	})
}

// TestWorthAnother: which failures of a change of names are followed by another try.
func TestWorthAnother(t *testing.T) {
	since := func(d time.Duration) *Change { return &Change{Retry: queue.Retry{Failing: time.Now().Add(-d)}} }
	young, old := since(Unexplained/2), since(diskFails+time.Hour)
	for _, c := range []struct {
		err        error
		young, old bool
	}{
		{nil, false, false},
		{store.ErrUnavailable, true, true},
		{store.ErrDenied, true, true},
		{store.ErrConflict, true, true},
		{store.ErrNotExist, false, false},
		{errors.Join(ErrBusy, store.ErrNotExist), true, true},
		{store.ErrPrecondition, false, false},
		{spool.ErrCorrupt, false, false},
		{ErrUnknown, false, false},
		{syscall.ENOSPC, true, false},
		{errors.New("anything else"), true, false},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("rename: %w", err)
		}
		if young.worthAnother(err) != c.young || old.worthAnother(err) != c.old {
			t.Errorf("%v: not %t after some minutes, %t after more than a day", err, c.young, c.old)
		}
	}
	for err, want := range map[error]bool{errors.New("anything else"): false, syscall.ENOSPC: true} {
		if since(time.Hour).worthAnother(err) != want {
			t.Errorf("%v: not %t after an hour", err, want)
		}
	}
	if !(&Change{}).worthAnother(syscall.EIO) {
		t.Error("the first failure is the last")
	}
}

// TestMovedAlong: what a change knows of a version serves one who finds it without its sidecar; and
// a version that only a listing has named is found where it has been moved, and no other.
func TestMovedAlong(t *testing.T) {
	run(t, func(t *testing.T, r *rig) {
		r.fail(store.ErrUnavailable)
		listed := remote.Listing{Key: "d/a", ETag: `"e"`, Size: 5} // as known has it, too
		only, later, known := remote.Listed(listed), remote.Listed(remote.Listing{Key: "d/a", ETag: `"2"`}), version("d/a", 1)
		r.add(Change{Op: Rename, Path: "x", To: "y", Ver: known, Replaces: only})
		r.add(Change{Op: Rename, Path: "u", To: "z", Ver: later, Replaces: version("z", 3)})
		found, over, other := version("e/a", 1), version("e/z", 3), version("e/b", 2)
		for _, x := range []*remote.Version{found, over, other} {
			x.SetAttr(sidecar.Attr{})
		}
		r.locked(func() {
			for _, x := range []*remote.Version{found, over} {
				if !r.runner.LendAttrLocked(x) || x.Attr().UID != known.Attr().UID {
					t.Errorf("found, it has %+v", x.Attr())
				}
			}
			if r.runner.LendAttrLocked(other) || other.Attr().UID != 0 {
				t.Errorf("another has %+v", other.Attr())
			}
			r.runner.RedirectLocked(listed, remote.Listed(remote.Listing{Key: "e/a", ETag: `"3"`}))
		})
		for x, want := range map[*remote.Version]string{only: "e/a", later: "d/a", known: "d/a"} {
			if key, etag := x.Place(); key != want || (want == "e/a") != (etag == `"3"`) {
				t.Errorf("it stands at %s with %s, want %s", key, etag, want)
			}
		}
	})
}
