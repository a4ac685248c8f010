package fs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

// setID are the bits of st_mode that make a program run as its owner, or as its group.
const setID = syscall.S_ISUID | syscall.S_ISGID

// changes takes writes before go-fuse does, which does not pass on that one is to
// drop setuid and setgid: that becomes a change of attributes before the write.
type changes struct{ fuse.RawFileSystem }

// Write drops setuid and setgid, if the request is to, and writes.
func (c changes) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := c.drop(cancel, in); !s.Ok() {
		return 0, s
	}
	return c.RawFileSystem.Write(cancel, in, data)
}

// Writev is Write of several buffers.
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

// dropSetID drops setuid and setgid of the file, unless the caller may leave them.
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

// callerInGroup reports whether who sent the request belongs to the node's group.
// It is only asked where that matters: of setgid without the right to execute.
func (n *node) callerInGroup(ctx context.Context) (bool, error) {
	a, err := n.v.Attr(ctx)
	if err != nil || a.Mode&(syscall.S_ISGID|syscall.S_IXGRP) != syscall.S_ISGID {
		return false, err
	}
	return inGroup(caller(ctx), a.GID), nil
}
