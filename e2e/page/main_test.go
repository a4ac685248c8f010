package page

import (
	"os"
	"testing"

	"mcfs/e2e/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.MainInMemory(m)) }
