package volume

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// speechless is a store that begins uploads, but whose answer is lost so many
// times, or does not come.
type speechless struct {
	store.Store
	lost  atomic.Int32
	hangs atomic.Bool
}

func (s *speechless) Begin(ctx context.Context, key string, a store.Attributes) (store.Upload, error) {
	up, err := s.Store.Begin(ctx, key, a)
	if err == nil && s.hangs.Load() {
		<-ctx.Done()
	}
	if err == nil && s.lost.Add(-1) >= 0 {
		return store.Upload{}, errDown
	}
	return up, err
}

// eventually waits until the store has so many unfinished uploads.
func (r *rig) eventually(want int) {
	r.t.Helper()
	for deadline := time.Now().Add(4 * straggle); ; time.Sleep(20 * time.Millisecond) {
		ups, err := r.store.Uploads(r.t.Context(), "")
		if err != nil {
			r.t.Fatal(err)
		}
		if len(ups) == want {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("unfinished uploads %v, want %d", ups, want)
		}
	}
}

// TestUploadWhoseBeginningWasNotAnswered: it is found and aborted, by the mount that
// began it or by the next one; what began later stays.
func TestUploadWhoseBeginningWasNotAnswered(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(map[bool]string{false: "live", true: "killed"}[killed], func(t *testing.T) {
			t.Parallel()
			r, f := newFlakyRig(t, crypt.CTR)
			r.close()
			s := &speechless{Store: f}
			r.o.Store, r.o.CloseTimeout = s, time.Minute
			r.open("spool-flaky")
			s.lost.Store(2)
			s.hangs.Store(killed)
			h := r.create("a", os.O_TRUNC)
			p := random(40_000_000)
			for off := 0; off < len(p); off += 1 << 20 {
				r.write(h, p[off:min(len(p), off+1<<20)], int64(off))
			}
			if killed {
				r.eventually(1)
				r.crash(f, "after")
				s.hangs.Store(false)
				r.eventually(0)
				return
			}
			r.finish(h)
			r.eventually(0)
			r.truthful()
			changes, err := r.spool.Journal().Uploads()
			for deadline := time.Now().Add(4 * straggle); err == nil && len(changes) > 0 && time.Now().Before(deadline); {
				time.Sleep(20 * time.Millisecond)
				changes, err = r.spool.Journal().Uploads()
			}
			if err != nil || len(changes) > 0 {
				t.Errorf("the journal still has %v (%v)", changes, err)
			}
		})
	}
}
