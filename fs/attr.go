package fs

import (
	"context"
	"syscall"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

var (
	_ gofs.NodeGetattrer = (*node)(nil)
	_ gofs.NodeSetattrer = (*node)(nil)
	_ gofs.NodeAccesser  = (*node)(nil)
	_ gofs.NodeStatfser  = (*node)(nil)
)

// Getattr returns the node's attributes. They are the same for every open handle.
func (n *node) Getattr(ctx context.Context, _ gofs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	var a volume.Attr
	errno := n.fs.do(ctx, "getattr", func(ctx context.Context) (err error) {
		a, err = n.v.Attr(ctx)
		return err
	})
	if errno == 0 {
		n.fillAttrOut(a, out)
	}
	return errno
}

// Setattr changes owner, mode, times and size; open(2)'s O_TRUNC comes as a size.
func (n *node) Setattr(ctx context.Context, fh gofs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	set := wanted(in)
	var through *volume.Handle
	if h, ok := fh.(*handle); ok {
		through = h.v
	}
	if set == (volume.SetAttr{DropSetID: true}) && !n.v.HasSetID() {
		return 0 // the kernel asks this at each write of an ordinary user
	}
	var a volume.Attr
	errno := n.fs.do(ctx, "setattr", func(ctx context.Context) (err error) {
		if set.DropSetID {
			if set.InGroup, err = n.callerInGroup(ctx); err != nil {
				return err
			}
		}
		a, err = n.v.SetAttr(ctx, through, set)
		return err
	})
	if errno == 0 {
		n.fillAttrOut(a, out)
	}
	return errno
}

// changing are the bits of a SETATTR request that name something to be changed. One without
// any is a chown(2) to nobody else.
const changing = fuse.FATTR_MODE | fuse.FATTR_UID | fuse.FATTR_GID | fuse.FATTR_SIZE | fuse.FATTR_ATIME | fuse.FATTR_MTIME |
	fuse.FATTR_ATIME_NOW | fuse.FATTR_MTIME_NOW | fuse.FATTR_CTIME | fuse.FATTR_KILL_SUIDGID

// wanted returns what a SETATTR request is to change, without the change time, which the
// volume sets. A change of owner drops setuid and setgid, whoever asks: that is the
// filesystem's task once HANDLE_KILLPRIV_V2 is negotiated.
func wanted(in *fuse.SetAttrIn) volume.SetAttr {
	var s volume.SetAttr
	if mode, ok := in.GetMode(); ok {
		s.Mode = &mode
	}
	if uid, ok := in.GetUID(); ok {
		s.UID = &uid
	}
	if gid, ok := in.GetGID(); ok {
		s.GID = &gid
	}
	if size, ok := in.GetSize(); ok {
		n := int64(size)
		s.Size = &n
	}
	now := time.Now() // the same for both times
	if t, ok := in.GetMTime(); ok {
		if in.Valid&fuse.FATTR_MTIME_NOW != 0 {
			t = now
		}
		s.Mtime = &t
	}
	if t, ok := in.GetATime(); ok {
		if in.Valid&fuse.FATTR_ATIME_NOW != 0 {
			t = now
		}
		s.Atime = &t
	}
	s.Touch = in.Valid&changing == 0
	s.DropSetID = s.Mode == nil && (s.UID != nil || s.GID != nil || s.Touch || in.Valid&fuse.FATTR_KILL_SUIDGID != 0)
	return s
}

// Access answers access(2) where the kernel does not check permissions itself, without
// allow_other. Only the user who mounted gets in, and may do everything but execute what
// is not executable.
func (n *node) Access(ctx context.Context, mask uint32) syscall.Errno {
	const execute = 1 // X_OK
	if mask&execute == 0 || n.v.Kind() == volume.Dir {
		return 0
	}
	var a volume.Attr
	errno := n.fs.do(ctx, "access", func(ctx context.Context) (err error) {
		a, err = n.v.Attr(ctx)
		return err
	})
	if errno == 0 && a.Mode&0o111 == 0 {
		return syscall.EACCES
	}
	return errno
}

// nameMax is the longest name, bytes. With the suffix of its sidecar it has 255.
const nameMax = 255 - len(".settings.json")

// Statfs returns the volume's space. It does not wait for the network.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	s := n.v.Statfs()
	out.Bsize, out.Frsize = blockSize, blockSize
	out.Blocks = uint64(s.Total) / blockSize
	out.Bfree = uint64(s.Free) / blockSize
	out.Bavail = out.Bfree
	out.Files = uint64(s.Files)
	out.Ffree = uint64(s.Files)
	out.NameLen = uint32(nameMax)
	return 0
}
