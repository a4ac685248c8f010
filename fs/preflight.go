package fs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// preflight finds out why a mount could not be made, before it is tried: each
// error is one line that names the thing and the cure. It gives the mountpoint
// without symbolic links.
func preflight(mountpoint string, allowOther bool) (string, error) {
	h := thisHost()
	h.allowOther = allowOther
	if err := h.checkMounted(mountpoint); err != nil { // first: looking into a dead mount fails
		return "", err
	}
	resolved, err := checkDirectory(mountpoint)
	if err != nil {
		return "", err
	}
	if err := h.checkMounted(resolved); err != nil {
		return "", err
	}
	if err := h.checkWritable(resolved); err != nil {
		return "", err
	}
	return resolved, h.checkFuse()
}

func checkDirectory(mountpoint string) (string, error) {
	resolved, err := filepath.EvalSymlinks(mountpoint)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("mountpoint %s does not exist: create it with mkdir -p %q", mountpoint, mountpoint)
	case errors.Is(err, syscall.ENOTCONN):
		return "", fmt.Errorf("mountpoint %s is below a mount whose program has ended: unmount that first", mountpoint)
	case err != nil:
		return "", fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", mountpoint, err)
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return "", fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", mountpoint, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("mountpoint %s is not a directory: choose an empty one", mountpoint)
	}
	dir, err := os.Open(resolved)
	if err != nil {
		return "", fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", mountpoint, err)
	}
	defer dir.Close()
	switch names, err := dir.Readdirnames(1); {
	case err == nil:
		return "", fmt.Errorf("mountpoint %s is not empty (it has %q): move its files away, or choose an empty directory", mountpoint, names[0])
	case !errors.Is(err, io.EOF):
		return "", fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", mountpoint, err)
	}
	return resolved, nil
}
