package volume

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/orphans"
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

// askew is a store whose clock is not this machine's.
type askew struct {
	store.Store
	by time.Duration
}

func (a askew) Now() store.Span {
	now := time.Now().Add(a.by)
	return store.Span{From: now, To: now}
}

func (a askew) Uploads(ctx context.Context, prefix string) ([]store.Upload, error) {
	list, err := a.Store.Uploads(ctx, prefix)
	for i := range list {
		list[i].Initiated = list[i].Initiated.Add(a.by)
	}
	return list, err
}

// eventually waits until the store has so many unfinished uploads.
func (r *rig) eventually(want int) {
	r.t.Helper()
	for deadline := time.Now().Add(4 * orphans.Straggle); ; time.Sleep(20 * time.Millisecond) {
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
// began it or by the next one, however far the store's clock is from this machine's;
// what began later stays.
func TestUploadWhoseBeginningWasNotAnswered(t *testing.T) {
	for _, c := range []struct {
		name   string
		killed bool
		askew  time.Duration
	}{
		{"live", false, 0},
		{"killed", true, 0},
		{"live, the store an hour ahead", false, time.Hour},
		{"killed, the store an hour ahead", true, time.Hour},
		{"live, the store an hour behind", false, -time.Hour},
		{"killed, the store an hour behind", true, -time.Hour},
	} {
		killed := c.killed
		bubble(t, c.name, func(t *testing.T) {
			r, f := newFlakyRigOf(t, crypt.CTR, lightPart)
			r.close()
			f.Store = askew{f.Store, c.askew}
			s := &speechless{Store: f}
			r.o.Store, r.o.CloseTimeout = s, time.Minute
			r.open("spool-flaky")
			s.lost.Store(2)
			s.hangs.Store(killed)
			h := r.create("a", os.O_TRUNC)
			p := random(2_500_000)
			for off := 0; off < len(p); off += 64 << 10 {
				r.write(h, p[off:min(len(p), off+64<<10)], int64(off))
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
			for deadline := time.Now().Add(4 * orphans.Straggle); err == nil && len(changes) > 0 && time.Now().Before(deadline); {
				time.Sleep(20 * time.Millisecond)
				changes, err = r.spool.Journal().Uploads()
			}
			if err != nil || len(changes) > 0 {
				t.Errorf("the journal still has %v (%v)", changes, err)
			}
		})
	}
}
