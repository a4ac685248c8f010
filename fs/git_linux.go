package fs

import (
	"context"
	"strings"
)

// isGit reports whether the program that sent a request is git, by the name that the
// kernel has for it. All its commands have that name; what cannot be known is not git.
func isGit(ctx context.Context) bool {
	tid := caller(ctx).Pid
	if tid == 0 {
		return false
	}
	var buf [64]byte // 16 at most
	name, err := readProcNow(procPath(int(tid), "comm"), buf[:])
	return err == nil && strings.TrimSpace(string(name)) == "git"
}
