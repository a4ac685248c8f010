package volume

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/changes"
)

// awaited is a store whose reads of one object wait until they are let go, or given up.
type awaited struct {
	store.Store
	key   string
	begun chan struct{}
	let   chan struct{}
}

func (s awaited) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	if key == s.key {
		select {
		case s.begun <- struct{}{}:
		default:
		}
		select {
		case <-s.let:
		case <-ctx.Done():
			return nil, store.Info{}, context.Cause(ctx)
		}
	}
	return s.Store.Get(ctx, key, r, ifMatch)
}

// TestRemovedWhileItIsDrawn: a file renamed to a local-only name is removed while its
// bytes are on their way into the spool. Nothing of it stays in the store.
func TestRemovedWhileItIsDrawn(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("text"))
	r.sync()
	slow := awaited{f, "a", make(chan struct{}, 1), make(chan struct{})}
	r.o.Store = slow
	r.cold()
	r.mustRename("a", "a~", 0)
	select {
	case <-slow.begun:
	case <-time.After(10 * time.Second):
		t.Fatal("it is not drawn")
	}
	if err := r.v.Root().Remove(t.Context(), "a~"); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { close(slow.let) })
	r.sync()
	r.expectObjects()
	r.cold()
	r.expectObjects()
}

// TestDirectoryTakesTheNameOfADrawnFile: the version that a directory finds under the
// name that it takes is removed first, and not left to a draft that is to have the name
// later. Stores that keep directories as a disk does cannot have both.
func TestDirectoryTakesTheNameOfADrawnFile(t *testing.T) {
	for name, swap := range map[string]func(*rig){
		"exchange": func(r *rig) {
			r.mustRename("b~", "b", Exchange)
			r.mustRename("b~", "b", Exchange)
		},
		"rename": func(r *rig) {
			r.mustRename("b", ".b.swp", 0)
			r.mustRename("b~", "b", 0)
			r.mustRename("b", "b~", 0)
			r.save("b", []byte("old"))
		},
		"exchange and a new file": func(r *rig) {
			r.mustRename("b~", "b", Exchange)
			r.mustRename("b", "b2", 0)
			r.save("b", []byte("old"))
			r.mustRename("b~", ".b.swp", 0)
			r.mustRename("b2", "b~", 0)
		},
	} {
		for _, kill := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, killed %v", name, kill), func(t *testing.T) {
				r, f := newFlakyRig(t, crypt.CTR)
				r.close()
				r.o.SpoolDurable = true
				r.open("spool-flaky")
				r.mkdir("b~")
				r.save("b", []byte("old"))
				r.sync()
				f.set(down)
				swap(r)
				if kill {
					r.crash(f, "after")
				}
				f.set(func(op, key string) error {
					_, err := f.Store.Head(t.Context(), "b")
					if op == "put" && strings.HasPrefix(key, "b/") && err == nil {
						return fmt.Errorf("put %s: a file has that name", key)
					}
					return nil
				})
				r.await(func(s Status) bool { return len(s.Changes) == 0 })
				r.sync()
				r.expectObjects("b", "b.settings.json", "b~/")
				r.holds("in the end", map[string]string{"b": "old"})
				r.truthful()
			})
		}
	}
}

// TestAttributesOfADrawnFile: a file's attributes are set, and it is renamed to a local-only
// name. They are the draft's then: no sidecar is put beside a version that is on its way out,
// and none at the place where an exchange has it wait.
func TestAttributesOfADrawnFile(t *testing.T) {
	for name, rename := range map[string]func(*rig){
		"rename": func(r *rig) { r.mustRename("a", "a~", 0) },
		"exchange": func(r *rig) {
			r.mustRename("a", "b", Exchange)
			r.mustRename("b", "a~", Exchange)
		},
	} {
		bubble(t, name, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.save("a", []byte("text"))
			if name == "exchange" {
				r.save("b", []byte("other"))
				r.save("a~", []byte("backup"))
			}
			r.sync()
			mode := uint32(0o640)
			if _, err := r.node("a").SetAttr(t.Context(), nil, SetAttr{Mode: &mode}); err != nil {
				t.Fatal(err)
			}
			var put atomic.Int32
			f.set(func(op, key string) error {
				if op == "put" && strings.HasSuffix(key, sidecar.Suffix) {
					put.Add(1)
				}
				if op == "copy" || op == "delete" {
					return errDown
				}
				return nil
			})
			rename(r)
			r.v.mu.Lock()
			r.v.changes.BeginDelayedLocked()
			r.v.mu.Unlock()
			r.await(func(s Status) bool {
				return !slices.ContainsFunc(s.Changes, func(c ChangeStatus) bool { return c.What == changes.Attr })
			})
			if n := put.Load(); n > 0 {
				t.Errorf("%d sidecars were put", n)
			}
			f.set(nil)
			r.sync()
			want := []string{}
			if name == "exchange" {
				want = []string{"a", "a.settings.json", "b", "b.settings.json"}
			}
			r.expectObjects(want...)
			r.truthful()
			if got, err := r.node("a~").Attr(t.Context()); err != nil || got.Mode&0o777 != mode {
				t.Errorf("the mode is %o, %v", got.Mode, err)
			}
		})
	}
}
