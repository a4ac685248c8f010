package fs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	// openNoFlush tells the kernel to send no flush of a handle (Linux 5.16).
	openNoFlush = uint32(fuse.FOPEN_NOFLUSH)

	readOnly = "ro" // the mount option

	renameNoReplace = unix.RENAME_NOREPLACE
	renameExchange  = unix.RENAME_EXCHANGE
)

func platformOptions(m *fuse.MountOptions) {
	// Root needs no helper; where mount(2) is refused all the same, the helper is tried.
	m.DirectMount = os.Geteuid() == 0
	// READDIRPLUS_AUTO: a plain "ls" does not ask for the attributes of all entries.
	// HANDLE_KILLPRIV_V2: without it the kernel asks for security.capability before each
	// write.
	m.ExtraCapabilities |= fuse.CAP_READDIRPLUS_AUTO | fuse.CAP_HANDLE_KILLPRIV_V2
	// DONT_MASK: a directory's default ACL takes the umask's place. The kernel enforces
	// ACLs only where it checks permissions.
	m.ExtraCapabilities |= fuse.CAP_DONT_MASK
	m.EnableAcl = m.AllowOther
	// PASSTHROUGH, which go-fuse negotiates by itself, would make this a stacked
	// filesystem, on which no other can be stacked.
	m.DisabledCapabilities |= fuse.CAP_PASSTHROUGH
}

func platformFS(raw fuse.RawFileSystem) fuse.RawFileSystem { return changes{raw} }

// answers returns when the mount answers, which it does here since NewServer returned. It
// does not call WaitMount, which opens a file of the mount from this very process: after a
// kill -9 at that moment a thread would wait in the kernel for its own answer, never die,
// and keep the mount and all who wait on it from ending.
func answers(*fuse.Server) error { return nil }

// keepFromChildren closes the connection to the kernel in programs that this process starts, which go-fuse
// leaves open where root mounts. One that outlived the daemon would keep its dead mount alive, and all who wait for it.
func keepFromChildren(log *slog.Logger) {
	links, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		log.Debug("programs that the daemon starts may keep a dead mount alive", "err", err)
	}
	for _, link := range links {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", link.Name()))
		if fd, ferr := strconv.Atoi(link.Name()); err == nil && ferr == nil && target == "/dev/fuse" {
			unix.CloseOnExec(fd)
		}
	}
}

// afterMount raises the read-ahead above the kernel's default for FUSE, 128 KiB. Only root
// may do that; without it reads are slower.
func afterMount(mountpoint string, log *slog.Logger) {
	if os.Geteuid() != 0 {
		return
	}
	m, ok := MountAt(mountpoint)
	if !ok {
		return
	}
	path := filepath.Join("/sys/class/bdi", m.Device, "read_ahead_kb")
	if err := os.WriteFile(path, []byte(strconv.Itoa(maxReadAhead>>10)), 0); err != nil {
		log.Debug("read-ahead stays as it is", "path", path, "err", err)
	}
}

// detach takes a busy mount out of the tree.
func detach(mountpoint string) error {
	if os.Geteuid() == 0 {
		if err := unix.Unmount(mountpoint, unix.MNT_DETACH); err == nil {
			return nil
		}
	}
	helper, err := fusermount()
	if err != nil {
		return err
	}
	out, err := exec.Command(helper, "-u", "-z", "--", mountpoint).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s -u -z: %w: %s", helper, err, strings.TrimSpace(string(out)))
	}
	return nil
}

var errNoHelper = errors.New("neither fusermount3 nor fusermount is installed")

// fusermount finds the helper that mounts for users.
func fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		if path, err := exec.LookPath(filepath.Join("/bin", name)); err == nil {
			return path, nil
		}
	}
	return "", errNoHelper
}
