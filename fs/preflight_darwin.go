package fs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// host is what preflight looks at besides the mountpoint.
type host struct {
	helpers    []string // where macFUSE's mount program is, one of them
	allowOther bool     // needs no permission here
}

func thisHost() host {
	return host{helpers: []string{
		"/Library/Filesystems/macfuse.fs/Contents/Resources/mount_macfuse",
		"/Library/Filesystems/osxfuse.fs/Contents/Resources/mount_osxfuse",
	}}
}

// checkMounted refuses a directory on which something is mounted.
func (h host) checkMounted(mountpoint string) error {
	n, err := unix.Getfsstat(nil, unix.MNT_NOWAIT)
	if err != nil {
		return nil // the mount itself will tell
	}
	list := make([]unix.Statfs_t, n)
	if n, err = unix.Getfsstat(list, unix.MNT_NOWAIT); err != nil {
		return nil
	}
	for _, m := range list[:min(n, len(list))] {
		if unix.ByteSliceToString(m.Mntonname[:]) == mountpoint {
			return fmt.Errorf("mountpoint %s is a mount already (%s): unmount it with umount %q",
				mountpoint, unix.ByteSliceToString(m.Fstypename[:]), mountpoint)
		}
	}
	return nil
}

// checkWritable: macFUSE's mount program says it itself.
func (h host) checkWritable(string) error { return nil }

// checkFuse looks for macFUSE.
func (h host) checkFuse() error {
	for _, path := range h.helpers {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
	}
	return errors.New("macFUSE is not installed: get it from https://macfuse.io, and allow its system extension")
}
