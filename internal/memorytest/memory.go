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
	done := Use()
	defer done()
	return m.Run()
}

// Use sets TMPDIR to a folder in memory, where there is room, which done removes.
func Use() (done func()) {
	dir, err := makeDir()
	if err == nil && dir != "" {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporary files stay on the disk:", err)
	}
	return func() { _ = os.RemoveAll(dir) }
}

// makeDir makes a folder in memory that other users may pass through; "" where there is no room.
func makeDir() (string, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(inMemory, &fs); err != nil || fs.Type != tmpfs || fs.Bavail*uint64(fs.Bsize) < least {
		return "", nil
	}
	dir, err := os.MkdirTemp(inMemory, "mcfs-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}
