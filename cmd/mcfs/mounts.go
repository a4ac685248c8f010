package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mcfs/config"
)

// deadWithin is how long the kernel may take to tell a dead mount from a daemon
// that does not answer.
const deadWithin = 2 * time.Second

// dead says that a mount has no daemon any more. It asks what the kernel does not
// answer by itself: of the mount's root it may still know the attributes.
func dead(mountpoint string) bool {
	told := make(chan error, 1) // a daemon that hangs would keep this process, too
	go func() {
		var s syscall.Statfs_t
		told <- syscall.Statfs(mountpoint, &s)
	}()
	select {
	case err := <-told:
		return errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ENXIO)
	case <-time.After(deadWithin):
		return false
	}
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
