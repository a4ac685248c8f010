package upload

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// The store goes away in the middle; Finish gives up when its context ends,
// says why, and goes on where it was when it is called again.
func TestFinishGoesOn(t *testing.T) {
	for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		bubble(t, m.String(), func(t *testing.T) {
			const parts = 8
			x := newTrial(t, m, parts*testPart)
			x.s.hooks(func(_ context.Context, call string, n int) error {
				if call == "PutPart" && n > 3 {
					return fmt.Errorf("%w: connection refused", store.ErrUnavailable)
				}
				return nil
			}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := x.finish(ctx, Last{})
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("error %v, want one that wraps the deadline and the cause", err)
			}
			if got := x.u.Progress(); got != 3*testPart {
				t.Errorf("progress %d, want three parts", got)
			}
			eventually(t, "parts under way settle", x.u.active0)
			if !x.u.Touches(1<<40, 1) {
				t.Error("after Finish everything has to count as touched")
			}
			x.s.hooks(nil, nil)
			before := x.s.count("PutPart")
			r, err := x.finish(t.Context(), Last{})
			if err != nil {
				t.Fatal(err)
			}
			if n := x.s.count("PutPart") - before; n != parts-3 {
				t.Errorf("%d parts left after the pause, want %d", n, parts-3)
			}
			x.check(t, r)
		})
	}
}

// A part whose bytes are in memory goes on while no Finish runs, and is not sent again.
func TestPartsGoOnBetweenFinishes(t *testing.T) { synctest.Test(t, partsGoOnBetweenFinishes) }

func partsGoOnBetweenFinishes(t *testing.T) {
	x := newTrial(t, crypt.CTR, 4*testPart)
	open := make(chan struct{})
	x.s.hooks(func(ctx context.Context, call string, n int) error {
		if call == "PutPart" {
			select {
			case <-open:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := x.finish(ctx, Last{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(open)
	eventually(t, "all parts acknowledged", func() bool { return x.u.Progress() == 4*testPart })
	r, err := x.finish(t.Context(), Last{})
	if err != nil {
		t.Fatal(err)
	}
	if n := x.s.count("PutPart"); n != 4 {
		t.Errorf("%d parts were sent, want 4", n)
	}
	x.check(t, r)
}

// When Finish has returned, the caller may let go of the view at once.
func TestViewIsNotReadAfterFinish(t *testing.T) { synctest.Test(t, viewIsNotReadAfterFinish) }

func viewIsNotReadAfterFinish(t *testing.T) {
	for _, memory := range []int64{0, 300 << 10} { // held, streamed
		x := newTrial(t, crypt.CTR, 6*2*chunkSize)
		x.e = testEngine(t, x.s, func(c *Config) { c.PartSize, c.Memory = 2*chunkSize, memory })
		x.u = x.start(t, crypt.CTR, Target{Key: "x"})
		x.d.slow = 10 * time.Millisecond
		for n := 1; ; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n*7)*time.Millisecond)
			r, err := x.finish(ctx, Last{})
			cancel()
			if err == nil {
				x.check(t, r)
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		eventually(t, "all jobs have ended", x.u.active0)
		if n := x.d.late.Load(); n != 0 {
			t.Errorf("%d reads of a view after its Finish returned", n)
		}
	}
}

// A draft that cannot be read ends the Finish at once, not the upload.
func TestUnreadableDraft(t *testing.T) {
	for _, size := range []int{100, 4 * testPart} {
		x := newTrial(t, crypt.CBC, size)
		boom := errors.New("bad sector")
		view := x.d.whole()
		view.fail.Store(&boom)
		if _, err := x.u.Finish(t.Context(), view, int64(size), Last{}); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		view.Release()
		r, err := x.finish(t.Context(), Last{})
		if err != nil {
			t.Fatal(err)
		}
		x.check(t, r)
	}
	// Freeze fails: nothing is eager any more.
	x := newTrial(t, crypt.CTR, 8*testPart)
	x.d.failing = errors.New("too many open files")
	x.u.Advance(8 * testPart)
	if x.u.Touches(0, 8*testPart) {
		t.Error("a part that could not be frozen counts as leaving")
	}
	x.d.failing = nil
	x.u.Advance(8 * testPart)
	if x.u.Touches(0, 8*testPart) {
		t.Error("eager again after a Freeze failed")
	}
	r, err := x.finish(t.Context(), Last{})
	if err != nil {
		t.Fatal(err)
	}
	x.check(t, r)
}

// stub is a draft whose views hold a byte less than they should.
type stub struct{ *draft }

func (s stub) Freeze(off, n int64) (View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view(off, n-1), nil
}

// What a view does not hold is not asked for again and again: a part with a view of
// its own loses the upload, and the Finish of a short draft says what is wrong.
func TestShortViews(t *testing.T) {
	for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		x := newTrial(t, m, 8*testPart)
		x.u.src = stub{x.d}
		x.u.Advance(8 * testPart)
		if _, err := x.finish(t.Context(), Last{}); !errors.Is(err, ErrLost) || !errors.Is(err, ErrShort) {
			t.Errorf("%v: a part is short: %v", m, err)
		}
		x.u.Abort()
		for _, size := range []int{100, 4 * testPart} {
			x := newTrial(t, m, size)
			view := x.d.view(0, int64(size-1))
			if _, err := x.u.Finish(t.Context(), view, int64(size), Last{}); !errors.Is(err, ErrShort) || errors.Is(err, ErrLost) {
				t.Errorf("%v: a draft of %d bytes is short: %v", m, size, err)
			}
			view.Release()
		}
		noUploads(t, x.s)
	}
}

// A second Finish with another content must not put it under the same key.
func TestChangedViewNeverLeaves(t *testing.T) { synctest.Test(t, changedViewNeverLeaves) }

func changedViewNeverLeaves(t *testing.T) {
	for _, size := range []int{100, 4 * testPart} {
		for _, m := range []crypt.Mode{crypt.CTR, crypt.GCM} {
			x := newTrial(t, m, size)
			x.s.hooks(func(_ context.Context, call string, n int) error {
				if call == "PutPart" || call == "Put" {
					return store.ErrDenied
				}
				return nil
			}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err := x.finish(ctx, Last{})
			cancel()
			if !errors.Is(err, store.ErrDenied) {
				t.Fatal(err)
			}
			eventually(t, "parts under way settle", x.u.active0)
			x.s.hooks(nil, nil)
			x.d.data[50]++
			if _, err := x.finish(t.Context(), Last{}); !errors.Is(err, ErrLost) {
				t.Errorf("%v, %d bytes: %v", m, size, err)
			}
			x.u.Abort()
			x.s.checkP2(t, x.e.layout)
			noUploads(t, x.s)
		}
	}
}

// Ready is the last thing before the object becomes visible; its error leaves all as it is.
func TestReady(t *testing.T) {
	for _, size := range []int{100, 3 * testPart} {
		x := newTrial(t, crypt.GCM, size)
		boom := errors.New("sidecar could not be deleted")
		if _, err := x.finish(t.Context(), Last{Ready: func(context.Context) error { return boom }}); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if n := x.s.count("Complete") + x.s.count("Put"); n != 0 {
			t.Errorf("%d requests to publish although Ready failed", n)
		}
		calls := 0
		x.s.hooks(func(_ context.Context, call string, n int) error {
			if call == "Complete" || call == "Put" {
				if calls == 0 {
					t.Error("published before Ready")
				}
				if n < 3 {
					return store.ErrUnavailable
				}
			}
			return nil
		}, nil)
		r, err := x.finish(t.Context(), Last{Ready: func(context.Context) error { calls++; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		if calls != 1 {
			t.Errorf("Ready was called %d times in one Finish", calls)
		}
		x.check(t, r)
	}
}
