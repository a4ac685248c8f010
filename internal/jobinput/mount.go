package jobinput

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/internal/verdict"
)

// MountOf returns the mount in which a path lies, and the path in it.
func MountOf(path string) (mountpoint, inside string, m fs.Mounted, err error) {
	real, err := fs.Resolve(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", "", m, verdict.With(fmt.Errorf("%s does not exist", path), verdict.NotFound, "correct the path")
	case err != nil:
		return "", "", m, fmt.Errorf("sync %s: %w", path, err)
	}
	for dir := real; ; dir = filepath.Dir(dir) {
		if m, ok := fs.MountAt(dir); ok && m.UID >= 0 {
			return dir, strings.TrimPrefix(strings.TrimPrefix(real, dir), "/"), m, nil
		}
		if dir == filepath.Dir(dir) {
			return "", "", m, verdict.With(fmt.Errorf("%s is not in a mount of mcfs: nothing can be synced until it is mounted", path), verdict.NotInMount, "mount it")
		}
	}
}

// DaemonOf is the daemon of a mount.
func DaemonOf(mountpoint string, m fs.Mounted) control.Client {
	return control.Client{Mountpoint: mountpoint, Users: mounts.Users(m)}
}

// DaemonAt is the daemon of the mount in which a path lies, and the path in it.
func DaemonAt(path string) (control.Client, string, error) {
	mountpoint, inside, m, err := MountOf(path)
	return DaemonOf(mountpoint, m), inside, err
}

// ConfigOf is the configuration of the mount in which a path lies; "" if it has none that
// this user may read, or is another user's.
func ConfigOf(ctx context.Context, path string) string {
	table := fs.Mounts()
	at, inside, mounted, err := mounts.Locate(path, table)
	if err != nil || !mounted || !maySay(table[at], os.Geteuid()) {
		return ""
	}
	r, err := status.Ask(ctx, DaemonOf(at, table[at]), inside)
	if err != nil || !filepath.IsAbs(r.Config) {
		return ""
	}
	f, err := os.Open(r.Config)
	if err != nil {
		return ""
	}
	f.Close()
	return r.Config
}

// maySay reports whether whoever has made a mount may say where a user's outputs go: the user, or
// root.
func maySay(m fs.Mounted, uid int) bool { return m.UID == 0 || m.UID == uid }
