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
		r.write(h, c.text, 0)
		if err := h.Flush(t.Context(), nil); !errors.Is(err, c.want) {
			t.Errorf("close of %s: %v", c.what, err)
		}
		h.Release()
	}
	if q := r.v.Status().Quarantine; len(q) != 1 || q[0].Size != int64(len("notes")) {
		t.Errorf("in quarantine: %+v", q)
	}
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	if len(r.v.documents) > 0 {
		t.Errorf("%d are still held", len(r.v.documents))
	}
}

// TestRefusedDocument: what is no settings document is refused at close, and kept.
func TestRefusedDocument(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("f", random(5))
	text := r.load("f.settings.json")
	n := r.node("f.settings.json")
	h, err := n.Open(t.Context(), os.O_RDWR|os.O_TRUNC, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.write(h, []byte("my notes, not settings"), 0)
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
}
