package fs

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
)

// kindOurs is the type of a mount of mcfs: "fuse." and the name it mounts under.
const kindOurs = "fuse.mcfs"

// MountAt returns what is mounted on path, the topmost of several. The path is absolute
// and without symbolic links; see Resolve. If the mounts cannot be listed, there is none.
func MountAt(path string) (Mounted, bool) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Mounted{}, false
	}
	return findMount(string(info), path)
}

// Mounts returns the mounts of mcfs, by their mountpoints. If the mounts cannot be listed,
// there are none.
func Mounts() map[string]Mounted {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return findMounts(string(info))
}

// findMounts is Mounts for the text of a mountinfo.
func findMounts(info string) map[string]Mounted {
	all := make(map[string]Mounted)
	for line := range strings.Lines(info) {
		if m, at, ok := parseMount(line); ok {
			all[at] = m // the topmost comes last
		}
	}
	maps.DeleteFunc(all, func(_ string, m Mounted) bool { return m.UID < 0 })
	return all
}

// findMount is MountAt for the text of a mountinfo.
func findMount(info, path string) (found Mounted, ok bool) {
	for line := range strings.Lines(info) {
		if m, at, valid := parseMount(line); valid && at == path {
			found, ok = m, true // the topmost comes last
		}
	}
	return found, ok
}

// parseMount reads one line of mountinfo, proc_pid_mountinfo(5):
//
//	36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// with any number of optional fields before the dash. One blank separates the
// fields, of which the source may be empty; no other character does, since the
// kernel escapes only those that it has to.
func parseMount(line string) (m Mounted, at string, ok bool) {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
	for i := 6; i+3 < len(fields); i++ {
		if fields[i] != "-" {
			continue
		}
		m = Mounted{Device: fields[2], Kind: unescape(fields[i+1]), Source: unescape(fields[i+2]), UID: -1}
		if m.Kind == kindOurs {
			m.UID = userID(fields[i+3])
		}
		at = unescape(fields[4])
		return m, at, at != "" && m.Device != "" && m.Kind != ""
	}
	return Mounted{}, "", false
}

// userID returns who mounted, by the options of a FUSE superblock; -1 if they do not tell.
func userID(options string) int {
	for option := range strings.SplitSeq(options, ",") {
		if text, found := strings.CutPrefix(option, "user_id="); found {
			if uid, err := strconv.ParseUint(text, 10, 32); err == nil {
				return int(uid)
			}
		}
	}
	return -1
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

// cure returns the advice how to end this mount on mountpoint.
func (m Mounted) cure(mountpoint string) string {
	switch {
	case m.Kind == kindOurs:
		return fmt.Sprintf("end that mount with mcfs unmount %q", mountpoint)
	case strings.HasPrefix(m.Kind, "fuse"):
		return fmt.Sprintf("unmount it with fusermount3 -u %q", mountpoint)
	}
	return fmt.Sprintf("unmount it with umount %q", mountpoint)
}
