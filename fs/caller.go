package fs

import (
	"context"

	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

// caller returns who sent a request, as its header says: user, group and a thread id,
// which is 0 for a process that this daemon's PID namespace cannot see.
func caller(ctx context.Context) fuse.Caller {
	if c, ok := fuse.FromContext(ctx); ok {
		return *c
	}
	return fuse.Caller{}
}

// closer returns the process that sent a close(2) of a file that opener has opened; nil
// if it cannot be known.
func closer(ctx context.Context, opener volume.Process) volume.Process {
	tid := caller(ctx).Pid
	if tid == 0 {
		return nil
	}
	return identifyCloser(int(tid), opener)
}

// process returns the process that sent a request; nil if it cannot be known. It reads
// /proc, so only opens for writing, their closes, and interrupts call it.
func process(ctx context.Context) volume.Process {
	tid := caller(ctx).Pid
	if tid == 0 {
		return nil
	}
	return identify(int(tid))
}
