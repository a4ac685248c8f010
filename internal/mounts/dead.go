package mounts

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"mcfs/fs"
)

// deadWithin is how long the kernel may take to tell a mount without a daemon from a
// daemon that does not answer.
const deadWithin = 2 * time.Second

// Dead reports whether a mount has no daemon any more. It calls statfs(2), which the
// kernel hands to the daemon: the attributes of the root it may answer by itself.
func Dead(mountpoint string) bool {
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

// ClearDead takes away what a daemon that has ended has left mounted at a path, and reports
// whether there was such a thing. A mount that is served, or is none of mcfs, stays.
func ClearDead(path string) (bool, error) {
	mountpoint, err := fs.Resolve(path)
	if err != nil {
		return false, nil // nothing is there
	}
	if m, there := fs.MountAt(mountpoint); !there || m.UID < 0 || !Dead(mountpoint) {
		return false, nil
	}
	if err := Detach(mountpoint); err != nil {
		return false, fmt.Errorf("take away the dead mount %s: %w", path, err)
	}
	return true, nil
}

// Users returns the users whose daemon may serve a mount: this process's, and the one
// who has mounted it.
func Users(m fs.Mounted) []int {
	if me := os.Geteuid(); m.UID != me {
		return []int{me, m.UID}
	}
	return []int{m.UID}
}
