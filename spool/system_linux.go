package spool

import (
	"crypto/sha256"
	"os"

	"golang.org/x/sys/unix"
)

func (realSystem) sync(_ string, f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

func (realSystem) punch(_ string, f *os.File, off, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		if err != unix.EINTR {
			return err
		}
	}
}

// bootID returns an id of this boot of the machine. If it cannot be read, it is random, and
// what was not fully synced is checked at every load.
func bootID() (id [16]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return NewID()
	}
	sum := sha256.Sum256(b)
	copy(id[:], sum[:])
	return id
}
