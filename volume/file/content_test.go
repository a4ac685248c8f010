package file

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/volume/fetch"
)

// TestContentAgainstBytes changes a file at random, over several commits, and compares it
// with a slice of bytes: in each mode, whatever of it is in the spool or the store.
func TestContentAgainstBytes(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			r := newRigOf(t, mode, 1<<30)
			c := r.begin()
			random, want := rand.New(rand.NewPCG(uint64(mode), 1)), []byte(nil)
			for range 60 {
				want = change(r, c, random, want)
				r.is(c, want)
				if random.IntN(6) == 0 { // another mount, which has nothing of it
					c = r.of(r.commit(c))
				}
			}
			r.is(r.of(r.commit(c)), want)
		})
	}
}

// change does one thing to a file, and gives what it holds then.
func change(r *rig, c *Content, random *rand.Rand, has []byte) []byte {
	r.t.Helper()
	off, n := random.Int64N(int64(len(has))+100_000), random.IntN(70_000)
	switch random.IntN(6) {
	case 0:
		r.must(c.Truncate(r.t.Context(), &Cursor{}, off, false))
		return slices.Concat(has, make([]byte, max(0, int(off)-len(has))))[:off]
	case 1:
		r.must(c.Punch(r.t.Context(), off, int64(n)))
		if end := min(len(has), int(off)+n); int(off) < end {
			clear(has[off:end])
		}
		return has
	case 2:
		r.is(r.of(r.commit(c)), has)
		return has
	case 3:
		r.must(c.Keep(Fsynced))
		return has
	}
	p := make([]byte, n+1)
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	r.write(c, p, off)
	has = slices.Concat(has, make([]byte, max(0, int(off)+len(p)-len(has))))
	copy(has[off:], p)
	return has
}

// TestSnapshotOfAClose: what a close has asked for is committed as it was, whatever is
// written before its turn comes, and what is written since is the next draft.
func TestSnapshotOfAClose(t *testing.T) {
	r := newRig(t)
	c := r.begin()
	r.write(c, []byte("what the close asked for"), 0)
	r.ask(c)
	r.must(c.Keep(Closed))
	r.write(c, []byte("WRITTEN"), 0)
	ver, err := r.finish(c, r.snapshot(c))
	r.must(err)
	r.is(r.of(ver), []byte("what the close asked for"))
	r.is(c, []byte("WRITTENe close asked for"))
	if s := c.PeekState(); s != Writing {
		t.Errorf("what was written since is %s", s)
	}
	r.is(r.of(r.commit(c)), []byte("WRITTENe close asked for"))
}

// TestPartThatHasLeftIsNotChanged: a write into a part that has left gives its upload up, and
// the commit goes by another, with a key and an IV of its own (P2).
func TestPartThatHasLeftIsNotChanged(t *testing.T) {
	for _, test := range []struct {
		name string
		off  int64
		same bool
	}{
		{"into what has left", partSize + 7, false},
		{"at the end", 30 * partSize, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			c, want := r.begin(), random(30*partSize)
			r.write(c, want, 0)
			iv := leaving(r, c)
			p := []byte("changed")
			r.write(c, p, test.off)
			want = append(want[:min(len(want), int(test.off))], append(p, want[min(len(want), int(test.off)+len(p)):]...)...)
			ver := r.commit(c)
			if same := bytes.Equal(ver.IV, iv); same != test.same {
				t.Errorf("the IV is the same: %v, want %v", same, test.same)
			}
			r.is(r.of(ver), want)
		})
	}
}

// leaving waits until parts leave, and gives the IV of their upload.
func leaving(r *rig, c *Content) []byte {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		c.Lock()
		up, sent := c.EarlyLocked(), c.SentEarlyLocked()
		c.Unlock()
		if sent >= 2*partSize {
			return up.Object().IV
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("no more than %d bytes leave by %p", sent, up)
		}
	}
}

// TestFullSpool: a write into a full spool waits for space, and then says how much of it is stored.
func TestFullSpool(t *testing.T) {
	r := newRigOf(t, crypt.CTR, 1<<20)
	c, o := r.content("f")
	c.BeginNew(sidecar.Attr{Mode: modeRegular | 0o644})
	o.stays = true
	asked := 0
	o.space = func(full error) error {
		if asked++; asked < 3 {
			return ErrSpaceMade
		}
		return errors.Join(ErrFull, full)
	}
	p := random(4 << 20)
	k, _, err := c.WriteAt(t.Context(), p, 0)
	if !errors.Is(err, ErrFull) || k == 0 || k == len(p) {
		t.Errorf("%d bytes are stored: %v", k, err)
	}
	if asked != 3 {
		t.Errorf("it has waited %d times", asked)
	}
	r.is(c, p[:k])
}

// TestBaseThatWasAltered: bytes of a base that was altered in the store are neither read
// nor published under a fresh MAC (P9).
func TestBaseThatWasAltered(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRigOf(t, mode, 1<<30)
			ver := r.commit(func() *Content { c := r.begin(); r.write(c, random(300_000), 0); return c }())
			object := filepath.Join(r.home, "store", "f")
			b, err := os.ReadFile(object)
			r.must(err)
			b[200] ^= 1
			info, err := os.Stat(object)
			r.must(err)
			r.must(os.WriteFile(object, b, 0o600))
			r.must(os.Chtimes(object, info.ModTime(), info.ModTime()))
			c := r.of(ver)
			if _, _, err := c.WriteAt(t.Context(), []byte("ours"), 10); err != nil { // GCM tells at once
				if !errors.Is(err, fetch.ErrTampered) || mode != crypt.GCM {
					t.Error(err)
				}
				return
			}
			r.write(c, random(300_000-crypt.BlockSize), crypt.BlockSize) // no more of the base is needed
			r.ask(c)
			if _, err := r.finish(c, r.snapshot(c)); !errors.Is(err, ErrUnproven) {
				t.Errorf("it is published: %v", err)
			}
		})
	}
}

// TestWriteWithoutCacheFile writes a file whose reader has no sealed file, as when the
// spool could not make one, or what was cached has been condemned.
func TestWriteWithoutCacheFile(t *testing.T) {
	for _, mode := range modes {
		r := newRigOf(t, mode, 1<<30)
		c, want := r.begin(), random(200_000)
		r.write(c, want, 0)
		c = r.of(r.commit(c))
		r.is(c, want)
		c.condemnCache(errors.New("told by the test"))
		copy(want[70_000:], "ours")
		r.write(c, []byte("ours"), 70_000)
		r.is(c, want)
		r.is(r.of(r.commit(c)), want)
	}
}

// TestObstacleThatStays: what cannot be overcome is an error, not a loop.
func TestObstacleThatStays(t *testing.T) {
	c, met := newRig(t).begin(), 0
	err := c.attempt(t.Context(), func() (obstacle, error) {
		return func(context.Context) error { met++; return nil }, nil
	})
	if !errors.Is(err, ErrIO) || met != maxObstacles {
		t.Errorf("after %d rounds: %v", met, err)
	}
	met = 0
	err = c.attempt(t.Context(), func() (obstacle, error) {
		if met++; met > 3*maxObstacles {
			return nil, nil
		}
		return func(context.Context) error { return ErrSpaceMade }, nil
	})
	if err != nil {
		t.Errorf("waiting for room that is being made: %v", err)
	}
}
