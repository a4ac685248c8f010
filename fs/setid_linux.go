package fs

import (
	"slices"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// dropsSetID reports whether a write with these flags is to drop setuid and setgid. The
// kernel has looked at the caller's capabilities.
func dropsSetID(flags uint32) bool { return flags&fuse.WRITE_KILL_SUIDGID != 0 }

// mayLeaveSetID reports whether c's changes leave setuid and setgid, as those of root with
// CAP_FSETID do. A process that is not known has no privilege.
func mayLeaveSetID(c fuse.Caller) bool {
	if c.Uid != 0 || c.Pid == 0 {
		return false
	}
	st, err := readStatus(procPath(int(c.Pid), "status"))
	return err == nil && st.capable&(1<<unix.CAP_FSETID) != 0
}

// inGroup reports whether c is a member of a group, or has the privilege to act as one.
func inGroup(c fuse.Caller, gid uint32) bool {
	if c.Gid == gid {
		return true
	}
	if c.Pid == 0 {
		return false
	}
	st, err := readStatus(procPath(int(c.Pid), "status"))
	if err != nil {
		return false
	}
	return slices.Contains(st.groups, gid) || c.Uid == 0 && st.capable&(1<<unix.CAP_FSETID) != 0
}
