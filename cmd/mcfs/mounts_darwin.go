package main

import "golang.org/x/sys/unix"

// findMount looks for a mount of any kind at path; ours has a uid of 0 or more.
func findMount(path string) (m mounted, ok bool) {
	n, err := unix.Getfsstat(nil, unix.MNT_NOWAIT)
	if err != nil {
		return m, false
	}
	list := make([]unix.Statfs_t, n)
	if n, err = unix.Getfsstat(list, unix.MNT_NOWAIT); err != nil {
		return m, false
	}
	for _, s := range list[:min(n, len(list))] {
		if unix.ByteSliceToString(s.Mntonname[:]) != path {
			continue
		}
		m, ok = mounted{uid: -1}, true
		switch unix.ByteSliceToString(s.Fstypename[:]) {
		case "macfuse", "osxfuse":
			m.uid = int(s.Owner)
		}
	}
	return m, ok
}

// detach ends a mount by force: macOS knows no lazy unmount.
func detach(mountpoint string) error { return unix.Unmount(mountpoint, unix.MNT_FORCE) }

// kernelUnmount asks the kernel to end a mount that is not in use.
func kernelUnmount(mountpoint string) error { return unix.Unmount(mountpoint, 0) }
