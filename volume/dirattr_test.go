package volume

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// TestChangeOfADirectoryNotKnown: what is shown of a directory while its marker
// cannot be read does not become what it states. A store that is away for a moment
// is waited for; one that stays away refuses the change.
func TestChangeOfADirectoryNotKnown(t *testing.T) { synctest.Test(t, changeOfADirectoryNotKnown) }

func changeOfADirectoryNotKnown(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	_, err := r.v.Root().Mkdir(t.Context(), "d", 0o700, 7, 8)
	if err == nil {
		err = r.node("d").SetXattr(t.Context(), "user.note", []byte("kept"), false, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.close()
	if err := os.RemoveAll(r.spoolDir()); err != nil {
		t.Fatal(err)
	}
	r.open("spool-flaky")
	d := r.node("d")
	var away atomic.Bool
	away.Store(true)
	f.set(func(op, _ string) error {
		if op == "head" && away.Load() {
			return errDown
		}
		return nil
	})
	mtime := time.Unix(1_700_000_000, 0)
	for range 2 { // the second finds that it failed just now
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := d.SetAttr(ctx, nil, SetAttr{Mtime: &mtime}); !errors.Is(err, ErrIO) {
			t.Errorf("changed unseen: %v", err)
		}
		cancel()
	}
	time.AfterFunc(500*time.Millisecond, func() { away.Store(false) })
	if _, err := d.SetAttr(t.Context(), nil, SetAttr{Mtime: &mtime}); err != nil {
		t.Error(err)
	}
	r.sync()
	r.cold()
	a, err := r.node("d").Attr(t.Context())
	if err != nil || a.Mode&0o7777 != 0o700 || a.UID != 7 || a.GID != 8 || !a.Mtime.Equal(mtime) {
		t.Errorf("its marker states %+v, %v", a, err)
	}
	if note, err := r.node("d").GetXattr(t.Context(), "user.note"); string(note) != "kept" {
		t.Errorf("its note is %q, %v", note, err)
	}
}

// halfGone answers for one key as a store does that removes it at that moment.
type halfGone struct {
	store.Store
	key string
}

func (s halfGone) Head(ctx context.Context, key string) (store.Info, error) {
	info, err := s.Store.Head(ctx, key)
	if key == s.key {
		info.Metadata = nil
	}
	return info, err
}

// TestMarkerThatIsHalfGone: a directory on its way is described by the marker that has
// arrived, not by what is left of the one before.
func TestMarkerThatIsHalfGone(t *testing.T) {
	undeleted := func(op, _ string) error {
		if op == "delete" {
			return errDown
		}
		return nil
	}
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	r.mkdir("d/sub")
	r.chmod("d/sub", 0o700)
	r.sync()
	r.cold()
	r.o.Store = halfGone{f, "d/sub/"}
	f.set(undeleted)
	r.mustRename("d", "e", 0)
	f.await(t, "e/sub/", func(_ store.Info, err error) bool { return err == nil })
	r.crash(f, "after")
	f.set(undeleted)
	if mode := r.mode("e/sub") & 0o777; mode != 0o700 {
		t.Errorf("mode %o", mode)
	}
	f.set(nil)
}

// TestMarkerAtAnotherPlaceAlone: what stands at a directory's name belongs to the one that
// is still to leave it. Its own marker is at its old place, and nowhere else.
func TestMarkerAtAnotherPlaceAlone(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	for _, d := range []string{"d", "e", "e/sub"} {
		r.mkdir(d)
	}
	r.save("d/f", []byte("f"))
	r.chmod("e/sub", 0o700)
	r.sync()
	r.cold()
	stuck := func(op, key string) error {
		if op == "copy" {
			return errDown
		}
		return nil
	}
	f.set(stuck)
	r.mustRename("d", "x", 0)
	r.mustRename("e", "d", 0)
	for _, name := range []string{"after", "again"} {
		if mode := r.mode("d/sub") & 0o777; mode != 0o700 {
			t.Errorf("mode %o", mode)
		}
		r.crash(f, name)
		f.set(stuck)
	}
	f.set(nil)
	r.sync()
	if mode := r.mode("d/sub") & 0o777; mode != 0o700 {
		t.Errorf("in the end: mode %o", mode)
	}
}

// TestPrivateDirectoryOfASlowStore: a directory of which nothing is known yet is shown to
// nobody as open that is not, however slow the store is.
func TestPrivateDirectoryOfASlowStore(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration // each request
		want  uint32
	}{
		"slow": {3 * time.Second, 0o750},
		"away": {time.Minute, 0o700},
	} {
		bubble(t, name, func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			r.mkdir("d")
			r.chmod("d", 0o750)
			r.sync()
			r.cold()
			d := r.node("d")
			slow := func() { time.Sleep(c.takes) }
			f.slow.Store(&slow)
			if a, err := d.Attr(t.Context()); err != nil || a.Mode&0o777 != c.want {
				t.Errorf("mode %o, %v; want %o", a.Mode, err, c.want)
			}
			f.slow.Store(nil)
			time.Sleep(r.v.o.Fresh)
			if mode := r.mode("d") & 0o777; mode != 0o750 {
				t.Errorf("mode %o when the store is fast again", mode)
			}
		})
	}
}
