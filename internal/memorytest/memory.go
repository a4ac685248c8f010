package memorytest

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

const (
	inMemory = "/dev/shm"
	// tmpfs is the f_type of a file system in memory; statfs(2).
	tmpfs = 0x01021994
	// least is how many bytes must be free there.
	least = 4 << 30
)

// Main runs the tests, with TMPDIR in memory where there is room, and returns the exit status.
func Main(m *testing.M) int {
	dir, err := makeDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporary files stay on the disk:", err)
	}
	if dir == "" {
		return m.Run()
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("TMPDIR", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// makeDir makes a folder in memory; "" where there is no room.
func makeDir() (string, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(inMemory, &fs); err != nil || fs.Type != tmpfs || fs.Bavail*uint64(fs.Bsize) < least {
		return "", nil
	}
	return os.MkdirTemp(inMemory, "mcfs-test-")
}
