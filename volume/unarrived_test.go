package volume

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// unarrivedCases are what may happen to a file whose last request has left and
// never arrives: a's new content is on its way, over an old one if there is one.
var unarrivedCases = []struct {
	name    string
	act     func(r *rig)
	after   map[string]string
	objects []string
}{
	{
		name:    "renamed",
		act:     func(r *rig) { r.mustRename("a", "b", 0) },
		after:   map[string]string{"a": "", "b": "new"},
		objects: []string{"b", "b.settings.json", "x", "x.settings.json"},
	},
	{
		name:    "renamed over another, and again",
		act:     func(r *rig) { r.mustRename("a", "x", 0); r.mustRename("x", "y", 0) },
		after:   map[string]string{"a": "", "x": "", "y": "new"},
		objects: []string{"y", "y.settings.json"},
	},
	{
		name:    "removed",
		act:     func(r *rig) { r.remove("a") },
		after:   map[string]string{"a": "", "x": "x"},
		objects: []string{"x", "x.settings.json"},
	},
	{
		name:    "replaced by a newer draft",
		act:     func(r *rig) { r.put("a~", []byte("newer")); r.mustRename("a~", "a", 0) },
		after:   map[string]string{"a": "newer", "a~": ""},
		objects: []string{"a", "a.settings.json", "x", "x.settings.json"},
	},
	{
		name:    "renamed to a local-only name, and on",
		act:     func(r *rig) { r.mustRename("a", "a~", 0); r.mustRename("a~", "b", 0) },
		after:   map[string]string{"a": "", "a~": "", "b": "new"},
		objects: []string{"b", "b.settings.json", "x", "x.settings.json"},
	},
}

// TestCommitThatNeverArrives: what is done to the name of a file, while the
// request that makes its object visible is under way, holds over a kill before
// that request arrived, and where it arrives late.
func TestCommitThatNeverArrives(t *testing.T) {
	for _, c := range unarrivedCases {
		for _, old := range []bool{false, true} {
			for _, kill := range []bool{false, true} {
				name := map[bool]string{false: "a new file ", true: "over an old one "}[old] + c.name
				bubble(t, name+map[bool]string{false: "", true: ", killed"}[kill], func(t *testing.T) {
					r, f := stuckCommit(t, old)
					c.act(r)
					r.holds("at once", c.after)
					if kill {
						r.crash(f, "after")
					}
					f.set(nil)
					r.holds("when the store is back", c.after)
					r.sync()
					r.settleDrafts()
					r.holds("in the end", c.after)
					r.truthful()
					r.expectObjects(c.objects...)
				})
			}
		}
	}
}

// stuckCommit is a rig in which "a" was closed and its object is refused.
func stuckCommit(t *testing.T, old bool) (*rig, *flaky) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("x", []byte("x"))
	if old {
		r.save("a", []byte("old"))
	}
	r.sync()
	f.set(func(op, key string) error {
		if op == "put" && key == "a" {
			return errDown
		}
		return nil
	})
	r.save("a", []byte("new"))
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if list := r.v.Pending(); len(list) == 1 && list[0].What == Publishing.String() {
			return r, f
		}
		if time.Now().After(deadline) {
			t.Fatalf("pending: %+v", r.v.Pending())
		}
	}
}

// TestSidecarThatFailsOnce: a commit whose sidecar is refused at first is done
// once it is put, and nobody waits for it any more.
func TestSidecarThatFailsOnce(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	var failed atomic.Bool
	f.set(func(op, key string) error {
		if op == "put" && strings.HasSuffix(key, ".settings.json") && failed.CompareAndSwap(false, true) {
			return errDown
		}
		return nil
	})
	r.o.CloseTimeout = 10 * time.Second
	r.close()
	r.open("spool-flaky")
	r.save("a", []byte("content"))
	if !failed.Load() {
		t.Fatal("no sidecar was refused")
	}
	if list := r.v.Pending(); len(list) != 0 {
		t.Errorf("pending: %+v", list)
	}
	r.expectObjects("a", "a.settings.json")
	r.truthful()
}

// TestActBeforeTheLastMountIsSettled: what is done to a file while it is still
// being found out whether its object had arrived is done to that object.
func TestActBeforeTheLastMountIsSettled(t *testing.T) {
	for name, c := range map[string]struct {
		act   func(r *rig)
		after map[string]string
	}{
		"written": {func(r *rig) { r.save("a", []byte("second")) }, map[string]string{"a": "second"}},
		"removed": {func(r *rig) { r.remove("a") }, map[string]string{"a": ""}},
		"renamed": {func(r *rig) { r.mustRename("a", "b", 0) }, map[string]string{"a": "", "b": "first"}},
		"read":    {func(r *rig) { r.holds("while it is settled", map[string]string{"a": "first"}) }, map[string]string{"a": "first"}},
	} {
		bubble(t, name, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			f.set(func(op, key string) error {
				if op == "put" && strings.HasSuffix(key, ".settings.json") {
					return errDown // the object arrives, and the crash comes before its sidecar
				}
				return nil
			})
			r.o.SpoolDurable = true
			r.close()
			var away atomic.Bool
			f.Store = slowHead{f.Store, &away}
			r.open("spool-flaky")
			r.save("a", []byte("first"))
			for len(r.objects()) == 0 {
				time.Sleep(time.Millisecond)
			}
			away.Store(true)
			r.crash(f, "after")
			c.act(r)
			away.Store(false)
			r.sync()
			r.holds("in the end", c.after)
			r.cold()
			r.holds("cold", c.after)
			r.truthful()
		})
	}
}

// slowHead is a store that does not say what it has, for a while.
type slowHead struct {
	store.Store
	away *atomic.Bool
}

func (s slowHead) Head(ctx context.Context, key string) (store.Info, error) {
	if s.away.Load() {
		return store.Info{}, errDown
	}
	return s.Store.Head(ctx, key)
}
