package fs

import (
	"context"

	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

// caller is who sent a request, as its header says: user, group and a thread
// id, which is 0 for a process that this daemon's pid namespace cannot see.
func caller(ctx context.Context) fuse.Caller {
	if c, ok := fuse.FromContext(ctx); ok {
		return *c
	}
	return fuse.Caller{}
}

// closer is process for a close(2), by an opener's descriptor or a copy of it.
func closer(ctx context.Context, opener volume.Process) volume.Process {
	tid := caller(ctx).Pid
	if tid == 0 {
		return nil
	}
	return identifyCloser(int(tid), opener)
}

// process finds out which process sent a request; nil if that cannot be known.
// It reads /proc, so it is for opens for writing, their closes, and interrupts.
func process(ctx context.Context) volume.Process {
	tid := caller(ctx).Pid
	if tid == 0 {
		return nil
	}
	return identify(int(tid))
}
