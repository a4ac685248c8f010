package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// dropsSetID returns true: macFUSE does not tell whose writes leave setuid and setgid.
func dropsSetID(uint32) bool { return true }

// mayLeaveSetID returns false: whose changes leave setuid and setgid is not known.
func mayLeaveSetID(fuse.Caller) bool { return false }

// inGroup reports whether it is the caller's own group. The others are not known.
func inGroup(c fuse.Caller, gid uint32) bool { return c.Gid == gid }
