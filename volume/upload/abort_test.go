package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/orphans"
)

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
		bubble(t, call, func(t *testing.T) {
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

// An upload that the store begins after all, though it was given up meanwhile,
// is aborted, and Settle waits until that has been seen to.
func TestAbortWhileBeginning(t *testing.T) { synctest.Test(t, abortWhileBeginning) }

func abortWhileBeginning(t *testing.T) {
	x := newTrial(t, crypt.CTR, 8*testPart)
	answer := make(chan struct{})
	x.s.hooks(func(ctx context.Context, c string, _ int) error {
		if c == "Begin" {
			<-answer
		}
		return ctx.Err()
	}, nil)
	x.u.Advance(8 * testPart)
	eventually(t, "the upload begins", func() bool { return x.s.count("Begin") > 0 })
	if !x.u.Abandon(func() {}) {
		t.Error("the engine is not closed")
	}
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	x.e.Settle(soon)
	if soon.Err() == nil {
		t.Error("Settle did not wait for the answer")
	}
	close(answer)
	x.e.Settle(t.Context())
	x.e.c.Orphans.(*orphans.Aborter).Settle(t.Context())
	ups, err := x.s.Uploads(t.Context(), "")
	if err != nil || len(ups) > 0 || x.s.count("Abort") != 1 {
		t.Errorf("%d aborts, left in the store: %v, %v", x.s.count("Abort"), ups, err)
	}
}

// Close ends what is under way in the process, and leaves the store as it is.
func TestClose(t *testing.T) { synctest.Test(t, closed) }

func closed(t *testing.T) {
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
