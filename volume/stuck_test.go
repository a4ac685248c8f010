package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/changes"
)

// TestCloseBehindAStuckMove: a file is saved below a directory whose move fails again and
// again, each try as far as the one before. Its close waits for upload.timeout, and says why,
// also while other names go on being changed.
func TestCloseBehindAStuckMove(t *testing.T) {
	for _, fails := range []string{"copy", "delete"} {
		t.Run(fails, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, f := newFlakyRig(t, crypt.CTR)
				r.close()
				r.o.CloseTimeout = time.Minute
				r.open("spool-flaky")
				r.mkdir("d")
				for i := range 10 {
					r.save(fmt.Sprintf("d/%d", i), random(10+i))
				}
				r.sync()
				f.set(func(op, key string) error {
					if op == fails && key == "d/5" {
						return fmt.Errorf("never: %w", store.ErrUnavailable)
					}
					return nil
				})
				r.mustRename("d", "e", 0)
				h := r.create("e/new", os.O_TRUNC)
				r.write(h, random(99), 0)
				time.Sleep(5 * time.Second) // the move has failed by then
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				closed := make(chan struct{})
				go r.goOnMaking(closed)
				err := h.Flush(ctx, nil)
				close(closed)
				if !errors.Is(err, ErrIO) || !strings.Contains(err.Error(), "never") {
					t.Errorf("close: %v", err)
				}
				if took := time.Since(begun); took > 5*time.Minute { // the first tries get further each
					t.Errorf("close took %s", took)
				}
				h.Release()
				f.set(nil)
				r.sync()
				r.truthful()
				if got := r.load("e/new"); string(got) != string(random(99)) {
					t.Errorf("%d bytes in the end", len(got))
				}
			})
		})
	}
}

// goOnMaking makes a directory each ten seconds until an end.
func (r *rig) goOnMaking(end <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-time.After(10 * time.Second):
		case <-end:
			return
		}
		if _, err := r.v.Root().Mkdir(r.t.Context(), fmt.Sprintf("other%d", i), 0o755, 1, 2); err != nil {
			r.t.Error(err)
		}
	}
}

// renamedWithoutCopies is a rig that has renamed a to b in a store that cannot copy.
func renamedWithoutCopies(t *testing.T) *rig {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("a"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "copy" {
			return errors.New("NotImplemented: no copies here")
		}
		return nil
	})
	r.mustRename("a", "b", 0)
	return r
}

// TestGivenUpChange: a rename fails for a reason that does not pass. Nothing waits for it
// for ever, the next sync fails and says what was given up, and why; status goes on saying so.
func TestGivenUpChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := renamedWithoutCopies(t)
		begun := time.Now()
		err := r.v.Sync(t.Context(), "b")
		if err == nil || !strings.Contains(err.Error(), "rename a to b: given up") || !strings.Contains(err.Error(), "no copies here") {
			t.Errorf("sync says %v", err)
		}
		r.sync() // it has been said
		if took := time.Since(begun); took > time.Hour {
			t.Errorf("sync waited %s", took)
		}
		given := r.v.Status().GivenUp
		if len(given) != 1 || given[0].Path != "a" || given[0].To != "b" || !strings.Contains(given[0].Cause, "no copies here") {
			t.Errorf("status says %+v", given)
		}
		time.Sleep(time.Minute) // the listing is old by then
		r.holds("in the end", map[string]string{"a": "a", "b": ""})
	})
}

// TestUnmountNamesWhatWasGivenUp: nobody has asked since a rename was given up, so that the
// end of the mount says so.
func TestUnmountNamesWhatWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := renamedWithoutCopies(t)
		time.Sleep(2 * changes.Unexplained)
		err := r.v.Close(t.Context())
		if err == nil || !strings.Contains(err.Error(), "rename a to b: given up") || strings.Contains(err.Error(), "not finished") {
			t.Errorf("the end says %v", err)
		}
		if err := r.spool.Close(); err != nil {
			t.Error(err)
		}
		r.v = nil
	})
}
