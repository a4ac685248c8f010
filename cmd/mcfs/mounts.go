package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mcfs/config"
)

// mounted describes a mount that mcfs made.
type mounted struct {
	uid int // of who mounted it
}

// resolve gives a path without symbolic links. The path itself may be a mount
// whose daemon is dead, which cannot be looked at.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err == nil {
		return real, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s does not exist", path)
	}
	parent, perr := filepath.EvalSymlinks(filepath.Dir(abs))
	if perr != nil {
		return "", perr
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}

// dead says that a mount has no daemon any more.
func dead(mountpoint string) bool {
	_, err := os.Lstat(mountpoint)
	return errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ENXIO)
}

// checkMountpoint finds what would make the mount fail before anything is
// opened or made on its behalf; package fs looks again when it mounts.
func checkMountpoint(path string) (string, error) {
	real, err := resolve(path)
	if err != nil {
		return "", fmt.Errorf("mountpoint %s does not exist: create it with mkdir -p %q", path, path)
	}
	if _, ok := findMount(real); ok {
		return "", fmt.Errorf("mountpoint %s is mounted already: end that mount with mcfs unmount %q", path, path)
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", path, err)
	case !info.IsDir():
		return "", fmt.Errorf("mountpoint %s is not a directory: choose an empty one", path)
	}
	d, err := os.Open(real)
	if err != nil {
		return "", fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", path, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(1)
	switch {
	case err == nil:
		return "", fmt.Errorf("mountpoint %s is not empty (it has %q): move its files away, or choose an empty directory", path, names[0])
	case !errors.Is(err, io.EOF):
		return "", fmt.Errorf("mountpoint %s cannot be read (%w): choose a directory of yours", path, err)
	}
	return real, nil
}

// checkPlaces refuses what would make the daemon wait for itself: its own files
// below its own mount, or the mount below them.
func checkPlaces(mountpoint string, c config.Config, logFile string) error {
	places := []struct{ what, path, key string }{{"the spool", c.Spool.Dir, "spool.dir"}, {"the log", logFile, "--log-file"}}
	if c.Store.Kind == config.StoreDir {
		places = append(places, struct{ what, path, key string }{"the store", c.Store.Path, "store.path"})
	}
	if c.Keys.Kind == config.KeysLocal {
		places = append(places, struct{ what, path, key string }{"the keyring", c.Keys.Path, "keys.path"})
	}
	for _, p := range places {
		if p.path == "" {
			continue
		}
		real := realPath(p.path)
		if within(real, mountpoint) {
			return fmt.Errorf("%s %s lies inside the mountpoint %s: move one of them (%s)", p.what, p.path, mountpoint, p.key)
		}
		if p.what != "the log" && within(mountpoint, real) {
			return fmt.Errorf("the mountpoint %s lies inside %s %s: move one of them (%s)", mountpoint, p.what, p.path, p.key)
		}
	}
	return nil
}

// realPath resolves the symbolic links in the part of a path that exists.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(realPath(parent), filepath.Base(path))
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
