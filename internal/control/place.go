package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Sockets returns where the control socket of a mountpoint may lie if a daemon of the
// user serves it, the preferred place first.
func Sockets(mountpoint string, uid int) []string {
	var list []string
	for _, dir := range runtimeDirs(uid) {
		list = append(list, filepath.Join(dir, socketName(mountpoint)))
	}
	return list
}

// runtimeDirs returns the folders in which the sockets of a user's daemons may lie. They
// do not depend on the environment, which differs between boot, a login and sudo.
func runtimeDirs(uid int) []string {
	dirs := []string{"/run/mcfs"}
	if uid != 0 {
		dirs = []string{filepath.Join("/run/user", strconv.Itoa(uid), "mcfs")}
	}
	return append(dirs, fmt.Sprintf("/tmp/mcfs-%d", uid))
}

func socketName(mountpoint string) string {
	sum := sha256.Sum256([]byte(mountpoint))
	return hex.EncodeToString(sum[:12]) + ".sock"
}

// private returns an error unless a runtime folder is the user's own and closed to
// others: in /tmp, anybody could have made one.
func private(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != uid || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s must be a folder of user %d with mode 0700", dir, uid)
	}
	return nil
}
