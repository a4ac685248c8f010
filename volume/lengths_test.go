package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// deep makes directories until a name in the last has room for just n bytes, its
// sidecar's suffix included.
func (r *rig) deep(n int) (dir string) {
	r.t.Helper()
	room := store.MaxKey - len("a/") - n
	for len(dir) < room {
		step := min(200, room-len(dir)-1)
		if left := room - len(dir) - 1 - step; left > 0 && left < 2 {
			step -= 2
		}
		r.mkdir(dir + strings.Repeat("d", step))
		dir += strings.Repeat("d", step) + "/"
	}
	return dir
}

// TestLongestName: what is as long as a name can be is committed; what is a byte longer
// is refused by whatever would make it, at once.
func TestLongestName(t *testing.T) {
	r := newRig(t, crypt.CTR)
	deep := r.deep(20 + len(sidecar.Suffix))
	for what, c := range map[string]struct{ dir, longest, longer string }{
		"NAME_MAX": {"", strings.Repeat("n", 241), strings.Repeat("n", 242)},
		"key":      {deep, strings.Repeat("n", 20), strings.Repeat("n", 21)},
		"escaped":  {"", strings.Repeat("%", 80), strings.Repeat("%", 81)}, // as the store spells it, three bytes each
		"letters":  {"", strings.Repeat("é", 120), strings.Repeat("é", 121)},
	} {
		t.Run(what, func(t *testing.T) {
			r.t = t
			d := r.node(c.dir)
			r.save(c.dir+c.longest, []byte("longest"))
			r.save(c.dir+"other", []byte("other"))
			for call, f := range map[string]func() error{
				"create": func() error {
					_, _, err := d.Create(t.Context(), c.longer, os.O_CREATE|os.O_RDWR, 0o644, 1, 2, nil)
					return err
				},
				"mkdir":    func() error { _, err := d.Mkdir(t.Context(), c.longer, 0o755, 1, 2); return err },
				"symlink":  func() error { _, err := d.Symlink(t.Context(), c.longer, "target", 1, 2); return err },
				"link":     func() error { return d.Link(t.Context(), r.nameless([]byte("x")).n, c.longer) },
				"rename":   func() error { return d.Rename(t.Context(), "other", d, c.longer, 0) },
				"from":     func() error { return d.Rename(t.Context(), c.longer, d, "b", 0) },
				"exchange": func() error { return d.Rename(t.Context(), "other", d, c.longer, Exchange) },
				"lookup":   func() error { _, err := d.Lookup(t.Context(), c.longer); return err },
				"unlink":   func() error { return d.Remove(t.Context(), c.longer) },
				"rmdir":    func() error { return d.Rmdir(t.Context(), c.longer) },
			} {
				if err := f(); !errors.Is(err, ErrNameTooLong) {
					t.Errorf("%s: %v", call, err)
				}
			}
			r.mustRename(c.dir+c.longest, c.dir+"x", 0)
			r.mustRename(c.dir+"x", c.dir+c.longest, 0)
			r.finished()
			if got := r.load(c.dir + c.longest); string(got) != "longest" {
				t.Errorf("holds %q", got)
			}
		})
	}
}

// TestNoLengthIsAnError: whatever the length of a name that is not there, the answer is
// that it is not, or that it is too long.
func TestNoLengthIsAnError(t *testing.T) {
	r := newRig(t, crypt.CTR)
	deep := r.node(r.deep(20))
	r.cold()
	for n := 1; n < 300; n++ {
		for _, d := range []*Node{r.v.Root(), deep} {
			_, err := d.Lookup(t.Context(), strings.Repeat("n", n))
			long := n > 241 || d == deep && n > 20-len(sidecar.Suffix)
			if long != errors.Is(err, ErrNameTooLong) || long == errors.Is(err, ErrNotExist) {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
	}
}

// TestNamesMadeElsewhere: an object under a name that leaves no room for a sidecar can be
// read, but not written, since that could never be committed; renamed it can.
func TestNamesMadeElsewhere(t *testing.T) {
	r := newRig(t, crypt.CTR)
	name := strings.Repeat("n", 250)
	r.plant(name, []byte("foreign"), nil)
	if got := r.load(name); string(got) != "foreign" {
		t.Fatalf("holds %q", got)
	}
	size := int64(1)
	for call, f := range map[string]func() error{
		"write":    func() error { _, err := r.node(name).Open(t.Context(), os.O_RDWR, nil); return err },
		"O_TRUNC":  func() error { _, err := r.node(name).Open(t.Context(), os.O_WRONLY|os.O_TRUNC, nil); return err },
		"truncate": func() error { _, err := r.node(name).SetAttr(t.Context(), nil, SetAttr{Size: &size}); return err },
	} {
		if err := f(); !errors.Is(err, ErrNameTooLong) {
			t.Errorf("%s: %v", call, err)
		}
	}
	r.mustRename(name, "short", 0)
	r.finished()
	r.save("short", []byte("mine"))
	r.holds("renamed", map[string]string{"short": "mine"})
}

// TestLongSettingsName: a name that ends as a sidecar's is as long as a sidecar's may be,
// for a copied tree has such; a file that is no settings document is refused at its close.
func TestLongSettingsName(t *testing.T) {
	r := newRig(t, crypt.CTR)
	name := strings.Repeat("n", 241) + sidecar.Suffix
	h := r.create(name, 0)
	r.write(h, []byte("nothing of the kind"), 0)
	begun := time.Now()
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrNameTooLong) || time.Since(begun) > 4*time.Second {
		t.Errorf("close says %v after %v", err, time.Since(begun))
	}
	h.Release()
	r.remove(name)
	r.finished()
	r.expectObjects()
}

// finished is sync of what may be tried for ever where something is wrong.
func (r *rig) finished() {
	r.t.Helper()
	limited, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	if err := r.v.Sync(limited, ""); err != nil {
		r.t.Errorf("sync: %v", err)
	}
}

// tooDeep is a tree in which "top/…/file" has no room for a longer name of "top".
func (r *rig) tooDeep() (file string) {
	r.t.Helper()
	r.mkdir("top")
	r.save("top/near", []byte("near"))
	dir := "top/"
	for range 3 {
		dir += strings.Repeat("d", 240)
		r.mkdir(dir)
		dir += "/"
	}
	file = dir + strings.Repeat("f", 230)
	r.save(file, []byte("far"))
	r.finished()
	return file
}

const longTop = "a name that is too long for the directory at the top of it"

// TestDirectoryBecomesTooLong: the rename of a directory is refused if what is below it
// would be too long, be it known, not listed yet, or to change places.
func TestDirectoryBecomesTooLong(t *testing.T) {
	r := newRig(t, crypt.CTR)
	file := r.tooDeep()
	for _, cold := range []bool{false, true} {
		if cold {
			r.cold()
		}
		r.mkdir(fmt.Sprint(longTop, cold))
		for what, err := range map[string]error{
			"rename":   r.rename("top", longTop, 0),
			"onto":     r.rename("top", fmt.Sprint(longTop, cold), 0),
			"exchange": r.rename("top", fmt.Sprint(longTop, cold), Exchange),
			"swapped":  r.rename(fmt.Sprint(longTop, cold), "top", Exchange),
		} {
			if !errors.Is(err, ErrNameTooLong) {
				t.Errorf("%s, cold %v: %v", what, cold, err)
			}
		}
		if len(r.v.Pending()) > 1 { // the new directory
			t.Errorf("pending: %+v", r.v.Pending())
		}
	}
	r.holds("in the end", map[string]string{"top/near": "near", file: "far"})
	r.mustRename("top", "tip", 0)
	r.finished()
	r.holds("renamed", map[string]string{"tip/near": "near", "tip" + strings.TrimPrefix(file, "top"): "far"})
}

// deaf is a store that does not list more than one directory at a time.
type deaf struct{ store.Store }

func (d deaf) List(ctx context.Context, prefix, delimiter, token string, limit int) (store.Page, error) {
	if _, hurry := ctx.Deadline(); hurry && delimiter == "" {
		return store.Page{}, errDown
	}
	return d.Store.List(ctx, prefix, delimiter, token, limit)
}

// TestTooLongStaysBehind: where it could not be known in time that something below would
// be too long, the directory is renamed, and that stays under the old name, as it does when
// mv copies; the rename ends.
func TestTooLongStaysBehind(t *testing.T) {
	r := newRig(t, crypt.CTR)
	file := r.tooDeep()
	r.close()
	r.o.Store = deaf{r.store}
	r.o.Fresh = -1
	r.open("spool-deaf")
	r.mustRename("top", longTop, 0)
	r.finished()
	if left := r.v.Pending(); len(left) > 0 {
		t.Errorf("not finished: %+v", left)
	}
	r.cold()
	r.holds("after it", map[string]string{longTop + "/near": "near", file: "far"})
	r.truthful()
}

// TestLongestFile: what no upload can hold is refused by whatever would make a file so
// long, and so is a change of one that was made elsewhere.
func TestLongestFile(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRig(t, mode)
			most := min(r.v.uploads.MaxSize(), mode.MaxPlain())
			r.plant("huge", []byte("foreign"), nil)
			if err := os.Truncate(filepath.Join(r.home, "store", "huge"), most+1); err != nil {
				t.Fatal(err)
			}
			h := r.create("long", 0)
			for call, f := range map[string]func(end int64) error{
				"truncate":  func(end int64) error { _, err := h.n.SetAttr(t.Context(), h, SetAttr{Size: &end}); return err },
				"fallocate": func(end int64) error { return h.Allocate(t.Context(), end-1, 1, 0) },
				"keep size": func(end int64) error { return h.Allocate(t.Context(), end-1, 1, keepSize) },
				"write":     func(end int64) error { _, err := h.WriteAt(t.Context(), []byte("x"), end-1); return err },
			} {
				if err := f(most + 1); !errors.Is(err, ErrTooBig) {
					t.Errorf("%s to %d: %v", call, most+1, err)
				}
				if err := f(most); err != nil {
					t.Errorf("%s to %d: %v", call, most, err)
				}
			}
			r.remove("long")
			h.Release()
			r.changeTooLong()
		})
	}
}

// changeTooLong tries to change a file that another program has put, and that is too long.
func (r *rig) changeTooLong() {
	r.t.Helper()
	h := r.openFile("huge", os.O_RDWR)
	if _, err := h.WriteAt(r.t.Context(), []byte("x"), 0); !errors.Is(err, ErrTooBig) {
		r.t.Errorf("write: %v", err)
	}
	if err := h.Allocate(r.t.Context(), 0, 10, punchHole|keepSize); !errors.Is(err, ErrTooBig) {
		r.t.Errorf("punch: %v", err)
	}
	h.Release()
	r.save("huge", []byte("mine"))
	if got := r.load("huge"); !bytes.Equal(got, []byte("mine")) {
		r.t.Errorf("holds %q", got)
	}
}
