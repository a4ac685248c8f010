package fs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

// setID are the bits of st_mode that make a program run as its owner, or as its group.
const setID = syscall.S_ISUID | syscall.S_ISGID

// changes receives requests before go-fuse does, and passes on what go-fuse leaves out:
// that a write is to drop setuid and setgid, and the umask of what makes an entry.
type changes struct{ fuse.RawFileSystem }

// Write drops setuid and setgid by a change of attributes if the request says so, and
// writes.
func (c changes) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := c.drop(cancel, in); !s.Ok() {
		return 0, s
	}
	return c.RawFileSystem.Write(cancel, in, data)
}

// Writev is Write with several buffers.
func (c changes) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	if s := c.drop(cancel, in); !s.Ok() {
		return 0, s
	}
	return c.RawFileSystem.Writev(cancel, in, data)
}

func (c changes) drop(cancel <-chan struct{}, in *fuse.WriteIn) fuse.Status {
	if !dropsSetID(in.WriteFlags) {
		return fuse.OK
	}
	var set fuse.SetAttrIn
	set.InHeader, set.Fh, set.Valid = in.InHeader, in.Fh, fuse.FATTR_FH|fuse.FATTR_KILL_SUIDGID
	var out fuse.AttrOut
	return c.SetAttr(cancel, &set, &out)
}

// dropSetID drops setuid and setgid of the file, unless the caller's changes leave them.
func (h *handle) dropSetID(ctx context.Context) error {
	if !h.n.v.HasSetID() || mayLeaveSetID(caller(ctx)) {
		return nil
	}
	member, err := h.n.callerInGroup(ctx)
	if err != nil {
		return err
	}
	_, err = h.n.v.SetAttr(ctx, h.v, volume.SetAttr{DropSetID: true, InGroup: member})
	return err
}

// callerInGroup reports whether the caller belongs to the node's group. It looks only
// where that matters: at a node with setgid that its group may not execute.
func (n *node) callerInGroup(ctx context.Context) (bool, error) {
	a, err := n.v.Attr(ctx)
	if err != nil || a.Mode&(syscall.S_ISGID|syscall.S_IXGRP) != syscall.S_ISGID {
		return false, err
	}
	return inGroup(caller(ctx), a.GID), nil
}
