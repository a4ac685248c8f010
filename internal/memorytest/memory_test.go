package memorytest

import (
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	status := Main(m)
	if dir := os.Getenv("TMPDIR"); strings.HasPrefix(dir, inMemory) {
		if _, err := os.Stat(dir); err == nil {
			println("the folder is left:", dir)
			status = 1
		}
	}
	os.Exit(status)
}

// TestTemporaryFiles: where there is room in memory, that is where they are.
func TestTemporaryFiles(t *testing.T) {
	dir, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if there := strings.HasPrefix(t.TempDir(), inMemory+"/mcfs-test-"); there != (dir != "") {
		t.Errorf("temporary files are in memory: %v; there is room: %v", there, dir != "")
	}
}
