package volume

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
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
			t.Run(fmt.Sprintf("%s, killed %v", name, kill), func(t *testing.T) {
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
