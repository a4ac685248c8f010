package volume

import (
	"testing"
	"time"

	"mcfs/crypt"
)

// TestListingOfTheSameInstant: a listing that was begun when this machine changed a name, as far
// as the clock can tell, says nothing of it.
func TestListingOfTheSameInstant(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", []byte("film"))
	r.sync()
	n, root := r.node("a"), r.v.Root()
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	begun := time.Now()
	n.changed = begun
	if r.v.mergeName(root, "a", nil, begun); root.dir.Get("a") != n {
		t.Error("a name is gone that a listing of that instant has not shown")
	}
	if r.v.mergeName(root, "a", nil, begun.Add(1)); root.dir.Get("a") != nil {
		t.Error("a name is there that a later listing has not shown")
	}
}
