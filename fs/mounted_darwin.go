package fs

import (
	"fmt"
	"maps"
	"strings"

	"golang.org/x/sys/unix"
)

// MountAt returns what is mounted on path, the topmost of several. The path is absolute
// and without symbolic links; see Resolve. If the mounts cannot be listed, there is none.
func MountAt(path string) (found Mounted, ok bool) {
	for _, s := range listMounts() {
		if unix.ByteSliceToString(s.Mntonname[:]) == path {
			found, ok = mountedOf(s), true // the topmost comes last
		}
	}
	return found, ok
}

// Mounts returns the mounts of mcfs, by their mountpoints. If the mounts cannot be listed,
// there are none.
func Mounts() map[string]Mounted {
	all := make(map[string]Mounted)
	for _, s := range listMounts() {
		all[unix.ByteSliceToString(s.Mntonname[:])] = mountedOf(s) // the topmost comes last
	}
	maps.DeleteFunc(all, func(_ string, m Mounted) bool { return m.UID < 0 || !strings.HasPrefix(m.Source, "mcfs") })
	return all
}

func listMounts() []unix.Statfs_t {
	n, err := unix.Getfsstat(nil, unix.MNT_NOWAIT)
	if err != nil {
		return nil
	}
	list := make([]unix.Statfs_t, n)
	if n, err = unix.Getfsstat(list, unix.MNT_NOWAIT); err != nil {
		return nil
	}
	return list[:min(n, len(list))]
}

// mountedOf translates statfs(2). All mounts of macFUSE have its type, whatever
// program serves them, and the user who mounted as their owner.
func mountedOf(s unix.Statfs_t) Mounted {
	m := Mounted{
		Device: fmt.Sprintf("%x:%x", uint32(s.Fsid.Val[0]), uint32(s.Fsid.Val[1])),
		Kind:   unix.ByteSliceToString(s.Fstypename[:]),
		Source: unix.ByteSliceToString(s.Mntfromname[:]),
		UID:    -1,
	}
	switch m.Kind {
	case "macfuse", "osxfuse":
		m.UID = int(s.Owner)
	}
	return m
}

// cure returns the advice how to end this mount on mountpoint. Only its source tells a
// mount of mcfs from another program's.
func (m Mounted) cure(mountpoint string) string {
	if m.UID >= 0 && strings.HasPrefix(m.Source, "mcfs") {
		return fmt.Sprintf("end that mount with mcfs unmount %q", mountpoint)
	}
	return fmt.Sprintf("unmount it with umount %q", mountpoint)
}
