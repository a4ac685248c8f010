package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/fetch"
)

const (
	baseSize   = 1<<20 + 77
	flippedBit = 500_000 // where somebody alters the base
)

// flip alters one bit of an object, as anybody who may write to the bucket can.
func (r *rig) flip(key string) {
	r.t.Helper()
	text, info := r.raw(key)
	text[flippedBit] ^= 1
	r.plant(key, text, info.Metadata)
}

// change opens a committed file and changes it; the tampering may be found by that already.
func (r *rig) changed(name string, how func(h *Handle) error) (*Handle, error) {
	r.t.Helper()
	h := r.openFile(name, os.O_RDWR)
	return h, how(h)
}

func writing(at int64, n int) func(h *Handle) error {
	return func(h *Handle) error {
		_, err := h.WriteAt(context.Background(), make([]byte, n), at)
		return err
	}
}

// allButFirst writes over the first block, and reads all the others.
func allButFirst(h *Handle) error {
	err := writing(0, crypt.BlockSize)(h)
	buf := make([]byte, crypt.BlockSize)
	for off := int64(crypt.BlockSize); err == nil; off += crypt.BlockSize {
		_, err = h.ReadAt(context.Background(), buf, off)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

var alterations = map[string]func(h *Handle) error{
	"a block":                writing(0, crypt.BlockSize),
	"a byte":                 writing(700_001, 1),
	"appended":               writing(baseSize, 10),
	"a block, the rest read": allButFirst,
	"cut behind the bit": func(h *Handle) error {
		size := int64(flippedBit + 1000)
		_, err := h.n.SetAttr(context.Background(), h, SetAttr{Size: &size})
		return errors.Join(err, writing(3, 3)(h))
	},
	"cut before the bit": func(h *Handle) error {
		size := int64(100_000)
		_, err := h.n.SetAttr(context.Background(), h, SetAttr{Size: &size})
		return errors.Join(err, writing(3, 3)(h))
	},
	"a hole": func(h *Handle) error { return h.Allocate(context.Background(), 0, 100_000, punchHole|keepSize) },
}

// notPublished: the draft of a file whose base was altered is lost, and said to be,
// and the store has what it had.
func (r *rig) notPublished(name, etag string) {
	r.t.Helper()
	if info, err := r.store.Head(r.t.Context(), name); err != nil || info.ETag != etag {
		r.t.Errorf("the store has another object than before: %v", err)
	}
	if d := r.draft(r.v.Status(), name); d.State != Lost.String() {
		r.t.Errorf("status calls the draft %s", d.State)
	}
	if got, err := r.attempt(name); !errors.Is(err, ErrIO) || len(got) > 0 {
		r.t.Errorf("%d bytes can be read, %v", len(got), err)
	}
	if kept, err := r.spool.Quarantined(); err != nil || len(kept) != 1 {
		r.t.Errorf("%d drafts are in quarantine, %v", len(kept), err)
	}
}

// TestTamperedBaseIsNotPublished: a version that was altered in the store is not put
// under a fresh MAC by a change of another part of it.
func TestTamperedBaseIsNotPublished(t *testing.T) {
	for _, mode := range modes {
		for what, how := range alterations {
			t.Run(mode.String()+"/"+what, func(t *testing.T) {
				r := newRig(t, mode)
				r.save("a", random(baseSize))
				r.sync()
				r.flip("a")
				r.cold()
				_, info := r.raw("a")
				h, err := r.changed("a", how)
				if err != nil {
					if mode != crypt.GCM || !errors.Is(err, fetch.ErrTampered) {
						t.Fatal(err)
					}
					return // it is found before anything is changed
				}
				if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrIO) || !errors.Is(err, fetch.ErrTampered) {
					t.Errorf("close gave %v", err)
				}
				h.Release()
				r.notPublished("a", info.ETag)
			})
		}
	}
}

// TestTamperedBaseAfterACrash: what an earlier mount has fetched is not believed by the
// next one, though the spool has all of the draft.
func TestTamperedBaseAfterACrash(t *testing.T) {
	for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC} {
		for what, how := range alterations {
			bubble(t, mode.String()+"/"+what, func(t *testing.T) {
				r, f := newFlakyRig(t, mode)
				r.save("a", random(baseSize))
				r.sync()
				r.flip("a")
				r.cold()
				_, info := r.raw("a")
				h, err := r.changed("a", how)
				if err != nil {
					t.Fatal(err)
				}
				if err := h.Fsync(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.crash(f, "after")
				_ = r.v.Sync(t.Context(), "a")
				r.notPublished("a", info.ETag)
			})
		}
	}
}

// TestEmptiedAfterAPromise: what an fsync has promised comes back after a crash, and
// with it what it has of the base, though the file had been emptied since.
func TestEmptiedAfterAPromise(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", random(baseSize))
	r.sync()
	r.flip("a")
	r.cold()
	_, info := r.raw("a")
	h, err := r.changed("a", allButFirst)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.truncate(h, 0)
	r.chmod("a", 0o600) // which writes its entry again
	r.crash(f, "after")
	if a, err := r.node("a").Attr(t.Context()); err != nil || a.Size != baseSize || a.Mode&0o777 != 0o600 {
		t.Fatalf("after the crash it is %+v, %v: what this test is for was not tried", a, err)
	}
	_ = r.v.Sync(t.Context(), "a")
	r.notPublished("a", info.ETag)
}

// TestBaseAlteredForAWhile: what was fetched while the base was altered is found when
// it is as it was again.
func TestBaseAlteredForAWhile(t *testing.T) {
	for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC} {
		r := newRig(t, mode)
		r.save("a", random(baseSize))
		r.sync()
		r.flip("a")
		r.cold()
		h, err := r.changed("a", writing(flippedBit+1, 1)) // in the same block
		if err != nil {
			t.Fatal(err)
		}
		r.flip("a")
		_, info := r.raw("a")
		if err := h.Flush(t.Context(), nil); !errors.Is(err, fetch.ErrTampered) {
			t.Errorf("close gave %v", err)
		}
		h.Release()
		r.notPublished("a", info.ETag)
	}
}

// TestTamperedBaseIsNotDrawn: nor is it kept as good under a local-only name, to be
// published under another.
func TestTamperedBaseIsNotDrawn(t *testing.T) {
	for _, mode := range modes {
		for what, how := range map[string]func(h *Handle) error{
			"committed": func(*Handle) error { return nil }, "a draft": writing(0, crypt.BlockSize), "a draft with all its bytes": allButFirst,
		} {
			t.Run(mode.String()+"/"+what, func(t *testing.T) {
				r := newRig(t, mode)
				r.save("a", random(baseSize))
				r.sync()
				r.flip("a")
				r.cold()
				h, err := r.changed("a", how)
				if err != nil && mode != crypt.GCM {
					t.Fatal(err)
				}
				r.mustRename("a", ".#a", 0)
				_ = h.Flush(t.Context(), nil)
				h.Release()
				r.await(func(s Status) bool { return len(s.Changes) == 0 })
				_ = r.rename(".#a", "b", 0)
				r.await(func(s Status) bool { return len(s.Changes) == 0 })
				_ = r.v.Sync(t.Context(), "b")
				if _, err := r.store.Head(t.Context(), "b"); !errors.Is(err, store.ErrNotExist) {
					t.Errorf("it is published: %v", err)
				}
			})
		}
	}
}

// TestReplacedBaseIsNotFetched: a file that is written anew needs nothing of what it
// replaces, altered or not; nor does one whose bytes are all this machine's.
func TestReplacedBaseIsNotFetched(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		c := r.counting()
		r.save("a", random(baseSize))
		r.sync()
		h, err := r.changed("a", writing(0, 10))
		if err != nil {
			t.Fatal(err)
		}
		r.finish(h)
		if n := c.bytes.Load(); n > 0 {
			t.Errorf("%v: a change of what this mount has made fetches %d bytes", mode, n)
		}
		r.flip("a")
		r.cold()
		want := random(baseSize + 5)
		r.save("a", want)
		if n := c.bytes.Load(); n > 0 {
			t.Errorf("%v: a file written anew fetches %d bytes", mode, n)
		}
		r.reads("a", string(want))
	}
}

// TestReadAndReplaced: a file that was read in part and is then written anew has nothing
// of its base any more, nor is it kept from being published by it.
func TestReadAndReplaced(t *testing.T) {
	for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC} {
		r := newRig(t, mode)
		c := r.counting()
		r.save("a", random(baseSize))
		r.sync()
		r.flip("a")
		r.cold()
		h := r.openFile("a", os.O_RDWR)
		if _, err := h.ReadAt(t.Context(), make([]byte, 100), 0); err != nil {
			t.Fatal(err)
		}
		before := c.bytes.Load()
		r.truncate(h, 0)
		r.write(h, []byte("written anew"), 0)
		r.finish(h)
		if n := c.bytes.Load(); n > before {
			t.Errorf("%v: %d bytes more were fetched", mode, n-before)
		}
		r.reads("a", "written anew")
	}
}

// TestCheckCountsAsProgress: a close waits for the check of a long base for as long as
// bytes of it come.
func TestCheckCountsAsProgress(t *testing.T) { synctest.Test(t, checkCountsAsProgress) }

func checkCountsAsProgress(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.o.CloseTimeout = time.Second
	c := r.counting()
	r.save("a", random(baseSize))
	r.sync()
	r.cold()
	h, err := r.changed("a", alterations["cut before the bit"])
	if err != nil {
		t.Fatal(err)
	}
	c.slow.Store(int64(20 * time.Millisecond))
	r.finish(h)
}

// TestBaseIsFetchedOnce: to be checked, a base is not fetched twice.
func TestBaseIsFetchedOnce(t *testing.T) {
	for _, mode := range modes {
		for what, how := range alterations {
			t.Run(mode.String()+"/"+what, func(t *testing.T) {
				r := newRig(t, mode)
				c := r.counting()
				r.save("a", random(baseSize))
				r.sync()
				r.cold()
				h, err := r.changed("a", how)
				if err != nil {
					t.Fatal(err)
				}
				r.finish(h)
				if n := c.bytes.Load(); n < baseSize-crypt.BlockSize || n > baseSize+2*crypt.BlockSize {
					t.Errorf("%d bytes were fetched of %d", n, baseSize)
				}
			})
		}
	}
}

// counting is a store that counts the bytes of object "a" that it gives, and shows
// each request for them.
type counting struct {
	store.Store
	bytes atomic.Int64
	shown atomic.Pointer[func(rg store.Range)]
	slow  atomic.Int64 // how long each 8 KiB take
}

func (c *counting) Get(ctx context.Context, key string, rg store.Range, etag string) (io.ReadCloser, store.Info, error) {
	if show := c.shown.Load(); show != nil && key == "a" {
		(*show)(rg)
	}
	body, info, err := c.Store.Get(ctx, key, rg, etag)
	if err == nil && key == "a" {
		body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(slowly{body, c}, c), body}
	}
	return body, info, err
}

// slowly is a body that comes as slowly as its store says.
type slowly struct {
	io.Reader
	c *counting
}

func (s slowly) Read(p []byte) (int, error) {
	if wait := time.Duration(s.c.slow.Load()); wait > 0 {
		time.Sleep(wait)
		p = p[:min(len(p), 8<<10)]
	}
	return s.Reader.Read(p)
}

func (c *counting) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

func (r *rig) counting() *counting {
	r.t.Helper()
	r.close()
	c := &counting{Store: r.store}
	r.o.Store = c
	r.open("spool-counting")
	return c
}

// TestEmptiedBeforeTheCheck: a file is emptied and written anew while the base of what
// an earlier close asked for is being checked. It is checked to the end all the same,
// and the later content needs no base.
func TestEmptiedBeforeTheCheck(t *testing.T) {
	for _, mode := range []crypt.Mode{crypt.CTR, crypt.CBC} {
		for what, tampered := range map[string]bool{"as it was": false, "altered": true, "altered, the rest not read": true} {
			t.Run(fmt.Sprint(mode, ", ", what), func(t *testing.T) {
				r := newRig(t, mode)
				r.o.SpoolDurable = true
				c := r.counting()
				want := random(baseSize)
				r.save("a", want)
				r.sync()
				if tampered {
					r.flip("a")
				}
				r.cold()
				_, before := r.raw("a")
				how := allButFirst
				if what == "altered, the rest not read" {
					how = writing(0, crypt.BlockSize)
				}
				h, err := r.changed("a", how)
				if err != nil {
					t.Fatal(err)
				}
				reached, gate := make(chan struct{}), make(chan struct{})
				var once sync.Once
				c.show(func(rg store.Range) {
					once.Do(func() { close(reached) })
					<-gate
				})
				r.finish(h)
				select {
				case <-reached:
				case <-time.After(20 * time.Second):
					close(gate)
					t.Fatal("the base is not checked")
				}
				h = r.openFile("a", os.O_RDWR|os.O_TRUNC)
				r.write(h, []byte("written anew"), 0)
				close(gate)
				clear(want[:crypt.BlockSize])
				if !tampered {
					(&flaky{Store: r.store}).await(t, "a", func(info store.Info, err error) bool { return err == nil && info.ETag != before.ETag })
					if got := (&watched{rig: r}).stored("a"); got != string(want) {
						t.Error("what the first close asked for is not what is published")
					}
				} else {
					r.attemptEnds(h.n)
					if info, err := r.store.Head(t.Context(), "a"); err != nil || info.ETag != before.ETag {
						t.Errorf("what was altered is published: %v", err)
					}
				}
				r.finish(h)
				r.sync()
				r.reads("a", "written anew")
			})
		}
	}
}

// attemptEnds waits until no commit of the node is under way.
func (r *rig) attemptEnds(n *Node) {
	r.t.Helper()
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	for n.commit.AttemptLocked() != nil {
		settled := r.v.ended
		r.v.mu.Unlock()
		select {
		case <-settled:
		case <-time.After(20 * time.Second):
			r.t.Error("the commit goes on and on")
		}
		r.v.mu.Lock()
	}
}

func (c *counting) show(f func(rg store.Range)) { c.shown.Store(&f) }
