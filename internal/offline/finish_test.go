package offline

import (
	"errors"
	"os"
	"testing"
	"time"

	"mcfs/internal/leftover"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/remote"
)

// TestOwedSidecars: what a killed run owes is done by the next: the sidecar of an object that has
// come is put, and that of one that was not replaced is put back, once no request can be on its way
// any more.
func TestOwedSidecars(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name   string
		came   bool
		since  time.Time
		put    bool // the sidecar is there afterwards
		stays  bool // the note is
		before bool // there is a version that was to be replaced
	}{
		{name: "it has come", came: true, since: time.Now(), put: true},
		{name: "it has not come", since: long, before: true, put: true},
		{name: "it may still come", since: time.Now(), before: true, stays: true},
		{name: "nothing has come", since: long},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, "CTR")
			r.source("f", []byte("content"))
			r.source("other", []byte("other"))
			r.must(r.encrypt("f", "f", false))
			r.must(r.encrypt("other", "other", false))
			st, _ := r.open()
			v, err := OpenVolume(t.Context(), r.c, false)
			r.must(err)
			there, err := v.look(t.Context(), "f")
			r.must(err)
			other, err := v.look(t.Context(), "other")
			r.must(err)
			r.must(v.Close())
			r.must(st.Delete(t.Context(), sidecar.Name("f"), store.Condition{}))
			made := there
			if !c.came { // another was to come to its place
				now := other.State()
				now.Key, now.ETag = "f", ""
				if c.before {
					now.Fallback = there
				}
				made = remote.NewVersion(other.Content, now)
			}
			if !c.came && !c.before {
				r.must(st.Delete(t.Context(), "f", store.Condition{}))
			}
			notes, err := leftover.Open(r.c.Spool.Dir + ".unmounted")
			r.must(err)
			_, err = notes.Add(leftover.Content{Object: &leftover.Object{Made: made.Record(), Since: c.since}})
			r.must(err)
			r.must(notes.Close())

			w, err := OpenWriter(t.Context(), r.c, true)
			r.must(err)
			r.must(w.Close(t.Context()))
			if _, err := os.Lstat(r.c.Spool.Dir + ".unmounted"); err != nil {
				t.Errorf("who only looks has touched the note: %v", err)
			}
			w, err = OpenWriter(t.Context(), r.c, false)
			r.must(err)
			r.must(w.Close(t.Context()))
			_, err = st.Head(t.Context(), sidecar.Name("f"))
			if (err == nil) != c.put {
				t.Errorf("the sidecar: %v", err)
			}
			if _, err := os.Lstat(r.c.Spool.Dir + ".unmounted"); errors.Is(err, os.ErrNotExist) == c.stays {
				t.Errorf("the note: %v", err)
			}
			if c.put {
				if found, err := r.verify("f"); err != nil || found["f"] != Sound {
					t.Errorf("%v, %v", found, err)
				}
			}
		})
	}
}
