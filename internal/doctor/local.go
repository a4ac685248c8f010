package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	mountfs "mcfs/fs"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
)

// Host is what is looked at on this machine.
type Host struct {
	platform
	EUID       int
	AllowOther bool   // the configuration asks for it
	Source     string // what mount(8) shows of the volume; empty if the configuration does not say

	Spool     string // its folder; empty if the configuration does not say
	SpoolSize int64  // that it may grow to
	Least     int64  // bytes without which it cannot work

	Mounts    func() map[string]mountfs.Mounted
	Dead      func(mountpoint string) bool
	Detach    func(mountpoint string) error
	Disk      func(path string) (Disk, error)
	FileLimit func() (uint64, error)
}

// Disk is the file system of a path.
type Disk struct {
	Free int64 // bytes that this user may still write
	Kind int64 // of statfs(2)
}

// ThisHost is the machine that this program runs on.
func ThisHost() Host {
	return Host{
		platform: thisPlatform(), EUID: os.Geteuid(),
		Mounts: mountfs.Mounts, Dead: mounts.Dead, Detach: mounts.Detach, Disk: diskOf, FileLimit: fileLimit,
	}
}

func diskOf(path string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Disk{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	return Disk{Free: int64(s.Bavail) * int64(s.Bsize), Kind: int64(s.Type)}, nil
}

// fileLimit is how many files a process may have open. Go raises the soft limit to the hard one.
func fileLimit() (uint64, error) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return r.Max, err
}

// DeadMounts is the check of mounts whose daemon has ended, which other volumes may have, too.
const DeadMounts = "dead mounts"

// Local are the checks of this machine.
func Local(h Host) []Check {
	list := h.checks(h)
	list = append(list, Check{Name: DeadMounts, Run: h.deadMounts, Fix: h.detachDead}, Check{Name: "file limit", Run: h.files})
	if h.Spool == "" {
		return list
	}
	return append(list,
		Check{Name: "spool", Run: h.spool, Fix: h.tighten},
		Check{Name: "spool's disk", Needs: []string{"spool"}, Run: h.spoolDisk},
		Check{Name: "spool's space", Needs: []string{"spool"}, Run: h.space},
	)
}

// dead are the mounts of mcfs without a daemon, those of this volume and others.
func (h Host) dead() (own, others []string) {
	all := h.Mounts()
	for _, at := range slices.Sorted(maps.Keys(all)) {
		switch {
		case !h.Dead(at):
		case all[at].Source == h.Source:
			own = append(own, at)
		default:
			others = append(others, at)
		}
	}
	return own, others
}

func (h Host) deadMounts(context.Context) Finding {
	own, others := h.dead()
	all := slices.Concat(own, others)
	var cures []string
	for _, at := range all {
		cures = append(cures, h.detachCommand+" "+shell(at))
	}
	f := fail(strings.Join(cures, "; "), "the daemon of %s has ended, and every access there fails", strings.Join(all, ", "))
	switch {
	case len(all) == 0:
		return ok("%s, all alive", human.Count(len(h.Mounts()), "mount"))
	case len(own) == 0:
		f.Verdict = Warn
	}
	return f
}

// detachDead takes away the dead mounts of this volume; others are not its affair.
func (h Host) detachDead(context.Context) error {
	var errs []error
	own, _ := h.dead()
	for _, at := range own {
		errs = append(errs, h.Detach(at))
	}
	return errors.Join(errs...)
}

// leastFiles is what a busy mount needs: a sealed file for each one that is open or on its way,
// and connections.
const leastFiles = 4096

func (h Host) files(context.Context) Finding {
	n, err := h.FileLimit()
	if err != nil {
		return warn("look at ulimit -Hn", "the limit of open files is not known: %v", err)
	}
	if n < leastFiles {
		return warn(fmt.Sprintf("raise it to %d: ulimit -Hn, or LimitNOFILE= of the unit", leastFiles), "a process may have %d files open, which a busy mount exceeds", n)
	}
	return ok("%d open files", n)
}

func (h Host) spool(context.Context) Finding {
	info, err := os.Lstat(h.Spool)
	if errors.Is(err, fs.ErrNotExist) {
		above := existing(h.Spool)
		if err := unix.Access(above, unix.W_OK|unix.X_OK); err != nil {
			return fail("give this user the folder, or set spool.dir", "%s cannot be made: %s: %v", h.Spool, above, err)
		}
		return ok("%s will be made", h.Spool)
	}
	if err != nil {
		return fail("give this user the folder, or set spool.dir", "%v", err)
	}
	if !info.IsDir() {
		return fail("move it away, or set spool.dir", "%s is a %s", h.Spool, info.Mode().Type())
	}
	if st, known := info.Sys().(*syscall.Stat_t); known && int(st.Uid) != h.EUID {
		return fail(fmt.Sprintf("chown -R %d %s", h.EUID, shell(h.Spool)), "%s belongs to user %d", h.Spool, st.Uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fail("chmod go-rwx "+shell(h.Spool), "%s has mode %04o, so that others may look into it", h.Spool, info.Mode().Perm())
	}
	return ok("%s", h.Spool)
}

// tighten takes the spool's folder from everybody else.
func (h Host) tighten(context.Context) error {
	info, err := os.Lstat(h.Spool)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("it is no folder")
	}
	return os.Chmod(h.Spool, info.Mode().Perm()&0o700)
}

// existing is the part of a path that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

func (h Host) spoolDisk(context.Context) Finding {
	d, err := h.Disk(existing(h.Spool))
	if err != nil {
		return fail("set spool.dir to a folder of a local disk", "%v", err)
	}
	if why := h.unfit(d.Kind); why != "" {
		return warn("set spool.dir to a folder of a local disk", "%s is %s", h.Spool, why)
	}
	return ok("a local file system")
}

func (h Host) space(context.Context) Finding {
	d, err := h.Disk(existing(h.Spool))
	switch {
	case err != nil:
		return fail("set spool.dir to a folder of a local disk", "%v", err)
	case d.Free < h.Least:
		return fail("free some, or set spool.dir", "%s are free at %s, and a save needs %s", human.Size(d.Free), h.Spool, human.Size(h.Least))
	case d.Free < h.SpoolSize:
		return warn("free some, or lower spool.max_size", "%s are free at %s, and it may grow to %s", human.Size(d.Free), h.Spool, human.Size(h.SpoolSize))
	}
	return ok("%s are free", human.Size(d.Free))
}

// shell quotes a path for the shell, where it needs to be.
func shell(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:,", r)
	}) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
