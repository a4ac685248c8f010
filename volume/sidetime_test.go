package volume

import (
	"testing"
	"time"

	"mcfs/crypt"
)

// sideAttr stats a file's sidecar.
func (r *rig) sideAttr(name string) Attr {
	r.t.Helper()
	a, err := r.node(name + ".settings.json").Attr(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, at := range []*time.Time{&a.Mtime, &a.Atime, &a.Ctime} {
		*at = at.Round(0).UTC() // so that equal ones are equal to Go
	}
	return a
}

// TestSidecarKeepsItsTimes: what stat tells of a sidecar stays as long as its content does,
// whether this mount has put it, read it, listed it, or an earlier one remembers it.
func TestSidecarKeepsItsTimes(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.o.Fresh = time.Millisecond // each look-up asks for a listing
	r.close()
	r.open("spool")
	r.save("f", []byte("content"))
	put := r.sideAttr("f")
	still := func(after string) {
		t.Helper()
		if a := r.sideAttr("f"); a != put {
			t.Errorf("after %s stat tells %+v, and told %+v", after, a, put)
		}
	}
	read := func() {
		t.Helper()
		if _, err := r.v.Settings(t.Context(), r.node("f")); err != nil {
			t.Fatal(err)
		}
	}
	read()
	still("its first read")
	if _, err := r.v.Root().ReadDir(t.Context()); err != nil {
		t.Fatal(err)
	}
	still("a listing")
	r.sync()
	r.close()
	r.open("spool")
	ino := r.sideAttr("f").Ino
	put.Ino = ino
	still("a restart")
	read()
	still("a read after it")

	r.chmod("f", 0o640)
	r.sync()
	if a := r.sideAttr("f"); !a.Mtime.After(put.Mtime) {
		t.Errorf("it was put again, and its time is %v still", a.Mtime)
	}
}
