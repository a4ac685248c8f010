package remote

import (
	"testing"
	"time"

	"mcfs/store"
)

// TestSidecarTimesOfAStore: a store tells the time of a sidecar to the second when it is
// asked for it, and more exactly in a listing; stat tells one time.
func TestSidecarTimesOfAStore(t *testing.T) {
	exact := time.Date(2026, 5, 4, 3, 2, 1, 987654321, time.UTC)
	listed := SidecarOf(store.Info{ETag: "e", Size: 1, Modified: exact})
	asked := SidecarOf(store.Info{ETag: "e", Size: 1, Modified: exact.Truncate(time.Second)})
	if listed != asked {
		t.Errorf("%+v and %+v", listed, asked)
	}
	if again := (Sidecar{ETag: "other", Modified: exact}).as(asked); again.Modified != exact {
		t.Errorf("another sidecar has the time of the one before: %+v", again)
	}
}
