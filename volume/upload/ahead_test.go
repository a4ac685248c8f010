package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"mcfs/crypt"
	"mcfs/store"
)

// TestWroteSparesReading writes a file from its start to its end, in steps of all
// kinds: only the first part is read from the draft again, and but for CTR the last,
// unless a part has to be sent twice.
func TestWroteSparesReading(t *testing.T) {
	for _, f := range forms {
		for _, step := range []int{16, 1000, 4096, testPart - 1, testPart, testPart + 1, 3*testPart + 7} {
			for _, size := range []int{6 * testPart, 6*testPart + 1, 7*testPart - 1} {
				t.Run(fmt.Sprintf("%s/%d by %d", formName(f.mode, f.iv), size, step), func(t *testing.T) {
					_, reads := writeAhead(t, f.mode, f.iv, size, step, nil)
					limit := int64(testPart) // the first, which may have been written before there was an upload
					if f.mode != crypt.CTR {
						limit += testPart
					}
					if reads > limit {
						t.Errorf("%d bytes were read again", reads)
					}
				})
			}
		}
	}
}

// TestWroteIsMadeAgain has parts fail: they are made again, from the draft, and are
// the same.
func TestWroteIsMadeAgain(t *testing.T) {
	for _, f := range forms {
		var calls atomic.Int64
		sent, _ := writeAhead(t, f.mode, f.iv, 7*testPart+5, 1000, func(_ context.Context, call string, _ int) error {
			if call == "PutPart" && calls.Add(1)%2 == 1 {
				return store.ErrUnavailable
			}
			return nil
		})
		sent.checkP2(t, layout{first: testPart})
	}
}

// writeAhead writes a file and commits it; it tells how much of it was read again.
func writeAhead(t *testing.T, m crypt.Mode, ivBytes, size, step int, before func(context.Context, string, int) error) (*spy, int64) {
	t.Helper()
	s := newSpy(t, smallStore(t))
	s.hooks(before, nil)
	e := testEngine(t, s, nil)
	d, key := &draft{}, dataKey()
	u, err := e.Start(Target{Key: "a"}, key, m, freshIV(t, m, ivBytes), d)
	if err != nil {
		t.Fatal(err)
	}
	content := randomBytes(size)
	for off := 0; off < size; off += step {
		p := content[off:min(size, off+step)]
		if u.Touches(int64(off), int64(len(p))) {
			t.Fatalf("a write at %d touches what has left", off)
		}
		d.write(p, off)
		u.Wrote(p, int64(off))
		caughtUp(u)
		u.Advance(int64(off + len(p)))
	}
	view := d.whole()
	defer view.Release()
	r, err := u.Finish(t.Context(), view, int64(size), Last{Condition: store.Condition{IfNone: true}})
	if err != nil {
		t.Fatal(err)
	}
	reads := d.reads.Load()
	s.hooks(nil, nil)
	equal(t, fetched(t, s, "a", key, r), content)
	return s, reads
}

// caughtUp waits until all is encrypted that can be.
func caughtUp(u *Upload) {
	u.ahead.mu.Lock()
	defer u.ahead.mu.Unlock()
	for u.ahead.working {
		u.ahead.rested.Wait()
	}
}

// TestChangesAreNotMissed changes what was made and has not left, in every way that
// a program can, before the end.
func TestChangesAreNotMissed(t *testing.T) {
	content := randomBytes(8 * testPart)
	type change struct{ off, n int }
	for _, c := range []change{
		{0, 10}, {testPart - 5, 10}, {7*testPart - 3, 3}, {7 * testPart, testPart}, {8*testPart - 1, 1}, {6*testPart + 100, 2 * testPart}, {7*testPart + 1, 1},
	} {
		for _, how := range []string{"written", "zeroed", "cut and grown"} {
			for _, f := range forms {
				name := fmt.Sprintf("%s %d+%d %s", formName(f.mode, f.iv), c.off, c.n, how)
				s := newSpy(t, smallStore(t))
				e := testEngine(t, s, nil)
				d, key := &draft{}, dataKey()
				u, err := e.Start(Target{Key: "a"}, key, f.mode, freshIV(t, f.mode, f.iv), d)
				if err != nil {
					t.Fatal(err)
				}
				tell := func(p []byte, off int) {
					d.write(p, off)
					u.Wrote(p, int64(off))
				}
				for off := 0; off < len(content); off += 4096 {
					tell(content[off:off+4096], off)
				}
				// Nothing has left: Advance was never told.
				n := min(c.n, len(content)-c.off)
				switch how {
				case "written":
					u.Touches(int64(c.off), int64(n))
					tell(randomBytes(n), c.off)
				case "zeroed":
					u.Touches(int64(c.off), int64(n))
					d.write(make([]byte, n), c.off)
				case "cut and grown":
					u.Touches(int64(c.off), int64(len(content)-c.off))
					d.mu.Lock()
					clear(d.data[c.off:])
					d.data = d.data[:c.off+1]
					d.mu.Unlock()
				}
				view := d.whole()
				r, err := u.Finish(t.Context(), view, int64(len(d.data)), Last{Condition: store.Condition{IfNone: true}})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				equal(t, fetched(t, s, "a", key, r), d.data)
				view.Release()
			}
		}
	}
}

// TestAheadLeavesRoom has a writer that stops with parts made: others still get on.
func TestAheadLeavesRoom(t *testing.T) {
	s := newSpy(t, smallStore(t))
	e := testEngine(t, s, func(c *Config) { c.Memory = 16 * bufferSize(testPart) })
	var idle []*Upload
	for k := range 5 {
		d := &draft{}
		u, err := e.Start(Target{Key: fmt.Sprintf("idle-%d", k)}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), d)
		if err != nil {
			t.Fatal(err)
		}
		p := randomBytes(2*testPart + 5)
		d.write(p, 0)
		u.Wrote(p, 0)
		idle = append(idle, u)
	}
	e.mu.Lock()
	if e.ahead == 0 || e.ahead > e.c.Memory/2 {
		t.Errorf("%d bytes are taken ahead of %d", e.ahead, e.c.Memory)
	}
	e.mu.Unlock()
	writeWith(t, e, "other")
	for _, u := range idle {
		u.Abort()
	}
	eventually(t, "buffers are given back", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.ahead == 0 && e.granted == 0
	})
}

func writeWith(t *testing.T, e *Engine, name string) {
	t.Helper()
	d := &draft{data: randomBytes(6 * testPart)}
	u, err := e.Start(Target{Key: name}, dataKey(), crypt.CTR, freshIV(t, crypt.CTR, 16), d)
	if err != nil {
		t.Fatal(err)
	}
	view := d.whole()
	defer view.Release()
	if _, err := u.Finish(t.Context(), view, int64(len(d.data)), Last{}); err != nil && !errors.Is(err, store.ErrNotExist) {
		t.Fatal(err)
	}
}

// TestNobodyWaitsForAWriter has writers hold all that they may, for hours, in budgets of
// all sizes: what there is to send is sent.
func TestNobodyWaitsForAWriter(t *testing.T) {
	for memory := bufferSize(chunkSize); memory < bufferSize(chunkSize)+12*testPart; memory += testPart/2 + 16 {
		e := testEngine(t, newSpy(t, smallStore(t)), func(c *Config) { c.PartSize, c.Memory = 9*testPart, memory })
		e.mu.Lock()
		e.ahead = e.c.mostAhead()
		e.granted = e.ahead
		e.mu.Unlock()
		writeWith(t, e, "other")
	}
}

// TestBuffersAreGivenBackWithoutPlaintext ends uploads whose parts wait, made or not,
// for a core to encrypt them.
func TestBuffersAreGivenBackWithoutPlaintext(t *testing.T) {
	for _, f := range forms {
		bubble(t, formName(f.mode, f.iv), func(t *testing.T) {
			e := testEngine(t, newSpy(t, smallStore(t)), nil)
			for range cap(e.cpu) {
				e.cpu <- struct{}{}
			}
			d, content := &draft{}, randomBytes(5*testPart+100)
			u, err := e.Start(Target{Key: "a"}, dataKey(), f.mode, freshIV(t, f.mode, f.iv), d)
			if err != nil {
				t.Fatal(err)
			}
			d.write(content, 0)
			u.Wrote(content, 0)
			caughtUp(u)
			u.Advance(int64(len(content)))
			eventually(t, "a part waits", func() bool {
				e.mu.Lock()
				defer e.mu.Unlock()
				return u.up.ID != "" && slices.ContainsFunc(u.parts, func(p *part) bool { return p.state == flying || p.state == acked })
			})
			u.Abort()
			for range cap(e.cpu) {
				<-e.cpu
			}
			kept := 0
			e.pool.mu.Lock()
			defer e.pool.mu.Unlock()
			for _, list := range e.pool.kept {
				for _, b := range list {
					kept++
					for off := 0; off < len(content); off += 1000 {
						if bytes.Contains(b, content[off:min(off+16, len(content))]) {
							t.Fatalf("plaintext from %d on is left in a buffer", off)
						}
					}
				}
			}
			if kept == 0 {
				t.Error("no buffer was used")
			}
		})
	}
}
