package remote

import (
	"testing"

	"mcfs/sidecar"
	"mcfs/store"
)

// TestMarkerHalfRemovedIsMovedAgain: what a removal that was interrupted has left of a marker
// does not take the place of its copy, which states the directory's attributes. A marker that
// never stated any is moved as it is.
func TestMarkerHalfRemovedIsMovedAgain(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.putMarkers("d/", "d/e/")
	silent := store.Attributes{ContentType: "application/x-directory"}
	put := func(key string) {
		t.Helper()
		_, err := r.s.Store.Put(ctx, key, bodyOf(nil), silent, store.Condition{})
		r.must(err)
	}
	put("d/foreign/")
	keys := []string{"d/", "d/e/", "d/foreign/"}
	r.must(r.c.MoveMarkers(ctx, "d/", "n/", keys))
	put("d/e/")
	put("d/foreign/")
	r.must(r.c.MoveMarkers(ctx, "d/", "n/", keys))
	want := attr(0o755)
	for key, mode := range map[string]uint32{"n/": want.Mode, "n/e/": want.Mode, "n/foreign/": 0} {
		info, err := r.s.Head(ctx, key)
		r.must(err)
		a, err := sidecar.ParseAttr(info.Metadata)
		r.must(err)
		if a.Mode != mode {
			t.Errorf("%s: mode %o, not %o", key, a.Mode, mode)
		}
	}
	for _, key := range keys {
		if _, err := r.s.Head(ctx, key); err == nil {
			t.Errorf("%s is still there", key)
		}
	}
}
