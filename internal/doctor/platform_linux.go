package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// platform is what is looked at on Linux alone.
type platform struct {
	Device   string // path of the FUSE device
	FuseConf string // path of fuse.conf(5)
	Helper   func() error
	Swaps    string // path of proc_swaps(5)
	Blocks   string // path of the block devices in sysfs

	detachCommand string
}

func thisPlatform() platform {
	return platform{
		Device: "/dev/fuse", FuseConf: "/etc/fuse.conf", Swaps: "/proc/swaps", Blocks: "/sys/class/block",
		Helper: findHelper, detachCommand: "fusermount3 -uz",
	}
}

func findHelper() error {
	_, err := exec.LookPath("fusermount3")
	if err != nil {
		_, err = exec.LookPath("fusermount")
	}
	return err
}

func (p platform) checks(h Host) []Check {
	return []Check{
		{Name: "FUSE device", Run: p.device},
		{Name: "fusermount3", Run: h.helper},
		{Name: "user_allow_other", Run: h.allowOther},
		{Name: "swap", Run: p.swap},
	}
}

func (p platform) device(context.Context) Finding {
	dev, err := os.OpenFile(p.Device, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fail("modprobe fuse, or in a container --device "+p.Device+" --cap-add SYS_ADMIN", "%s does not exist", p.Device)
	}
	if err != nil {
		return fail("chmod 666 "+p.Device+", or modprobe fuse", "%v", err)
	}
	defer dev.Close()
	return ok("%s", p.Device)
}

func (h Host) helper(context.Context) Finding {
	err := h.Helper()
	switch {
	case err == nil:
		return ok("it is installed")
	case h.EUID == 0:
		return ok("it is not installed, and root needs none")
	}
	return fail("install the package fuse3", "fusermount3 is not installed, and only root mounts without it")
}

func (h Host) allowOther(context.Context) Finding {
	if !h.AllowOther {
		return ok("not needed: mount.allow_other is false")
	}
	if h.EUID == 0 {
		return ok("not needed by root")
	}
	f, err := os.Open(h.FuseConf)
	if err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if strings.TrimSpace(lines.Text()) == "user_allow_other" {
				return ok("%s has it", h.FuseConf)
			}
		}
	}
	return fail("as root: echo user_allow_other >>"+h.FuseConf, "mount.allow_other is true, and %s does not allow it to users", h.FuseConf)
}

// swap: what is in memory, keys and plaintext, may be written there.
func (p platform) swap(context.Context) Finding {
	const cure = "encrypt it (docs/security.md says how), or swapoff -a"
	text, err := os.ReadFile(p.Swaps)
	if err != nil {
		return warn(cure, "whether there is swap is not known: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var open []string
	for _, line := range lines[1:] {
		name, _, _ := strings.Cut(line, " ")
		if name, _, _ = strings.Cut(name, "\t"); name != "" && !p.sealed(name) {
			open = append(open, name)
		}
	}
	switch {
	case len(open) > 0:
		return warn(cure, "%s is swap in clear: plaintext and keys in memory may reach the disk", strings.Join(open, ", "))
	case len(lines) > 1:
		return ok("%d, encrypted or in memory", len(lines)-1)
	}
	return ok("none")
}

// sealed reports whether nothing readable of a swap area reaches a disk: it is dm-crypt's, or
// compressed memory.
func (p platform) sealed(path string) bool {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	name := filepath.Base(path)
	if strings.HasPrefix(name, "zram") {
		back, err := os.ReadFile(filepath.Join(p.Blocks, name, "backing_dev"))
		return err != nil || strings.TrimSpace(string(back)) == "none"
	}
	uuid, err := os.ReadFile(filepath.Join(p.Blocks, name, "dm", "uuid"))
	return err == nil && strings.HasPrefix(string(uuid), "CRYPT-")
}

// unfit says why a spool should not be on a file system of a kind, "" if it may.
func (p platform) unfit(kind int64) string {
	switch kind {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return "in memory: what is saved and not uploaded yet is gone when the machine restarts"
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC:
		return "on a network: a save waits for it, and fsync may promise more than it holds"
	case unix.FUSE_SUPER_MAGIC:
		return fmt.Sprintf("in a FUSE file system (%#x): a daemon of its own is in the way", kind)
	}
	return ""
}
