package volume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
)

// TestCallsDuringTheEnd: programs go on to call while the volume ends, and after that until
// the mount is gone. Each call has its answer, and none begins anything that nobody waits for.
func TestCallsDuringTheEnd(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.o.Fresh = -1
	r.save("film.mp4", []byte("content"))
	r.cold()
	v := r.v
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				name := []string{"film.mp4", fmt.Sprintf("nothing %d of %d", k, i)}[k%2]
				if n, err := v.Root().Lookup(context.Background(), name); err == nil {
					_, _ = n.Attr(context.Background())
				}
				_, _ = v.Root().ReadDir(context.Background())
				_, _ = v.learnRoom()
			}
		})
	}
	r.close()
	v.mu.Lock()
	v.room = roomAsked{}
	f := v.beginListing(v.root, false)
	v.mu.Unlock()
	close(stop)
	callers.Wait()
	if _, _, err := f.Await(context.Background(), time.Minute, false); !errors.Is(err, ErrShutdown) {
		t.Errorf("a listing after the end: %v", err)
	}
	if _, known := v.learnRoom(); known {
		t.Error("the room was asked for after the end")
	}
}
