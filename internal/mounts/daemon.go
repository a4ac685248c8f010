package mounts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mcfs/fs"
	"mcfs/internal/control"
)

// ErrNotIn means that a path exists and is in no mount of mcfs.
var ErrNotIn = errors.New("is not in a mount of mcfs")

// Daemon is the daemon of a mount, as a client of its socket.
func Daemon(mountpoint string, m fs.Mounted) control.Client {
	return control.Client{Mountpoint: mountpoint, Users: Users(m)}
}

// DaemonAt is the daemon of the mount in which a path lies, and the path in it. The path must
// exist, and symlinks are followed, so that it looks into the mount. Its errors are ErrNotIn, and
// fs.ErrNotExist of io/fs.
func DaemonAt(path string) (daemon control.Client, inside string, err error) {
	real, err := fs.Resolve(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return daemon, "", absent{path}
	case err != nil:
		return daemon, "", fmt.Errorf("find the mount of %s: %w", path, err)
	}
	for dir := real; ; dir = filepath.Dir(dir) {
		if m, ok := fs.MountAt(dir); ok && m.UID >= 0 {
			return Daemon(dir, m), strings.TrimPrefix(strings.TrimPrefix(real, dir), "/"), nil
		}
		if dir == filepath.Dir(dir) {
			return daemon, "", fmt.Errorf("%s %w", path, ErrNotIn)
		}
	}
}

// absent is the error of a path that does not exist.
type absent struct{ path string }

func (a absent) Error() string { return a.path + " does not exist" }
func (a absent) Unwrap() error { return os.ErrNotExist }
