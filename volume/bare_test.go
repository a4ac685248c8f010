package volume

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
)

// dress sets attributes that only a sidecar states.
func (r *rig) dress(name string, mode uint32, at time.Time) {
	r.t.Helper()
	if _, err := r.node(name).SetAttr(r.t.Context(), nil, SetAttr{Mode: &mode, Mtime: &at}); err != nil {
		r.t.Fatal(err)
	}
	if err := r.node(name).SetXattr(r.t.Context(), "user.note", []byte(name), false, false); err != nil {
		r.t.Fatal(err)
	}
	r.sync()
}

// dressed says that a file has them.
func (r *rig) dressed(name, note string, mode uint32, at time.Time) {
	r.t.Helper()
	n := r.node(name)
	a, err := n.Attr(r.t.Context())
	if err != nil || a.Mode&0o7777 != mode || !a.Mtime.Equal(at) {
		r.t.Errorf("%s: %+v, %v", name, a, err)
	}
	if got, err := n.GetXattr(r.t.Context(), "user.note"); err != nil || string(got) != note {
		r.t.Errorf("%s: xattr %q, %v", name, got, err)
	}
}

// noSidecars says that nothing in the store says of a file that it is ready.
func (r *rig) noSidecars() {
	r.t.Helper()
	for _, key := range r.objects() {
		if sidecar.Is(key) {
			r.t.Errorf("the store has %s", key)
		}
	}
}

// TestIntoTheTrash: what is moved in the store to a local-only name has no sidecar there,
// keeps its attributes all the same, and has one again when it comes back.
func TestIntoTheTrash(t *testing.T) {
	r := newRig(t, crypt.CTR)
	large, at := random(drawLimit+1), time.Unix(1_000_000_000, 5)
	r.save("a", large)
	r.dress("a", 0o640, at)
	r.mkdir("d")
	r.save("d/b", []byte("b"))
	r.dress("d/b", 0o600, at)
	r.cold() // nothing of it is cached
	r.mkdir(".Trash-0")
	r.mkdir(".Trash-0/files")
	r.mustRename("a", ".Trash-0/files/a", 0)
	r.mustRename("d", ".Trash-0/files/d", 0)
	r.sync()
	r.noSidecars()
	r.dressed(".Trash-0/files/a", "a", 0o640, at)
	r.cold()
	r.noSidecars()
	r.dressed(".Trash-0/files/a", "a", 0o640, at)
	r.dressed(".Trash-0/files/d/b", "d/b", 0o600, at)
	if got := r.load(".Trash-0/files/d/b"); string(got) != "b" {
		t.Errorf("in the trash: %q", got)
	}
	r.dress(".Trash-0/files/d/b", 0o644, at)
	r.noSidecars()
	r.mustRename(".Trash-0/files/a", "a", 0)
	r.mustRename(".Trash-0/files/d", "e", 0)
	r.sync()
	if got := strings.Join(r.objects(), " "); got != ".Trash-0/files/ a a.settings.json e/ e/b e/b.settings.json" {
		t.Errorf("the store holds %s", got)
	}
	r.truthful()
	r.cold()
	r.dressed("a", "a", 0o640, at)
	if !bytes.Equal(r.load("a"), large) {
		t.Error("content differs")
	}
}
