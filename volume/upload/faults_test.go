package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/store"
)

// trial is one upload under test, of a draft that is there already.
type trial struct {
	s   *spy
	e   *Engine
	d   *draft
	key keys.DataKey
	u   *Upload
}

func newTrial(t *testing.T, m crypt.Mode, size int) *trial {
	t.Helper()
	x := &trial{s: newSpy(t, smallStore(t)), d: &draft{data: randomBytes(size)}, key: dataKey()}
	x.e = testEngine(t, x.s, nil)
	x.u = x.start(t, m, Target{Key: "x"})
	return x
}

func (x *trial) start(t *testing.T, m crypt.Mode, target Target) *Upload {
	t.Helper()
	u, err := x.e.Start(target, x.key, m, freshIV(t, m, m.DefaultIVSize()), x.d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Abort)
	return u
}

// finish calls Finish with all of the draft; 20 s have to do.
func (x *trial) finish(ctx context.Context, last Last) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	view := x.d.whole()
	defer view.Release()
	return x.u.Finish(ctx, view, int64(len(x.d.data)), last)
}

// check asserts all that holds after a success.
func (x *trial) check(t *testing.T, r Result) {
	t.Helper()
	equal(t, fetched(t, x.s, "x", x.key, r), x.d.data)
	x.s.checkP2(t, x.u.layout)
	if n := x.d.views.Load(); n != 0 {
		t.Errorf("%d views left", n)
	}
	noUploads(t, x.s)
}

func on(call string, times int, err error) func(string, int) error {
	return func(c string, n int) error {
		if c == call && n <= times {
			return err
		}
		return nil
	}
}

// Each call fails a few times, before it was carried out or after: Finish gets through.
func TestEachCallFails(t *testing.T) {
	for _, call := range []string{"Put", "Begin", "PutPart", "Complete"} {
		for _, failure := range []error{store.ErrUnavailable, store.ErrConflict, store.ErrDenied, store.ErrChecksum, errors.New("not understood")} {
			for _, carriedOut := range []bool{false, true} {
				if carriedOut && (errors.Is(failure, store.ErrDenied) || errors.Is(failure, store.ErrChecksum)) {
					continue // a store that says so has not done it
				}
				for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
					t.Run(fmt.Sprintf("%s/%v/%v/%v", call, failure, carriedOut, m), func(t *testing.T) {
						size := 5*testPart + 3
						if call == "Put" {
							size = 100
						}
						x := newTrial(t, m, size)
						before := func(_ context.Context, c string, n int) error { return on(call, 2, failure)(c, n) }
						if carriedOut {
							x.s.hooks(nil, on(call, 2, failure))
						} else {
							x.s.hooks(before, nil)
						}
						x.u.Advance(int64(size))
						r, err := x.finish(t.Context(), Last{Condition: store.Condition{IfNone: true}})
						if err != nil {
							t.Fatal(err)
						}
						if visible := call == "Put" || call == "Complete"; carriedOut && visible && x.s.count(call) != 1 {
							t.Errorf("%d calls of %s after the first was carried out", x.s.count(call), call)
						}
						if call == "Begin" && carriedOut {
							// The ids that were lost on the way are for the volume's start to find.
							equal(t, fetched(t, x.s, "x", x.key, r), x.d.data)
							return
						}
						x.check(t, r)
					})
				}
			}
		}
	}
}

// The object is ours though the store says 412 or that the upload is gone, and
// the look fails at first: that is success.
func TestUnclearAnswerIsSettledByLooking(t *testing.T) {
	for _, answer := range []error{store.ErrPrecondition, store.ErrNoUpload, store.ErrConflict, store.ErrUnavailable} {
		for _, size := range []int{100, 3 * testPart} {
			x := newTrial(t, crypt.GCM, size)
			x.s.hooks(func(_ context.Context, call string, n int) error {
				if call == "Head" && n <= 3 {
					return store.ErrUnavailable
				}
				return nil
			}, func(call string, n int) error {
				if call == "Complete" || call == "Put" {
					return answer
				}
				return nil
			})
			r, err := x.finish(t.Context(), Last{Condition: store.Condition{IfNone: true}})
			if err != nil {
				t.Fatalf("%v: %v", answer, err)
			}
			if n := x.s.count("Head"); n != 4 {
				t.Errorf("%v: looked %d times, want 4", answer, n)
			}
			x.s.hooks(nil, nil)
			x.check(t, r)
		}
	}
}

// Somebody else's version stays, and ours can still be put over it on purpose.
func TestConflict(t *testing.T) {
	for _, size := range []int{100, 3 * testPart} {
		x := newTrial(t, crypt.CTR, size)
		other := x.start(t, crypt.CTR, Target{Key: "x"})
		od := &draft{data: randomBytes(10)}
		theirs, err := other.Finish(t.Context(), od.whole(), 10, Last{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []store.Condition{{IfNone: true}, {IfMatch: `"nothing"`}} {
			if _, err := x.finish(t.Context(), Last{Condition: c}); !errors.Is(err, ErrConflict) {
				t.Fatalf("%d bytes, %+v: %v", size, c, err)
			}
		}
		equal(t, fetched(t, x.s, "x", x.key, theirs), od.data)
		parts := x.s.count("PutPart")
		r, err := x.finish(t.Context(), Last{Condition: store.Condition{IfMatch: theirs.ETag}})
		if err != nil {
			t.Fatal(err)
		}
		if n := x.s.count("PutPart") - parts; n != 0 {
			t.Errorf("%d parts were sent again", n)
		}
		x.check(t, r)
	}
}

// An upload that is gone is lost, whoever finds out.
func TestUploadGone(t *testing.T) {
	for _, call := range []string{"PutPart", "Complete"} {
		x := newTrial(t, crypt.CTR, 6*testPart)
		x.s.hooks(func(ctx context.Context, c string, n int) error {
			if c == call {
				ups, err := x.s.Uploads(ctx, "")
				if err != nil {
					return err
				}
				for _, up := range ups {
					if err := x.s.Store.Abort(ctx, up); err != nil {
						return err
					}
				}
			}
			return nil
		}, nil)
		if call == "PutPart" {
			x.u.Advance(6 * testPart)
			eventually(t, "the eager part finds out", func() bool { return x.u.due.Load() > 1<<60 && x.u.active0() })
		}
		for range 2 {
			if _, err := x.finish(t.Context(), Last{}); !errors.Is(err, ErrLost) {
				t.Errorf("%s: %v", call, err)
			}
		}
		x.u.Abort()
		noUploads(t, x.s)
		if n := x.d.views.Load(); n != 0 {
			t.Errorf("%s: %d views left", call, n)
		}
	}
}

// The store goes away in the middle; Finish gives up when its context ends,
// says why, and goes on where it was when it is called again.
func TestFinishGoesOn(t *testing.T) {
	for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		t.Run(m.String(), func(t *testing.T) {
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
func TestPartsGoOnBetweenFinishes(t *testing.T) {
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

// A second Finish with another content must not put it under the same key.
func TestChangedViewNeverLeaves(t *testing.T) {
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

// hold makes every call of one kind wait for its context.
func hold(call string) func(context.Context, string, int) error {
	return func(ctx context.Context, c string, n int) error {
		if c != call {
			return nil
		}
		<-ctx.Done()
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
}

// Abort in every phase: it returns soon, Finish returns ErrAborted, views are
// released, and the store forgets, at the third try.
func TestAbort(t *testing.T) {
	for _, call := range []string{"Begin", "PutPart", "Complete", "Put", "none"} {
		t.Run(call, func(t *testing.T) {
			size := 8 * testPart
			if call == "Put" {
				size = 5
			}
			x := newTrial(t, crypt.CTR, size)
			x.s.hooks(func(ctx context.Context, c string, n int) error {
				if c == "Abort" && n < 3 {
					return store.ErrUnavailable
				}
				return hold(call)(ctx, c, n)
			}, nil)
			x.u.Advance(int64(size))
			answer := make(chan error, 1)
			if call != "none" {
				go func() {
					_, err := x.finish(context.Background(), Last{})
					answer <- err
				}()
				eventually(t, "the call is made", func() bool { return x.s.count(call) > 0 })
			} else {
				answer <- ErrAborted
			}
			start := time.Now()
			x.u.Abort()
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("Abort took %v", d)
			}
			if err := <-answer; !errors.Is(err, ErrAborted) {
				t.Errorf("Finish: %v", err)
			}
			if n := x.d.views.Load(); n != 0 {
				t.Errorf("%d views left", n)
			}
			x.u.Abort()
			x.u.Advance(int64(size))
			noUploads(t, x.s)
		})
	}
}

// Close ends what is under way in the process, and leaves the store as it is.
func TestClose(t *testing.T) {
	x := newTrial(t, crypt.CTR, 8*testPart)
	x.s.hooks(hold("PutPart"), nil)
	x.u.Advance(8 * testPart)
	answer := make(chan error, 1)
	go func() {
		_, err := x.finish(context.Background(), Last{})
		answer <- err
	}()
	eventually(t, "a part is under way", func() bool { return x.s.count("PutPart") > 0 })
	x.e.Close()
	if err := <-answer; !errors.Is(err, ErrClosed) {
		t.Errorf("Finish: %v", err)
	}
	if _, err := x.finish(t.Context(), Last{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Finish after Close: %v", err)
	}
	x.u.Abort()
	if n := x.d.views.Load(); n != 0 {
		t.Errorf("%d views left", n)
	}
	if ups, err := x.s.Uploads(t.Context(), ""); err != nil || len(ups) != 1 {
		t.Errorf("uploads in the store: %v, %v; want the one", ups, err)
	}
	if held := x.e.pool.held(); held != 0 {
		t.Errorf("%d bytes of buffers left", held)
	}
}

// hoarder keeps the bodies that it was given.
type hoarder struct {
	store.Store
	kept []store.Body
}

func (h *hoarder) Put(ctx context.Context, key string, b store.Body, a store.Attributes, c store.Condition) (store.Info, error) {
	h.kept = append(h.kept, b)
	return h.Store.Put(ctx, key, b, a, c)
}

// A store, or an HTTP client below it, that reads on after its call meets an
// error, never the plaintext that the buffer holds next.
func TestBodyIsTakenBack(t *testing.T) {
	h := &hoarder{Store: smallStore(t)}
	e := testEngine(t, h, nil)
	d := &draft{data: randomBytes(1000)}
	u, err := e.Start(Target{Key: "x"}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Finish(t.Context(), d.whole(), 1000, Last{}); err != nil {
		t.Fatal(err)
	}
	for _, b := range h.kept {
		if _, err := b.Seek(0, io.SeekStart); !errors.Is(err, errRevoked) {
			t.Errorf("seek: %v", err)
		}
		if n, err := b.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errRevoked) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
	if len(h.kept) != 1 {
		t.Errorf("%d bodies", len(h.kept))
	}
}
