package remote

import (
	"slices"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// metadata is what an object with that IV states of itself.
func metadata(t *testing.T, iv []byte) map[string]string {
	t.Helper()
	key := make([]byte, 32)
	g, err := crypt.NewIntegrity(crypt.CTR, key, iv)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Wipe()
	return sidecar.Object{Mode: "CTR", Key: key, KeyID: "local", IV: iv, Check: g.Check()}.Encode()
}

// TestIs goes through what an object and a version may say of themselves.
func TestIs(t *testing.T) {
	iv, other := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	stated := func(iv []byte) map[string]string { return metadata(t, iv) }
	ours := NewVersion(Content{Mode: crypt.CTR, IV: iv}, State{ETag: "e"})
	unsent := NewVersion(Content{Mode: crypt.CTR, IV: iv}, State{})
	listed := Listed(Listing{Key: "a", ETag: "e"})
	for _, c := range []struct {
		what string
		x    *Version
		info store.Info
		want bool
	}{
		{"its IV", ours, store.Info{ETag: "e", Metadata: stated(iv)}, true},
		{"its IV under another ETag", ours, store.Info{ETag: "f", Metadata: stated(iv)}, true},
		{"its IV, not known to have arrived", unsent, store.Info{ETag: "f", Metadata: stated(iv)}, true},
		{"another IV", ours, store.Info{ETag: "f", Metadata: stated(other)}, false},
		{"another IV under its ETag", ours, store.Info{ETag: "e", Metadata: stated(other)}, false},
		{"no IV, its ETag", ours, store.Info{ETag: "e"}, true},
		{"no IV, another ETag", ours, store.Info{ETag: "f"}, false},
		{"no IV, not known to have arrived", unsent, store.Info{}, false},
		{"listed only, its ETag", listed, store.Info{ETag: "e", Metadata: stated(iv)}, true},
		{"listed only, another ETag", listed, store.Info{ETag: "f", Metadata: stated(iv)}, false},
	} {
		if got := c.x.Is(c.info); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	var none *FoundSidecar
	if none.IsOf(ours) {
		t.Error("no sidecar is a version's")
	}
}

// TestWrites: what this machine wrote under a key it knows there, and nowhere else.
func TestWrites(t *testing.T) {
	var w Writes
	x := NewVersion(Content{Mode: crypt.CTR, IV: []byte("0123456789abcdef")}, State{})
	info := store.Info{Metadata: metadata(t, x.IV)}
	w.Note("a", x)
	if w.Written("a", info) != x || w.Written("b", info) != nil {
		t.Error("a is not known, or b is")
	}
	if w.Written("a", store.Info{}) != nil {
		t.Error("an object that states nothing is taken for ours")
	}
	w.Forget("a")
	if w.Written("a", info) != nil {
		t.Error("what was forgotten is known")
	}
	w.Note("a", x)
	for range maxWrites {
		w.Note(string(rune('b'))+x.Mode.String()+string(rune(len(w.keys)+256)), x)
	}
	if len(w.keys) != maxWrites || w.Written("a", info) != nil {
		t.Errorf("%d keys are remembered, and the oldest among them", len(w.keys))
	}
}

// TestCopyWhoseSourceIsGone: the next mount finds what an earlier one has renamed as far as the
// removal of the original, also where the object has lost what it stated and the sidecar alone
// tells; and takes nobody else's object for it.
func TestCopyWhoseSourceIsGone(t *testing.T) {
	for _, c := range []struct {
		name  string
		there func(r *rig, x *Version) // puts something at "b"
		found bool
	}{
		{"it states its IV", func(r *rig, x *Version) { r.put("b", x, x.Object().Encode()) }, true},
		{"its sidecar does", func(r *rig, x *Version) {
			r.put("b", x, nil)
			r.must(r.c.PutSidecar(r.t.Context(), x, "b", store.Condition{IfNone: true}, nil))
		}, true},
		{"nothing does", func(r *rig, x *Version) { r.put("b", x, nil) }, false},
		{"the sidecar is of another", func(r *rig, x *Version) {
			y, _ := r.seal("b", "theirs")
			r.put("b", x, nil)
			r.must(r.c.PutSidecar(r.t.Context(), y, "b", store.Condition{IfNone: true}, nil))
		}, false},
		{"it is another", func(r *rig, _ *Version) { r.save("b", "theirs") }, false},
		{"it is not there", func(*rig, *Version) {}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.s.look = func() {} // not every sidecar here is true
			x, _ := r.seal("a", "text")
			x.Arrived("etag", time.Now())
			c.there(r, x)
			before := r.list()
			err := r.c.Relocate(t.Context(), &Relocation{From: "a", To: "b", Version: x, Recovered: true})
			if found := err == nil; found != c.found {
				t.Errorf("the relocation gives %v", err)
			}
			if key, etag := x.Place(); c.found && (key != "b" || etag == "etag") {
				t.Errorf("it is at %q with ETag %q", key, etag)
			}
			if after := r.list(); !c.found && !slices.Equal(before, after) {
				t.Errorf("the store had %q, and has %q", before, after)
			}
		})
	}
}

// put stores the content of a version with some metadata.
func (r *rig) put(key string, x *Version, metadata map[string]string) {
	r.t.Helper()
	_, err := r.s.Store.Put(r.t.Context(), key, bodyOf(make([]byte, x.Cipher)), store.Attributes{Metadata: metadata}, store.Condition{})
	r.must(err)
}
