package upload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"mcfs/crypt"
	"mcfs/store"
)

// Every mode, size of IV, and length around the borders of parts; nothing eager.
func TestFinishSizes(t *testing.T) {
	sizes := []int{0, 1, 15, 16, 17, 31, testPart - 1, testPart, testPart + 1, 2 * testPart, 2*testPart + 1, 5 * testPart, 5*testPart + 12345}
	for _, f := range forms {
		t.Run(formName(f.mode, f.iv), func(t *testing.T) {
			s := newSpy(t, smallStore(t))
			e := testEngine(t, s, nil)
			for _, size := range sizes {
				d := &draft{data: randomBytes(size)}
				key, name := dataKey(), fmt.Sprintf("file-%d", size)
				var begunWith []string
				u, err := e.Start(Target{Key: name, Begun: func(_ context.Context, id string) error {
					begunWith = append(begunWith, id)
					return nil
				}}, key, f.mode, freshIV(t, f.mode, f.iv), nil)
				if err != nil {
					t.Fatal(err)
				}
				ready := 0
				view := d.whole()
				r, err := u.Finish(t.Context(), view, int64(size), Last{
					Condition: store.Condition{IfNone: true},
					Ready:     func(context.Context) error { ready++; return nil },
				})
				if err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				view.Release()
				equal(t, fetched(t, s, name, key, r), d.data)
				if single := size <= testPart; len(begunWith) != 1 || (begunWith[0] == "") != single {
					t.Errorf("%d bytes: begun with %q", size, begunWith)
				}
				if ready != 1 {
					t.Errorf("%d bytes: ready %d times", size, ready)
				}
				want := 1
				if size > testPart {
					want = (size+testPart-1)/testPart + 2
				}
				if r.Requests != want {
					t.Errorf("%d bytes: %d requests, want %d", size, r.Requests, want)
				}
				if got := u.Progress(); got != r.Cipher {
					t.Errorf("%d bytes: progress %d of %d", size, got, r.Cipher)
				}
				u.Abort() // after success: nothing
			}
			s.checkP2(t, layout{testPart})
			noUploads(t, s)
			if n := s.count("Abort"); n != 0 {
				t.Errorf("%d aborts", n)
			}
		})
	}
}

// Parts that exceed the budget are streamed, and come to the same bytes.
func TestStreamedParts(t *testing.T) {
	for _, f := range forms {
		t.Run(formName(f.mode, f.iv), func(t *testing.T) {
			s := newSpy(t, smallStore(t))
			const part = 2 * chunkSize
			e := testEngine(t, s, func(c *Config) { c.PartSize, c.Memory = part, 300<<10 })
			for _, size := range []int{part, part + 1, 3*part - 5, 3 * part, part + chunkSize} {
				d := &draft{data: randomBytes(size)}
				key, name := dataKey(), fmt.Sprintf("file-%d", size)
				u, err := e.Start(Target{Key: name}, key, f.mode, freshIV(t, f.mode, f.iv), d)
				if err != nil {
					t.Fatal(err)
				}
				u.Advance(int64(size))
				var calls atomic.Int64
				s.hooks(func(context.Context, string, int) error {
					if calls.Add(1)%3 == 0 {
						return store.ErrUnavailable
					}
					return nil
				}, nil)
				view := d.whole()
				r, err := u.Finish(t.Context(), view, int64(size), Last{})
				s.hooks(nil, nil)
				if err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				view.Release()
				equal(t, fetched(t, s, name, key, r), d.data)
				if n := d.views.Load(); n != 0 {
					t.Errorf("%d views left", n)
				}
			}
			s.checkP2(t, layout{part})
			if held := e.pool.held(); held > e.c.Memory {
				t.Errorf("%d bytes of buffers", held)
			}
		})
	}
}

func TestFinishRefuses(t *testing.T) {
	e := testEngine(t, newSpy(t, smallStore(t)), nil)
	start := func(m crypt.Mode) *Upload {
		u, err := e.Start(Target{Key: "x"}, dataKey(), m, freshIV(t, m, m.DefaultIVSize()), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(u.Abort)
		return u
	}
	d := &draft{}
	if _, err := start(crypt.CTR).Finish(t.Context(), d.whole(), e.layout.limit()+1, Last{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond 10,000 parts: %v", err)
	}
	if _, err := start(crypt.GCM).Finish(t.Context(), d.whole(), crypt.GCM.MaxPlain()+1, Last{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond GCM's limit: %v", err)
	}
	u := start(crypt.CTR)
	if _, err := u.Finish(t.Context(), d.whole(), 0, Last{}); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Finish(t.Context(), d.whole(), 0, Last{}); err == nil {
		t.Error("finished twice")
	}
	u = start(crypt.CTR)
	boom := errors.New("boom")
	if _, err := u.Finish(t.Context(), d.whole(), 0, Last{Ready: func(context.Context) error { return boom }}); !errors.Is(err, boom) {
		t.Errorf("Ready failed: %v", err)
	}
	_, err := u.Finish(t.Context(), d.whole(), 1, Last{})
	mustContain(t, err, "had 0 when it was finished first")
	u.Abort()
	if _, err := u.Finish(t.Context(), d.whole(), 0, Last{}); !errors.Is(err, ErrAborted) {
		t.Errorf("after Abort: %v", err)
	}
	if _, err := e.Start(Target{Key: "x"}, dataKey(), crypt.CBC, randomBytes(12), nil); err == nil {
		t.Error("CBC started with an IV of 12 bytes")
	}
	if _, err := e.Start(Target{Key: "x"}, dataKey(), crypt.CTR, nil, nil); err == nil {
		t.Error("started without an IV")
	}
}

// Begun comes before the first byte, and its error ends the upload.
func TestBegun(t *testing.T) {
	for _, size := range []int{10, 3 * testPart} {
		s := newSpy(t, smallStore(t))
		e := testEngine(t, s, nil)
		d := &draft{data: randomBytes(size)}
		boom := errors.New("journal is full")
		u, err := e.Start(Target{Key: "x", Begun: func(_ context.Context, id string) error {
			if len(s.left) != 0 {
				t.Error("bytes left before Begun")
			}
			return boom
		}}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), d)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := u.Finish(t.Context(), d.whole(), int64(size), Last{}); !errors.Is(err, boom) || errors.Is(err, ErrLost) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		u.Abort()
		noUploads(t, s)
		if len(s.left) != 0 {
			t.Errorf("%d bytes: something left although Begun failed", size)
		}
	}
}

// A writer that never stops, and a link that takes nothing: no more parts are
// frozen than the window allows, and those not frozen are not touched.
func TestAdvanceRule(t *testing.T) {
	for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		t.Run(m.String(), func(t *testing.T) {
			s := newSpy(t, smallStore(t))
			stuck := make(chan struct{})
			s.hooks(func(ctx context.Context, call string, n int) error {
				if call == "PutPart" {
					<-stuck
				}
				return nil
			}, nil)
			e := testEngine(t, s, nil)
			d := &draft{data: randomBytes(20 * testPart)}
			u, err := e.Start(Target{Key: "x"}, dataKey(), m, freshIV(t, m, m.DefaultIVSize()), d)
			if err != nil {
				t.Fatal(err)
			}
			defer u.Abort()
			defer close(stuck)
			first := firstEager(m)
			touched := func() (parts []int) {
				for k := range 20 {
					if u.Touches(int64(k)*testPart, testPart) {
						parts = append(parts, k)
					}
				}
				return parts
			}
			for _, c := range []struct {
				high int64
				want int // parts from first on
			}{
				{0, 0}, {int64(first+2) * testPart, 0}, {int64(first+2)*testPart + 1, 1}, {int64(first+3)*testPart + 5, 2},
				{20 * testPart, 4}, // the window: Concurrency
			} {
				u.Advance(c.high)
				var want []int
				for k := range c.want {
					want = append(want, first+k)
				}
				if got := touched(); !slices.Equal(got, want) {
					t.Errorf("at %d: parts %v are touched, want %v", c.high, got, want)
				}
			}
			edge := int64(first+4) * testPart
			if !u.Touches(edge-1, 1) || u.Touches(edge, 1<<40) || !u.Touches(edge-1, 1<<62) || u.Touches(edge-1, 0) {
				t.Error("the border of the last frozen part is not where it should be")
			}
		})
	}
}

// Eager parts are read once, and from their own view: Finish does not read them again.
func TestEagerPartsAreNotSentAgain(t *testing.T) {
	for _, f := range forms {
		bubble(t, formName(f.mode, f.iv), func(t *testing.T) {
			s := newSpy(t, smallStore(t))
			e := testEngine(t, s, nil)
			d := &draft{}
			key := dataKey()
			u, err := e.Start(Target{Key: "x"}, key, f.mode, freshIV(t, f.mode, f.iv), d)
			if err != nil {
				t.Fatal(err)
			}
			const parts = 12
			for k := range parts {
				d.write(randomBytes(testPart), k*testPart)
				u.Advance(int64(k+1) * testPart)
				eventually(t, "sent what is due", func() bool { return u.due.Load() > int64(k+1)*testPart && u.active0() })
			}
			sent := parts - 2 - firstEager(f.mode)
			if n := s.count("PutPart"); n != sent {
				t.Errorf("%d parts left early, want %d", n, sent)
			}
			if got := u.Progress(); got != int64(sent)*testPart {
				t.Errorf("progress %d after %d parts", got, sent)
			}
			d.write(randomBytes(100), parts*testPart)
			before := d.reads.Load()
			view := d.whole()
			r, err := u.Finish(t.Context(), view, int64(len(d.data)), Last{})
			if err != nil {
				t.Fatal(err)
			}
			view.Release()
			if n, want := d.reads.Load()-before, int64(len(d.data)-sent*testPart); n != want {
				t.Errorf("Finish read %d bytes, want %d", n, want)
			}
			equal(t, fetched(t, s, "x", key, r), d.data)
			if n := d.views.Load(); n != 0 {
				t.Errorf("%d views left", n)
			}
		})
	}
}

// active0 says that no job is under way.
func (u *Upload) active0() bool {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	return u.active == 0 && len(u.jobs) == 0
}

// A file cut to the very end of a part that has left: the tail goes alone.
func TestTailAlone(t *testing.T) {
	for _, f := range forms {
		bubble(t, formName(f.mode, f.iv), func(t *testing.T) {
			s := newSpy(t, smallStore(t))
			e := testEngine(t, s, nil)
			d := &draft{data: randomBytes(5 * testPart)}
			key := dataKey()
			u, err := e.Start(Target{Key: "x"}, key, f.mode, freshIV(t, f.mode, f.iv), d)
			if err != nil {
				t.Fatal(err)
			}
			u.Advance(5 * testPart)
			d.data = d.data[:3*testPart] // parts up to the third have left
			eventually(t, "they have", func() bool { return u.Progress() == int64(3-firstEager(f.mode))*testPart })
			if u.Touches(3*testPart, 2*testPart) || !u.Touches(3*testPart-1, 1) {
				t.Fatal("Touches does not say what has left")
			}
			view := d.whole()
			r, err := u.Finish(t.Context(), view, 3*testPart, Last{})
			if err != nil {
				t.Fatal(err)
			}
			view.Release()
			equal(t, fetched(t, s, "x", key, r), d.data)
			s.checkP2(t, e.layout)
		})
	}
}

// A draft that was cut below what has left cannot be finished under this key.
func TestCutBelowWhatLeft(t *testing.T) {
	s := newSpy(t, smallStore(t))
	e := testEngine(t, s, nil)
	d := &draft{data: randomBytes(5 * testPart)}
	u, err := e.Start(Target{Key: "x"}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), d)
	if err != nil {
		t.Fatal(err)
	}
	u.Advance(5 * testPart)
	if _, err := u.Finish(t.Context(), d.whole(), 2*testPart+1, Last{}); !errors.Is(err, ErrLost) {
		t.Errorf("Finish: %v", err)
	}
	u.Abort()
	noUploads(t, s)
}
