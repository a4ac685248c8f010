package volume

import (
	"testing"

	"mcfs/crypt"
	dirs "mcfs/volume/listing"
	"mcfs/volume/metacache"
	"mcfs/volume/remote"
)

// TestPruneKeepsWhatCameSince prunes by a listing that is older than a file, whose
// description is on the disk already.
func TestPruneKeepsWhatCameSince(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	r.save("d/new", []byte("content"))
	r.sync()
	c := r.v.cache
	for _, name := range []string{"d/gone", "d/other"} {
		c.Put(name, metacache.Stamp{ETag: "e"}, []byte("{}"))
	}
	c.Forget("d/other") // writes what is pending
	r.v.prune(r.node("d"), "d", dirs.Names{})
	if _, _, ok := c.Get("d/gone", metacache.Stamp{ETag: "e"}); ok {
		t.Error("what is gone is remembered")
	}
	n := r.node("d/new")
	now := n.content.Base.State()
	l := remote.Listing{Key: now.Key, ETag: now.ETag, Size: n.content.Base.Cipher, Modified: now.Modified, Sidecar: now.Sidecar}
	if x, err := r.v.remote.Load(t.Context(), l); err != nil || x.FromStore {
		t.Error("what came since the listing was forgotten")
	}
}
