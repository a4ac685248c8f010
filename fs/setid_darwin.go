package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// dropsSetID reports that each write drops setuid and setgid: macFUSE does not say
// who may leave them.
func dropsSetID(uint32) bool { return true }

// mayLeaveSetID reports that nobody may.
func mayLeaveSetID(fuse.Caller) bool { return false }

// inGroup knows the caller's own group only.
func inGroup(c fuse.Caller, gid uint32) bool { return c.Gid == gid }
