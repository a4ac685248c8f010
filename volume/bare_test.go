package volume

import (
	"testing"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/remote"
)

// TestDescribedWithoutItsSidecar: an object without its sidecar, as it is between two names
// of an exchange, says nothing of its attributes, nor of the sidecar that it has elsewhere.
func TestDescribedWithoutItsSidecar(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", []byte("content"))
	r.chmod("a", 0o444)
	r.sync()
	n := r.node("a")
	n.content.Lock()
	side := n.content.Base.Sidecar()
	n.content.Unlock()
	from, err := r.store.Head(t.Context(), "a")
	if err != nil || side.ETag == "" {
		t.Fatal(side, err)
	}
	there, err := r.store.Copy(t.Context(), store.Copy{
		Source: "a", SourceIfMatch: from.ETag, Target: "between", Size: from.Size,
		Attributes: store.Attributes{ContentType: from.ContentType, Metadata: from.Metadata},
	})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := r.v.remote.Load(t.Context(), remote.Listing{Key: "between", ETag: there.ETag, Size: there.Size, Modified: there.Modified})
	if err != nil || bare.Sidecar().ETag != "" {
		t.Fatal(bare, err)
	}
	n.content.Lock()
	n.takeRefreshed(bare)
	n.content.Unlock()
	if mode := r.mode("a"); mode&0o777 != 0o444 {
		t.Errorf("mode %o; want 444", mode&0o777)
	}
	if got := n.content.Base.Sidecar(); got.ETag != side.ETag {
		t.Errorf("the sidecar %s is %v; want %v", sidecar.Name("a"), got, side)
	}
}
