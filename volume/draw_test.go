package volume

import (
	"context"
	"io"
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
