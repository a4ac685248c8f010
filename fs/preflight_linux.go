package fs

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// host is what preflight looks at besides the mountpoint.
type host struct {
	device     string // path of the FUSE device
	conf       string // path of fuse.conf(5)
	euid       int
	allowOther bool
	helper     func() (string, error)
}

func thisHost() host {
	return host{
		device: "/dev/fuse", conf: "/etc/fuse.conf",
		euid: os.Geteuid(), helper: fusermount,
	}
}

// checkWritable refuses a directory that the user may not write: fusermount3
// mounts on no other.
func (h host) checkWritable(mountpoint string) error {
	if h.euid != 0 && unix.Access(mountpoint, unix.W_OK) != nil {
		return fmt.Errorf("mountpoint %s is not writable for this user: choose a directory of yours, or mount as root", mountpoint)
	}
	return nil
}

// checkFuse looks for the device, the helper and the permission for allow_other.
func (h host) checkFuse() error {
	dev, err := os.OpenFile(h.device, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: load FUSE with modprobe fuse (in a container: --device %s --cap-add SYS_ADMIN)", h.device, h.device)
	case err != nil: // fusermount3 opens it with the user's rights, too
		return fmt.Errorf("%s cannot be opened (%w): give this user access to it with chmod 666 %s, or load FUSE with modprobe fuse", h.device, err, h.device)
	}
	dev.Close()
	if h.euid == 0 {
		return nil
	}
	if !h.hasHelper() {
		return errors.New("fusermount3 is not installed: install the package fuse3, or mount as root")
	}
	if h.allowOther && !h.userAllowOther() {
		return fmt.Errorf("allow_other is not permitted to users: put the line user_allow_other into %s, or mount without allow_other", h.conf)
	}
	return nil
}

func (h host) hasHelper() bool {
	_, err := h.helper()
	return err == nil
}

func (h host) userAllowOther() bool {
	f, err := os.Open(h.conf)
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "user_allow_other" {
			return true
		}
	}
	return false
}
