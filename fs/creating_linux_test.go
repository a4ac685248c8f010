package fs

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExclusiveOpen(t *testing.T) {
	openat := strconv.Itoa(unix.SYS_OPENAT)
	for line, want := range map[string]bool{
		openat + " 0xffffff9c 0x7ffd4c0f5a10 0xc1 0x1a4 0x0 0x0 0x7ffd4c0f2d08 0x7f2f5d1a1f01\n":                         true,  // O_WRONLY|O_CREAT|O_EXCL
		openat + " 0xffffff9c 0x7ffd4c0f5a10 0x41 0x1a4 0x0 0x0 0x7ffd4c0f2d08 0x7f2f5d1a1f01\n":                         false, // no O_EXCL
		strconv.Itoa(unix.SYS_MKDIRAT) + " 0xffffff9c 0x7ffd4c0f5a10 0xc1 0x1a4 0x0 0x0 0x7ffd4c0f2d08 0x7f2f5d1a1f01\n": false, // mkdirat
		"running\n": false,
		"":          false,
	} {
		if got := exclusiveOpen(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
