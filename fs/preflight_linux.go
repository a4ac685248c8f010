package fs

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// host is what preflight looks at besides the mountpoint.
type host struct {
	mountinfo  string // path, proc_pid_mountinfo(5)
	device     string // path of the FUSE device
	conf       string // path of fuse.conf(5)
	euid       int
	allowOther bool
	helper     func() (string, error)
}

func thisHost() host {
	return host{
		mountinfo: "/proc/self/mountinfo", device: "/dev/fuse", conf: "/etc/fuse.conf",
		euid: os.Geteuid(), helper: fusermount,
	}
}

// checkMounted refuses a directory on which something is mounted.
func (h host) checkMounted(mountpoint string) error {
	info, err := os.ReadFile(h.mountinfo)
	if err != nil {
		return nil // without /proc the mount itself will tell
	}
	m, ok := findMount(string(info), mountpoint)
	if !ok {
		return nil
	}
	cure := fmt.Sprintf("umount %q", mountpoint)
	if strings.HasPrefix(m.kind, "fuse") {
		cure = fmt.Sprintf("fusermount3 -u %q", mountpoint)
	}
	return fmt.Errorf("mountpoint %s is a mount already (%s, %s): unmount it with %s", mountpoint, m.kind, m.source, cure)
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

// mountEntry is one line of mountinfo.
type mountEntry struct {
	device string // MAJOR:MINOR
	kind   string // type, as "fuse.mcfs"
	source string
}

// findMount finds what is mounted on path, topmost, in the text of a mountinfo.
func findMount(info, path string) (mountEntry, bool) {
	var found mountEntry
	var ok bool
	for line := range strings.Lines(info) {
		if m, at, valid := parseMount(line); valid && at == path {
			found, ok = m, true
		}
	}
	return found, ok
}

// parseMount reads one line of mountinfo, proc_pid_mountinfo(5):
//
//	36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// with any number of optional fields before the dash.
func parseMount(line string) (m mountEntry, at string, ok bool) {
	fields := strings.Fields(line)
	for i := 6; i+2 < len(fields); i++ {
		if fields[i] == "-" {
			m = mountEntry{device: fields[2], kind: fields[i+1], source: unescape(fields[i+2])}
			return m, unescape(fields[4]), true
		}
	}
	return mountEntry{}, "", false
}

// unescape undoes mountinfo's \040 for blank, tab, newline and backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
