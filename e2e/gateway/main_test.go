package gateway

import (
	"os"
	"testing"

	"mcfs/e2e/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }
