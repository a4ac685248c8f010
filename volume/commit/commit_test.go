package commit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/event"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/queue"
)

// order notes the requests that change the store.
type order struct {
	mu   sync.Mutex
	list []string
}

func (o *order) note(op, key string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, op+" "+key)
	return nil
}

func (o *order) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer func() { o.list = nil }()
	return o.list
}

// TestCommit: a close hears of success when object and sidecar are there, in this order (P4);
// the sidecar of what is replaced goes before (P3).
func TestCommit(t *testing.T) {
	r, o := newRig(t, time.Minute), new(order)
	r.store.before = o.note
	h := r.file("a.mov", "one")
	r.must(h.save())
	if got, want := o.take(), []string{"put a.mov", "put a.mov.settings.json"}; !slices.Equal(got, want) {
		t.Errorf("a new file: %q, want %q", got, want)
	}
	h.write("two")
	r.must(h.save())
	want := []string{"delete a.mov.settings.json", "put a.mov", "put a.mov.settings.json"}
	if got := o.take(); !slices.Equal(got, want) {
		t.Errorf("over another version: %q, want %q", got, want)
	}
	if len(h.landed) != 2 || h.landed[1].Gen != h.gen() || h.state() != file.Clean || r.events.of(event.Commit) != 2 {
		t.Errorf("%d landed, in state %v, with %d events", len(h.landed), h.state(), r.events.of(event.Commit))
	}
	if h.saves.Load() == 0 {
		t.Error("the journal does not know of what was made")
	}
}

// TestRetry: what the store refuses for a while is tried again, and the object that is there is not
// put a second time for want of its sidecar.
func TestRetry(t *testing.T) {
	r, o := newRig(t, time.Minute), new(order)
	var fails atomic.Int64
	fails.Store(3)
	r.store.before = func(op, key string) error {
		if sidecar.Is(key) && fails.Add(-1) >= 0 {
			return store.ErrUnavailable
		}
		return o.note(op, key)
	}
	h := r.file("a.mov", "one")
	r.must(h.save())
	if got, want := o.take(), []string{"put a.mov", "put a.mov.settings.json"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := r.events.of(event.Failure); n != 1 {
		t.Errorf("%d failures were told, want one", n)
	}
}

// TestOneAtATime: a job with the same path keeps the commit back, and it can be called off
// for a rename until it has sent its last request; then it goes by the name that it began with.
func TestOneAtATime(t *testing.T) {
	r := newRig(t, time.Minute)
	r.mu.Lock()
	other := r.queue.AddLocked(func() {}, "a.mov")
	r.mu.Unlock()
	h := r.file("a.mov", "one")
	h.Ask(Closing)
	r.mu.Lock()
	if a := h.AttemptLocked(); a == nil || a.StageLocked() != Waiting || !a.Job().WaitsLocked() {
		t.Error("the commit does not wait for its turn")
	}
	if !h.PauseLocked() {
		t.Error("a commit that waits cannot be called off")
	}
	h.path = "b.mov"
	h.ResumeLocked()
	r.queue.FinishLocked(other)
	r.mu.Unlock()
	r.must(h.Await(t.Context(), h.gen()))
	if r.has("a.mov") || !r.has("b.mov") {
		t.Error("the file is not where its name says")
	}

	sent, goOn := make(chan struct{}), make(chan struct{})
	r.store.before = func(op, key string) error {
		if op == "put" && key == "b.mov" {
			close(sent)
			<-goOn
		}
		return nil
	}
	h.write("two")
	h.Ask(Closing)
	<-sent
	r.mu.Lock()
	if h.PauseLocked() {
		t.Error("a commit was called off whose last request is on its way")
	}
	h.path = "c.mov"
	h.ResumeLocked()
	r.mu.Unlock()
	close(goOn)
	r.must(h.Await(t.Context(), h.gen()))
	if last := h.landed[len(h.landed)-1]; last.Path != "b.mov" || r.has("c.mov") {
		t.Errorf("it was committed to %s", last.Path)
	}
}

// TestCalledOffAfterAFailure: a rename that comes while a worker decides what follows a failed
// try calls the attempt off, and leaves its end to that worker: it would have gone on with
// the content that the next attempt has by then.
func TestCalledOffAfterAFailure(t *testing.T) {
	for name, change := range map[string]func(h *host){
		"rename": func(h *host) { h.path = "b.mov"; h.ResumeLocked() },
		"rename that goes on later": func(h *host) {
			h.path = "b.mov"
			h.rig.behind.Go(func() {
				h.rig.mu.Lock()
				defer h.rig.mu.Unlock()
				h.ResumeLocked()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, time.Minute)
			h := r.file("a.mov", "one")
			h.judged = store.ErrUnavailable // the sidecar that it would replace cannot be looked at
			var once sync.Once
			r.failed = func() {
				once.Do(func() {
					r.mu.Lock()
					defer r.mu.Unlock()
					h.judged = nil
					was := h.AttemptLocked()
					if !h.PauseLocked() {
						t.Error("an attempt that is to be tried again cannot be called off")
					}
					if was == nil || was.StageLocked() == Ended {
						t.Error("the attempt was ended while its worker decides")
					}
					change(h)
				})
			}
			r.must(h.save())
			if r.has("a.mov") || !r.has("b.mov") {
				t.Error("the file is not where its name says")
			}
		})
	}
}

// TestPaused: no commit begins while the name is about to change, or before the store has said
// what an earlier mount has made.
func TestPaused(t *testing.T) {
	for what, until := range map[string]func(*host){
		"paused":     func(h *host) { h.PauseRemovedLocked() },
		"recovering": func(h *host) { h.RecoverLocked() },
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, time.Minute)
			h := r.file("a.mov", "one")
			r.mu.Lock()
			until(h)
			r.mu.Unlock()
			h.Ask(Closing)
			r.mu.Lock()
			if h.AttemptLocked() != nil {
				t.Error("a commit has begun")
			}
			h.RecoveredLocked()
			h.ResumeLocked()
			r.mu.Unlock()
			r.must(h.Await(t.Context(), h.gen()))
		})
	}
}

// TestConflict: where another machine has made the name meanwhile, its version stays, the close
// hears of it, and the file is committed under the name that it was given (P6).
func TestConflict(t *testing.T) {
	r := newRig(t, time.Minute)
	h := r.file("a.mov", "ours")
	r.put("a.mov", "theirs")
	if err := h.save(); !errors.Is(err, file.ErrStale) {
		t.Errorf("close gave %v", err)
	}
	r.must(h.Await(t.Context(), h.gen()+1)) // which no later write has displaced
	if got, err := r.store.Head(t.Context(), "a.mov"); err != nil || got.Size != int64(len("theirs")) {
		t.Errorf("the other's version is %v, %v", got, err)
	}
	if !r.has("a.mov (conflict)") || !r.has("a.mov (conflict).settings.json") {
		t.Error("ours is not kept beside it")
	}
}

// TestConflictWithItself: an object that a lost answer has hidden from the file is its own, and
// is replaced.
func TestConflictWithItself(t *testing.T) {
	r := newRig(t, time.Minute)
	h := r.file("a.mov", "one")
	r.must(h.save())
	h.c.Lock()
	h.c.Replaces = nil
	h.c.Unlock()
	h.write("two")
	if err := h.save(); err != nil || r.has("a.mov (conflict)") {
		t.Errorf("its own object was taken for another machine's: %v", err)
	}
}

// TestNeverToBeCommitted: what the owner refuses is lost, with its bytes in quarantine, and told to
// whoever waits; what is to be removed is only called off.
func TestNeverToBeCommitted(t *testing.T) {
	for _, why := range []error{file.ErrPermission, naming.ErrTooLong} {
		r := newRig(t, time.Minute)
		h := r.file("a.mov", "one")
		h.judged = why
		if err := h.save(); !errors.Is(err, why) {
			t.Errorf("close gave %v, want %v", err, why)
		}
		left, err := r.spool.Quarantined()
		if h.state() != file.Lost || r.has("a.mov") || err != nil || len(left) != 1 {
			t.Errorf("%v: in state %v, %d in quarantine, %v", why, h.state(), len(left), err)
		}
	}
	r := newRig(t, time.Minute)
	h := r.file("a.mov", "one")
	h.judged = ErrGone
	h.Ask(Closing)
	for ended := false; !ended; {
		r.mu.Lock()
		ended = h.AttemptLocked() == nil
		r.mu.Unlock()
	}
	if h.state() == file.Lost || r.has("a.mov") {
		t.Errorf("it is in state %v", h.state())
	}
}

// TestAwait: a close that has waited for CloseTimeout without a byte that moved gives EIO, one that
// the store refuses gives it at once, and an interrupted one ErrInterrupted. The commit goes on.
func TestAwait(t *testing.T) {
	t.Run("stuck", func(t *testing.T) {
		r := newRig(t, 200*time.Millisecond)
		away := make(chan struct{})
		r.store.before = func(string, string) error {
			select {
			case <-away:
				return nil
			default:
				return store.ErrUnavailable
			}
		}
		h := r.file("a.mov", "one")
		if err := h.save(); !errors.Is(err, file.ErrIO) {
			t.Errorf("close gave %v", err)
		}
		close(away)
		for h.state() != file.Clean {
			time.Sleep(time.Millisecond)
		}
	})
	t.Run("refused", func(t *testing.T) {
		r := newRig(t, time.Hour)
		r.store.before = func(_, key string) error {
			if sidecar.Is(key) {
				return store.ErrDenied
			}
			return nil
		}
		if err := r.file("a.mov", "one").save(); !errors.Is(err, file.ErrIO) || !errors.Is(err, store.ErrDenied) {
			t.Errorf("close gave %v", err)
		}
	})
	t.Run("behind what fails", func(t *testing.T) {
		r := newRig(t, 200*time.Millisecond)
		why := errors.New("it waits for a rename, which fails")
		r.before = func(*queue.Job) (Before, bool) { return Before{Why: why}, true }
		r.mu.Lock()
		r.queue.AddLocked(func() {}, "a.mov")
		r.mu.Unlock()
		if err := r.file("a.mov", "one").save(); !errors.Is(err, file.ErrIO) || !errors.Is(err, why) {
			t.Errorf("close gave %v", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		r := newRig(t, time.Hour)
		r.store.before = func(string, string) error { return store.ErrUnavailable }
		h := r.file("a.mov", "one")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		h.Ask(Closing)
		if err := h.Await(ctx, h.gen()); !errors.Is(err, file.ErrInterrupted) {
			t.Errorf("close gave %v", err)
		}
	})
	t.Run("the end", func(t *testing.T) {
		r := newRig(t, time.Hour)
		r.store.before = func(string, string) error { return store.ErrUnavailable }
		h := r.file("a.mov", "one")
		h.Ask(Closing)
		r.stop(ErrStopping)
		if err := h.Await(t.Context(), h.gen()); !errors.Is(err, file.ErrShutdown) {
			t.Errorf("close gave %v", err)
		}
	})
}

// TestAbandon: what a killed writer has left is not published, unless another close waits for it.
func TestAbandon(t *testing.T) {
	for _, expected := range []bool{false, true} {
		r := newRig(t, time.Minute)
		r.mu.Lock()
		other := r.queue.AddLocked(func() {}, "a.mov")
		r.mu.Unlock()
		h := r.file("a.mov", "one")
		h.Ask(Closing)
		if expected {
			h.c.Expect(1)
		}
		h.Abandon()
		if !expected {
			if h.state() != file.Interrupted {
				t.Errorf("it is in state %v", h.state())
			}
			h.Ask(Itself)
			if h.state() != file.Interrupted {
				t.Error("it was asked for by the volume itself, and is to be committed")
			}
			h.Ask(ByHand)
		}
		r.mu.Lock()
		r.queue.FinishLocked(other)
		r.mu.Unlock()
		r.must(h.Await(t.Context(), h.gen()))
		if !r.has("a.mov.settings.json") {
			t.Error("it is not committed")
		}
	}
}

// TestFlawed: what a failed write has left is committed for a person alone, who names it.
func TestFlawed(t *testing.T) {
	r := newRig(t, time.Minute)
	h := r.file("a.mov", "one")
	h.c.Lock()
	h.c.Flaws = h.c.Flaws.With(flawed)
	h.c.Unlock()
	h.Ask(Closing)
	if h.state() != file.Interrupted {
		t.Errorf("it is in state %v", h.state())
	}
	h.Ask(ByHand)
	r.must(h.Await(t.Context(), h.gen()))
}
