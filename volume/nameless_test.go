package volume

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"mcfs/crypt"
	"mcfs/spool"
)

// nameless makes a file without a name that holds p.
func (r *rig) nameless(p []byte) *Handle {
	r.t.Helper()
	_, h, err := r.v.Root().Tmpfile(os.O_RDWR, 0o640, 7, 8, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(h, p, 0)
	return h
}

func TestNamelessFile(t *testing.T) {
	r := newRig(t, crypt.CTR)
	p := random(300_001)

	never := r.nameless(p)
	if a, err := never.Node().Attr(t.Context()); err != nil || a.Nlink != 0 || a.Size != int64(len(p)) {
		t.Errorf("attributes: %+v, %v", a, err)
	}
	if got := r.readAll(never); !bytes.Equal(got, p) {
		t.Error("a nameless file reads back otherwise")
	}
	r.finish(never)
	r.sync()
	r.expectObjects()

	named := r.nameless(p)
	if err := named.Flush(t.Context(), nil); err != nil { // of a duplicate, before there is a name
		t.Fatal(err)
	}
	r.save("taken", []byte("x"))
	root := r.v.Root()
	if err := root.Link(t.Context(), named.Node(), "taken"); !errors.Is(err, ErrExist) {
		t.Errorf("link onto a file: %v", err)
	}
	if err := root.Link(t.Context(), named.Node(), "named"); err != nil {
		t.Fatal(err)
	}
	if err := root.Link(t.Context(), named.Node(), "second"); !errors.Is(err, ErrPermission) {
		t.Errorf("a second link: %v", err)
	}
	if err := root.Link(t.Context(), r.node("taken"), "second"); !errors.Is(err, ErrPermission) {
		t.Errorf("a link to a file that has a name: %v", err)
	}
	r.expectObjects("taken", "taken.settings.json")
	r.finish(named)
	r.expectObjects("named", "named.settings.json", "taken", "taken.settings.json")
	r.truthful()
	if got := r.load("named"); !bytes.Equal(got, p) {
		t.Error("the file is not what was written before it had a name")
	}
	if a, err := r.node("named").Attr(t.Context()); err != nil || a.Nlink != 1 || a.Mode != modeFile|0o640 || a.UID != 7 || a.GID != 8 {
		t.Errorf("attributes: %+v, %v", a, err)
	}
}

// TestNamelessFileUnderALocalName: such a name keeps it in the spool.
func TestNamelessFileUnderALocalName(t *testing.T) {
	r := newRig(t, crypt.CTR)
	h := r.nameless([]byte("backup"))
	if err := r.v.Root().Link(t.Context(), h.Node(), "a~"); err != nil {
		t.Fatal(err)
	}
	r.finish(h)
	r.sync()
	r.expectObjects()
	if err := r.v.Root().Rename(t.Context(), "a~", r.v.Root(), "a", 0); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.expectObjects("a", "a.settings.json")
}

// TestNamelessFileUnderATemporaryName: one that is linked as Qt saves, to NAME.XXXXXX, which it
// renames to NAME, is committed under that, and under no other name, over a crash too.
func TestNamelessFileUnderATemporaryName(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	const temporary = "project.txt.bXcDeF"
	link := func() {
		h := r.nameless([]byte("saved"))
		if err := r.v.Root().Link(t.Context(), h.Node(), temporary); err != nil {
			t.Fatal(err)
		}
		r.finish(h)
	}
	link()
	if d := r.draft(r.v.Status(), temporary); d.State != "temporary" {
		t.Errorf("it is %s", d.State)
	}
	r.mustRename(temporary, "project.txt", 0)
	r.sync()
	r.expectObjects("project.txt", "project.txt.settings.json")
	link()
	r.crash(f, "after")
	if d := r.draft(r.v.Status(), temporary); d.State != "temporary" {
		t.Errorf("after a crash it is %s", d.State)
	}
	r.mustRename(temporary, "project.txt", 0)
	r.sync()
	r.expectObjects("project.txt", "project.txt.settings.json")
	r.truthful()
}

// TestNamelessFileCrash: a name that was given is there after a crash, with all
// that was written before; what has none is gone.
func TestNamelessFileCrash(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	p := random(200_000)
	h := r.nameless(p)
	if err := r.v.Root().Link(t.Context(), h.Node(), "named"); err != nil {
		t.Fatal(err)
	}
	never := r.nameless(p)
	if err := never.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	if got := r.load("named"); !bytes.Equal(got, p) {
		t.Error("what was written before the link is lost")
	}
	headers, err := r.spool.Headers(func(spool.ID) bool { return true })
	if err != nil || len(headers) != 1 {
		t.Errorf("%d sealed files, not one; %v", len(headers), err)
	}
}
