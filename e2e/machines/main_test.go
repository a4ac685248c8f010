package machines

import (
	"os"
	"testing"

	"mcfs/e2e/rig"
)

// TestMain lets the schedules and the servers that are away run side by side: they wait for
// most of their time.
func TestMain(m *testing.M) {
	rig.Together(6)
	os.Exit(rig.MainInMemory(m))
}
