package spool

import (
	"crypto/sha256"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sync calls (*os.File).Sync, which uses F_FULLFSYNC on macOS: nothing else there waits for
// the disk.
func (realSystem) sync(_ string, f *os.File) error { return f.Sync() }

// fpunchhole is struct fpunchhole of <sys/fcntl.h>.
type fpunchhole struct {
	flags    uint32
	reserved uint32
	offset   int64
	length   int64
}

// fPunchHole is F_PUNCHHOLE of <sys/fcntl.h>; offset and length must be multiples of the file system's block.
const fPunchHole = 99

func (realSystem) punch(_ string, f *os.File, off, n int64) error {
	arg := &fpunchhole{offset: off, length: n}
	var pin runtime.Pinner // as a number, the address would not follow a stack that moves
	pin.Pin(arg)
	defer pin.Unpin()
	_, err := unix.FcntlInt(f.Fd(), fPunchHole, int(uintptr(unsafe.Pointer(arg))))
	return err
}

// bootID returns an id of this boot of the machine. If it cannot be read, it is random, and
// what was not fully synced is checked at every load.
func bootID() (id [16]byte) {
	s, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return NewID()
	}
	sum := sha256.Sum256([]byte(s))
	copy(id[:], sum[:])
	return id
}
