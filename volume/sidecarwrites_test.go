package volume

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"mcfs/crypt"
)

// TestAcceptedDocument: a copied sidecar is discarded at its close; for a moment
// its name can be looked up and given times, as a program expects that has just
// written it, and opening it finds nothing.
func TestAcceptedDocument(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	r.save("f", random(5))
	text := r.load("f.settings.json")
	h := r.create("g.settings.json", os.O_EXCL)
	r.write(h, text, 0)
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n, err := root.Lookup(t.Context(), "g.settings.json")
		if err != nil {
			t.Fatalf("just after its close: %v", err)
		}
		mtime := time.Unix(1e9, 0)
		if _, err := n.SetAttr(t.Context(), nil, SetAttr{Mtime: &mtime}); err != nil {
			t.Errorf("its times: %v", err)
		}
		h.Release()
		time.Sleep(10 * time.Millisecond)
	}
	n, err := root.Lookup(t.Context(), "g.settings.json")
	if err != nil {
		t.Fatal(err)
	}
	if h, err := n.Open(t.Context(), os.O_RDONLY, nil); err != nil {
		t.Errorf("opened for its descriptor: %v", err)
	} else {
		h.Release()
	}
	if _, err := n.Open(t.Context(), os.O_RDWR, nil); !errors.Is(err, ErrStale) {
		t.Errorf("opening what was discarded: %v", err)
	}
	if _, err := root.Lookup(t.Context(), "g.settings.json"); !errors.Is(err, ErrNotExist) {
		t.Errorf("after that: %v", err)
	}
	r.sync()
	r.expectObjects("f", "f.settings.json")
}

// TestAcceptedDocumentRemoved: what was accepted can be removed, alone or with its file,
// and is then in the way of no other copy.
func TestAcceptedDocumentRemoved(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	r.save("f", random(5))
	text := r.load(sideF)
	const side = "g.settings.json"
	copied := func() {
		t.Helper()
		h := r.create(side, os.O_EXCL)
		r.write(h, text, 0)
		r.finish(h)
		if _, err := root.Lookup(t.Context(), side); err != nil {
			t.Fatalf("just after its close: %v", err)
		}
	}
	copied()
	if err := root.Remove(t.Context(), side); err != nil {
		t.Errorf("removed: %v", err)
	}
	r.expectTombstone(root, side, false)
	copied()
	r.save("g", random(5))
	if err := root.Remove(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	r.expectTombstone(root, side, true)
	if err := root.Remove(t.Context(), side); err != nil {
		t.Errorf("removed after its file: %v", err)
	}
	copied()
	r.save("g", random(5))
	if err := root.Rename(t.Context(), "g", root, "h", 0); err != nil {
		t.Fatal(err)
	}
	if err := root.Rename(t.Context(), side, root, "h.settings.json", NoReplace); err != nil {
		t.Errorf("moved after its file: %v", err)
	}
	r.sync()
	r.expectObjects("f", sideF, "h", "h.settings.json")
}

// TestUnlinkedSidecar: removing it changes nothing, and another can be written
// in its place, which is discarded.
func TestUnlinkedSidecar(t *testing.T) {
	r := newRig(t, crypt.CTR)
	root := r.v.Root()
	r.save("f", random(5))
	text := r.load("f.settings.json")
	if err := root.Remove(t.Context(), "f.settings.json"); err != nil {
		t.Fatal(err)
	}
	if n := r.node("f.settings.json"); n.Kind() != Sidecar || !n.UnlinkedJustNow() {
		t.Error("the sidecar is not there, or not known to be removed")
	}
	h := r.create("f.settings.json", os.O_EXCL)
	r.write(h, text, 0)
	r.finish(h)
	if got := r.load("f.settings.json"); string(got) != string(text) {
		t.Errorf("the sidecar now reads %q", got)
	}
	h = r.create("h.settings.json", os.O_EXCL)
	r.write(h, []byte("notes"), 0)
	r.finish(h)
	if _, _, err := root.Create(t.Context(), "h", os.O_RDWR, 0o644, 1, 2, nil); !errors.Is(err, ErrExist) {
		t.Errorf("a file whose sidecar's name is taken: %v", err)
	}
	if err := root.Rename(t.Context(), "f", root, "h", 0); !errors.Is(err, ErrExist) {
		t.Errorf("a rename to such a name: %v", err)
	}
}

// TestShorterDocument: opening with O_TRUNC, which comes as a size that is set by the
// sidecar's name after its opening, leaves nothing of the old settings behind the new.
func TestShorterDocument(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("f", random(5))
	text := r.load("f.settings.json")
	n := r.node("f.settings.json")
	for _, c := range []struct {
		what string
		text []byte
		want error
	}{{"shorter settings", bytes.ReplaceAll(text, []byte("\n  "), nil), nil}, {"notes", []byte("notes"), ErrPermission}} {
		h, err := n.Open(t.Context(), os.O_WRONLY, nil)
		if err != nil {
			t.Fatal(err)
		}
		zero := int64(0)
		if _, err := n.SetAttr(t.Context(), nil, SetAttr{Size: &zero}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.WriteAt(t.Context(), c.text, 0); !errors.Is(err, c.want) {
			t.Errorf("write of %s: %v", c.what, err)
		}
		if err := h.Flush(t.Context(), nil); !errors.Is(err, c.want) {
			t.Errorf("close of %s: %v", c.what, err)
		}
		h.Release()
	}
	if q := r.v.Status().Quarantine; len(q) != 1 || q[0].Size != int64(len("notes")) {
		t.Errorf("in quarantine: %+v", q)
	}
	if n := r.v.documents.Len(); n > 0 {
		t.Errorf("%d are still held", n)
	}
}

// TestRefusedDocument: other content than settings beside a file is refused by the write
// that can be told from the beginning of settings, by the close else, and kept in
// quarantine.
func TestRefusedDocument(t *testing.T) {
	for name, c := range map[string]struct {
		over, writes int // bytes of the sidecar that are kept, writes that succeed
		text         []string
	}{
		"notes":                  {text: []string{"my notes, not settings"}},
		"an empty line":          {text: []string{"\n"}},
		"another object":         {text: []string{`{"editor": 4}`}},
		"no object":              {writes: 1, text: []string{`{"editor": `, "four}"}},
		"cut":                    {writes: 1, text: []string{`{"editor": `}},
		"behind a gap":           {writes: 1, text: []string{"\x00\x00{}"}},
		"behind the settings":    {over: 1 << 20, text: []string{"more"}},
		"into the settings":      {over: 4, writes: 1, text: []string{" "}},
		"settings and then more": {over: 1 << 20, writes: 1, text: []string{" ", "}"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, crypt.CTR)
			r.save("f", random(5))
			text := r.load("f.settings.json")
			flags := os.O_RDWR
			if c.over == 0 {
				flags |= os.O_TRUNC
			}
			h, err := r.node("f.settings.json").Open(t.Context(), flags, nil)
			if err != nil {
				t.Fatal(err)
			}
			off := int64(min(c.over, len(text)))
			for i, s := range c.text {
				n, err := h.WriteAt(t.Context(), []byte(s), off)
				if ok := n == len(s) && err == nil; ok != (i < c.writes) || !ok && !errors.Is(err, ErrPermission) {
					t.Errorf("write %q: %d, %v", s, n, err)
				}
				off += int64(len(s))
			}
			if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrPermission) {
				t.Errorf("close: %v", err)
			}
			h.Release()
			if got := r.load("f.settings.json"); string(got) != string(text) {
				t.Errorf("the sidecar now reads %q", got)
			}
			if list, err := os.ReadDir(r.home + "/spool/quarantine"); err != nil || len(list) == 0 {
				t.Errorf("quarantine holds %v, %v", list, err)
			}
		})
	}
}

// TestRefusedBesideADraft: so it is beside a file that has no sidecar yet.
func TestRefusedBesideADraft(t *testing.T) {
	r := newRig(t, crypt.CTR)
	h := r.create("f", 0)
	defer h.Release()
	r.write(h, random(5), 0)
	side := r.create("f.settings.json", 0)
	defer side.Release()
	if _, err := side.WriteAt(t.Context(), []byte("\n"), 0); !errors.Is(err, ErrPermission) {
		t.Errorf("write: %v", err)
	}
	if err := side.Flush(t.Context(), nil); !errors.Is(err, ErrPermission) {
		t.Errorf("close: %v", err)
	}
	other := r.create("g.settings.json", 0) // of no file
	defer other.Release()
	r.write(other, []byte("\n"), 0)
	r.finish(other)
}
