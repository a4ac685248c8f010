package fs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Preflight returns why a mount cannot be made, before anything is opened or made for it.
// Each error is one line that names the thing and the cure. Without an error it returns
// the mountpoint absolute and without symbolic links. Mount calls it again.
func Preflight(mountpoint string, allowOther bool) (resolved string, err error) {
	h := thisHost()
	h.allowOther = allowOther
	if resolved, err = Resolve(mountpoint); err != nil {
		return "", unresolved(mountpoint, err)
	}
	// First, since a look into a mount whose program has ended fails.
	if err := checkMounted(mountpoint, resolved); err != nil {
		return "", err
	}
	if err := checkDirectory(mountpoint, resolved); err != nil {
		return "", err
	}
	if err := h.checkWritable(resolved); err != nil {
		return "", err
	}
	if err := h.checkFuse(); err != nil {
		return "", err
	}
	return resolved, nil
}

func unresolved(mountpoint string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("mountpoint %s does not exist: create it with mkdir -p %q", mountpoint, mountpoint)
	case errors.Is(err, syscall.ENOTCONN), errors.Is(err, syscall.ENXIO): // Linux's word, and macFUSE's
		return fmt.Errorf("mountpoint %s is below a mount whose program has ended: unmount that first", mountpoint)
	}
	return unreadable(mountpoint, err)
}

func unreadable(mountpoint string, err error) error {
	return fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", mountpoint, err)
}

// checkMounted refuses a directory on which something is mounted.
func checkMounted(mountpoint, resolved string) error {
	m, there := MountAt(resolved)
	if !there {
		return nil
	}
	return fmt.Errorf("mountpoint %s is mounted already (%s, %s): %s", mountpoint, m.Kind, m.Source, m.cure(mountpoint))
}

// checkDirectory refuses what is not an empty directory.
func checkDirectory(mountpoint, resolved string) error {
	info, err := os.Stat(resolved)
	if err != nil {
		return unreadable(mountpoint, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("mountpoint %s is not a directory: choose an empty one", mountpoint)
	}
	dir, err := os.Open(resolved)
	if err != nil {
		return unreadable(mountpoint, err)
	}
	defer dir.Close()
	switch names, err := dir.Readdirnames(1); {
	case err == nil:
		return fmt.Errorf("mountpoint %s is not empty (it has %q): move its files away, or choose an empty directory", mountpoint, names[0])
	case !errors.Is(err, io.EOF):
		return unreadable(mountpoint, err)
	}
	return nil
}
