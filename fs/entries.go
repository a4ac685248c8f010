package fs

import (
	"context"
	"os"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

var (
	_ gofs.NodeCreater   = (*dirNode)(nil)
	_ gofs.NodeMkdirer   = (*dirNode)(nil)
	_ gofs.NodeMknoder   = (*dirNode)(nil)
	_ gofs.NodeSymlinker = (*dirNode)(nil)
	_ gofs.NodeLinker    = (*dirNode)(nil)
	_ gofs.NodeTmpfiler  = (*dirNode)(nil)
	_ gofs.NodeUnlinker  = (*dirNode)(nil)
	_ gofs.NodeRmdirer   = (*dirNode)(nil)
	_ gofs.NodeRenamer   = (*dirNode)(nil)

	_ gofs.NodeReadlinker = (*linkNode)(nil)
)

// Create makes a file and opens it.
func (d *dirNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*gofs.Inode, gofs.FileHandle, uint32, syscall.Errno) {
	inode, h, errno := d.create(ctx, "create", name, openFlags(flags)|os.O_CREATE|int(flags)&os.O_EXCL, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, h, h.fuseFlags(), 0
}

func (d *dirNode) create(ctx context.Context, op, name string, flags int, mode uint32, out *fuse.EntryOut) (*gofs.Inode, *handle, syscall.Errno) {
	by := opener(ctx, flags)
	var inode *gofs.Inode
	var h *handle
	errno := d.fs.doCreate(ctx, op, func(ctx context.Context) error {
		o, err := d.origin(ctx)
		if err != nil {
			return err
		}
		v, vh, err := d.v.Create(ctx, name, flags, o.mode(mode), o.uid, o.gid, by)
		if err != nil {
			return err
		}
		if inode, err = d.answer(ctx, name, v, out); err != nil {
			vh.Release()
			return err
		}
		h = newHandle(inode, vh, flags)
		return nil
	})
	return inode, h, errno
}

// origin is what a new entry gets from its maker and its directory.
type origin struct {
	uid, gid uint32
	drop     uint32 // bits that its mode cannot have
	inherit  bool   // it gets setgid, with the group, from the directory
}

// origin returns what an entry gets that the caller makes here. It belongs to the caller
// and its group, unless the mount has an owner for everything; in a setgid directory to
// the directory's group, as on a disk.
func (d *dirNode) origin(ctx context.Context) (o origin, err error) {
	c := caller(ctx)
	o.uid, o.gid = c.Uid, c.Gid
	if d.fs.uid != nil && *d.fs.uid != c.Uid {
		o.uid, o.drop = *d.fs.uid, syscall.S_ISUID // as by a change of owner
	}
	if d.fs.gid != nil && *d.fs.gid != c.Gid {
		o.gid, o.drop = *d.fs.gid, o.drop|syscall.S_ISGID
	}
	if !d.setid.Load() {
		return o, nil
	}
	a, err := d.v.Attr(ctx)
	if err == nil && a.Mode&syscall.S_ISGID != 0 {
		o.gid, o.inherit = a.GID, true
		o.drop &^= syscall.S_ISGID
	}
	return o, err
}

// mode returns the permission bits that were asked for, and the umask above them (see
// umask.go), without what the entry cannot have.
func (o origin) mode(asked uint32) uint32 { return asked &^ (syscall.S_IFMT | o.drop) }

// Mkdir makes a directory.
func (d *dirNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return d.enter(ctx, "mkdir", name, out, func(ctx context.Context) (*volume.Node, error) {
		o, err := d.origin(ctx)
		if err != nil {
			return nil, err
		}
		mode := o.mode(mode)
		if o.inherit {
			mode |= syscall.S_ISGID
		}
		return d.v.Mkdir(ctx, name, mode, o.uid, o.gid)
	})
}

// Symlink makes a symbolic link.
func (d *dirNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return d.enter(ctx, "symlink", name, out, func(ctx context.Context) (*volume.Node, error) {
		o, err := d.origin(ctx)
		if err != nil {
			return nil, err
		}
		return d.v.Symlink(ctx, name, target, o.uid, o.gid)
	})
}

func (d *dirNode) enter(ctx context.Context, op, name string, out *fuse.EntryOut, call func(context.Context) (*volume.Node, error)) (*gofs.Inode, syscall.Errno) {
	var inode *gofs.Inode
	errno := d.fs.doNames(ctx, op, func(ctx context.Context) error {
		v, err := call(ctx)
		if err != nil {
			return err
		}
		inode, err = d.answer(ctx, name, v, out)
		return err
	})
	return inode, errno
}

// Mknod makes a regular file. Devices, pipes and sockets are refused: a store has none.
func (d *dirNode) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	if kind := mode & syscall.S_IFMT; kind != syscall.S_IFREG && kind != 0 {
		return nil, syscall.ENOTSUP
	}
	inode, h, errno := d.create(ctx, "mknod", name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode, out)
	if errno != 0 {
		return nil, errno
	}
	h.v.Release()
	return inode, 0
}

// Link gives a name to a file that was made without one. Other hard links are refused: an
// object has one name.
func (d *dirNode) Link(ctx context.Context, target gofs.InodeEmbedder, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	t, ok := target.(*fileNode)
	if !ok {
		return nil, syscall.EPERM
	}
	return d.enter(ctx, "link", name, out, func(ctx context.Context) (*volume.Node, error) {
		return t.v, d.v.Link(ctx, t.v, name)
	})
}

// Tmpfile makes a file without a name and opens it.
func (d *dirNode) Tmpfile(ctx context.Context, raw uint32, mode uint32, out *fuse.EntryOut) (*gofs.Inode, gofs.FileHandle, uint32, syscall.Errno) {
	flags := openFlags(raw)
	by := opener(ctx, flags)
	var inode *gofs.Inode
	var h *handle
	errno := d.fs.doCreate(ctx, "tmpfile", func(ctx context.Context) error {
		o, err := d.origin(ctx)
		if err != nil {
			return err
		}
		v, vh, err := d.v.Tmpfile(flags, o.mode(mode), o.uid, o.gid, by)
		if err != nil {
			return err
		}
		if inode, err = d.answer(ctx, "", v, out); err != nil {
			vh.Release()
			return err
		}
		h = newHandle(inode, vh, flags)
		return nil
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, h, h.fuseFlags(), 0
}

// Unlink removes a file, link or sidecar.
func (d *dirNode) Unlink(ctx context.Context, name string) syscall.Errno {
	return d.fs.doNames(ctx, "unlink", func(ctx context.Context) error { return d.v.Remove(ctx, name) })
}

// Rmdir removes an empty directory.
func (d *dirNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	return d.fs.doNames(ctx, "rmdir", func(ctx context.Context) error { return d.v.Rmdir(ctx, name) })
}

// Rename renames or exchanges entries. go-fuse does the same to its own nodes afterwards.
func (d *dirNode) Rename(ctx context.Context, name string, newParent gofs.InodeEmbedder, newName string, raw uint32) syscall.Errno {
	to, ok := newParent.(*dirNode)
	if !ok {
		return syscall.EXDEV
	}
	flags, ok := renameFlags(raw)
	if !ok {
		return syscall.EINVAL
	}
	return d.fs.doNames(ctx, "rename", func(ctx context.Context) error {
		return d.v.Rename(ctx, name, to.v, newName, flags)
	})
}

// renameFlags translates the flags of renameat2(2) or renameatx_np(2), which the kernel
// passes on as they are. It returns false for others, such as RENAME_WHITEOUT.
func renameFlags(raw uint32) (volume.RenameFlags, bool) {
	switch raw {
	case 0:
		return 0, true
	case renameNoReplace:
		return volume.NoReplace, true
	case renameExchange:
		return volume.Exchange, true
	}
	return 0, false
}

// Readlink returns the link's target.
func (l *linkNode) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	var target string
	errno := l.fs.do(ctx, "readlink", func(ctx context.Context) (err error) {
		target, err = l.v.Readlink(ctx)
		return err
	})
	return []byte(target), errno
}
