package mounts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Detach takes a mount out of the tree, in use or not.
func Detach(mountpoint string) error { return fusermount(mountpoint, true) }

// Unmount asks the kernel to end a mount that is not in use.
func Unmount(mountpoint string) error { return fusermount(mountpoint, false) }

func fusermount(mountpoint string, lazy bool) error {
	if os.Geteuid() == 0 {
		flags := 0
		if lazy {
			flags = unix.MNT_DETACH
		}
		return unix.Unmount(mountpoint, flags)
	}
	helper, err := exec.LookPath("fusermount3")
	if err != nil {
		if helper, err = exec.LookPath("fusermount"); err != nil {
			return errors.New("fusermount3 is not installed: install the package fuse3")
		}
	}
	args := []string{"-u", "--", mountpoint}
	if lazy {
		args = []string{"-u", "-z", "--", mountpoint}
	}
	if out, err := exec.Command(helper, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s", helper, strings.TrimSpace(string(out)))
	}
	return nil
}
