//go:build !race

package upload

import "golang.org/x/sys/unix"

// newPages maps n bytes of fresh, zeroed memory.
func newPages(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// freePages returns what newPages gave. Only a wrong slice can make it fail.
func freePages(b []byte) {
	if err := unix.Munmap(b); err != nil {
		panic("upload: free a part buffer: " + err.Error())
	}
}
