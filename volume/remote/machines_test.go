package remote

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"mcfs/sidecar"
	"mcfs/store"
)

// intrude saves a key as another machine does that knows nothing of this one.
func (r *rig) intrude(key string) {
	ctx := r.t.Context()
	r.must(r.s.Store.Delete(ctx, sidecar.Name(key), store.Condition{}))
	x, body := r.seal(key, "theirs")
	attrs := store.Attributes{ContentType: "application/octet-stream", Metadata: x.Object().Encode()}
	info, err := r.s.Store.Put(ctx, key, bodyOf(body), attrs, store.Condition{})
	r.must(err)
	x.Arrived(info.ETag, info.Modified)
	theirs := New(Config{Store: r.s.Store, Cache: r.cache, Log: r.c.log})
	r.must(theirs.PutSidecar(ctx, x, key, store.Condition{}, nil))
}

// TestAnotherMachineSaves has another machine save a name of each step before each of its
// requests. What it has saved is there in the end, under one name or another, and every
// sidecar is true.
func TestAnotherMachineSaves(t *testing.T) {
	list := slices.Concat(sidecarSteps(), removeSteps(), relocateSteps(), trashSteps())
	for _, s := range list {
		if strings.Contains(s.name, "foreign") || strings.Contains(s.name, "damaged") || strings.Contains(s.name, "nobody sees") {
			continue // nothing tells a foreign object of one's own making, and hidden names are no other machine's
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			keys := []string{"a", "b"}
			if strings.Contains(s.name, "trash") {
				keys = []string{"a", "trash/a", "trash/b"}
			}
			for _, key := range keys {
				for n := 1; ; n++ {
					met := false
					synctest.Test(t, func(t *testing.T) { met = meetAt(t, s, key, n) })
					if !met {
						break
					}
				}
			}
		})
	}
}

// meetAt is one row: another machine saves key before request n. It reports whether there
// was such a request.
func meetAt(t *testing.T, s step, key string, n int) (met bool) {
	r := newRig(t)
	s.setup(r)
	r.s.count, r.s.look = 0, func() {} // two machines at once: only the end is promised
	r.s.meet = func(at int) {
		if at == n {
			met = true
			r.intrude(key)
		}
	}
	for r.tries = 0; r.tries < 8; r.tries++ {
		err := s.do(r)
		if err == nil || errors.Is(err, ErrTaken) || errors.Is(err, store.ErrNotExist) {
			break
		}
		if !IsTransient(err) {
			t.Errorf("request %d, %s: %v", n, key, err)
		}
	}
	r.s.meet = nil
	r.truthful()
	if have := fmt.Sprint(r.snapshot()); met && !strings.Contains(have, `object of "theirs"`) {
		t.Errorf("what another machine saved as %s before request %d is gone: %s", key, n, have)
	}
	if t.Failed() {
		t.Logf("request %d, %s: %v", n, key, r.snapshot())
	}
	return met
}
