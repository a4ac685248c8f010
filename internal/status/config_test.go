package status

import (
	"testing"

	"mcfs/fs"
)

// TestMaySay: another user's configuration does not say where the outputs of a job go.
func TestMaySay(t *testing.T) {
	for _, c := range []struct {
		owner, uid int
		want       bool
	}{{0, 1000, true}, {1000, 1000, true}, {0, 0, true}, {1001, 1000, false}, {1000, 0, false}, {-1, 1000, false}} {
		if got := maySay(fs.Mounted{UID: c.owner}, c.uid); got != c.want {
			t.Errorf("mounted by %d, asked by %d: %v", c.owner, c.uid, got)
		}
	}
}
