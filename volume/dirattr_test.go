package volume

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/crypt"
)

// TestChangeOfADirectoryNotKnown: what is shown of a directory while its marker
// cannot be read does not become what it states. A store that is away for a moment
// is waited for; one that stays away refuses the change.
func TestChangeOfADirectoryNotKnown(t *testing.T) {
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
