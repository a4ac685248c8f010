package volume

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"mcfs/sidecar"
	"mcfs/store"
)

// TestTrashOfTwoMachines: another machine finds what is in the trash, changes it, and takes
// it out; a name that it has taken there first it keeps.
func TestTrashOfTwoMachines(t *testing.T) {
	a, b, between := newPair(t)
	a.v.localiseLimit, b.v.localiseLimit = -1, -1
	for _, name := range []string{"one", "two", "three"} {
		b.save(name, []byte(name))
		b.dress(name, 0o640, someDay)
	}
	b.sync()
	a.mkdir(".Trash-0")
	a.mustRename("one", ".Trash-0/one", 0)
	a.sync()
	b.dressed(".Trash-0/one", 0o640, someDay)
	b.reads(".Trash-0/one", "one")
	b.chmod(".Trash-0/one", 0o600)
	b.sync()
	a.mustRename(".Trash-0/one", "one", 0)
	a.sync()
	for _, r := range []*rig{a, b} {
		r.dressed("one", 0o600, someDay)
	}
	// Attributes that are set in the last moment.
	between.once("delete", "two.settings.json", func() { b.chmod("two", 0o600); b.sync() })
	a.mustRename("two", ".Trash-0/two", 0)
	a.sync()
	for _, r := range []*rig{a, b} {
		r.dressed(".Trash-0/two", 0o600, someDay)
	}
	// A name that is taken in the last moment.
	between.once("copy", "three", func() { b.mustRename("one", ".Trash-0/three", 0); b.sync() })
	a.mustRename("three", ".Trash-0/three", 0)
	a.sync()
	a.reads(".Trash-0/three", "one")
	a.truthful()
	a.sidecarsAre(".Trash-0/two.settings.json")
	beside := ""
	for _, key := range a.objects() {
		if strings.HasPrefix(key, ".Trash-0/three (conflict ") {
			beside = key
		}
	}
	for _, r := range []*rig{a, b} {
		r.dressed(beside, 0o640, someDay)
		r.reads(beside, "three")
	}
}

// TestRewrappedOnTheWayToTheTrash: a key that a sidecar alone has, as another machine has
// wrapped it in the last moment, is not lost with it.
func TestRewrappedOnTheWayToTheTrash(t *testing.T) {
	r, b, between := newPair(t)
	r.v.localiseLimit = -1
	b.save("a", []byte("film"))
	r.mkdir(".Trash-0")
	key := bytes.Repeat([]byte{7}, 40)
	between.once("delete", "a.settings.json", func() {
		there, err := b.v.remote.LookSidecar(t.Context(), "a")
		if err != nil || there == nil {
			t.Error(there, err)
			return
		}
		doc, err := sidecar.Parse(there.Text)
		doc.Key = key
		text, err2 := doc.Marshal()
		attr := store.Attributes{ContentType: sidecar.ContentType, Metadata: there.Metadata}
		_, err3 := b.v.store.Put(t.Context(), "a.settings.json", bodyOf(text), attr, store.Condition{IfMatch: there.ETag})
		if err := errors.Join(err, err2, err3); err != nil {
			t.Error(err)
		}
	})
	r.mustRename("a", ".Trash-0/a", 0)
	r.sync()
	r.sidecarsAre(".Trash-0/a.settings.json")
	there, err := r.v.remote.LookSidecar(t.Context(), ".Trash-0/a")
	if err != nil || there == nil {
		t.Fatal(there, err)
	}
	if doc, err := sidecar.Parse(there.Text); err != nil || !bytes.Equal(doc.Key, key) {
		t.Errorf("the key is %x, %v", doc.Key, err)
	}
}
