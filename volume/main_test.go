package volume

import (
	"os"
	"testing"

	"mcfs/internal/memorytest"
)

func TestMain(m *testing.M) { os.Exit(memorytest.Main(m)) }
