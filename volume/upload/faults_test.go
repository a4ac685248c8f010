package upload

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
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
func TestUploadGone(t *testing.T) { synctest.Test(t, uploadGone) }

func uploadGone(t *testing.T) {
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
