package mounts

import "golang.org/x/sys/unix"

// Detach ends a mount by force: macOS knows no lazy unmount.
func Detach(mountpoint string) error { return unix.Unmount(mountpoint, unix.MNT_FORCE) }

// Unmount asks the kernel to end a mount that is not in use.
func Unmount(mountpoint string) error { return unix.Unmount(mountpoint, 0) }
