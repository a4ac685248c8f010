package main

import "golang.org/x/sys/unix"

// detach ends a mount by force: macOS knows no lazy unmount.
func detach(mountpoint string) error { return unix.Unmount(mountpoint, unix.MNT_FORCE) }

// kernelUnmount asks the kernel to end a mount that is not in use.
func kernelUnmount(mountpoint string) error { return unix.Unmount(mountpoint, 0) }
