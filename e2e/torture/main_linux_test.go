package torture

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

func TestMain(m *testing.M) {
	unix.Umask(0)
	os.Exit(rig.Main(m))
}
