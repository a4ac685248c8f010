package fs

import (
	"bytes"
	"context"
	"errors"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"

	"mcfs/volume"
)

var (
	_ gofs.NodeGetxattrer    = (*node)(nil)
	_ gofs.NodeSetxattrer    = (*node)(nil)
	_ gofs.NodeRemovexattrer = (*node)(nil)
	_ gofs.NodeListxattrer   = (*node)(nil)
)

// Getxattr copies an attribute into dest. If dest is too small, or nil to ask for the
// size, it returns the size and ERANGE.
func (n *node) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	if !keptAttr(name) {
		return 0, noAttr
	}
	var value []byte
	errno := n.fs.do(ctx, "getxattr", func(ctx context.Context) (err error) {
		if isFact(name) {
			value, err = n.fact(ctx, name)
		} else {
			value, err = n.v.GetXattr(ctx, name)
		}
		return err
	})
	if errno != 0 {
		return 0, errno
	}
	return copyOut(dest, value)
}

func copyOut(dest, value []byte) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}

// Setxattr sets an attribute to a copy of data, whose buffer go-fuse uses again.
func (n *node) Setxattr(ctx context.Context, name string, data []byte, flags uint32) syscall.Errno {
	switch {
	case !keptAttr(name):
		return syscall.ENOTSUP
	case isFact(name):
		return syscall.EPERM
	}
	create := flags&unix.XATTR_CREATE != 0
	replace := flags&unix.XATTR_REPLACE != 0
	return n.fs.do(ctx, "setxattr", func(ctx context.Context) error {
		if n.leftToChmod(ctx, name, data) {
			return volume.ErrNotSupported
		}
		if err := n.v.SetXattr(ctx, name, bytes.Clone(data), create, replace); err != nil || !volume.IsACL(name) {
			return err
		}
		return n.dropSetGID(ctx)
	})
}

// leftToChmod reports whether an access control list is to be refused, since it says no
// more than a mode: programs then set the permission bits by chmod. Where the kernel does
// not enforce lists it would go on showing the old bits for a second.
func (n *node) leftToChmod(ctx context.Context, name string, value []byte) bool {
	if n.fs.obeysACLs || n.v.Kind() == volume.Dir || !volume.IsPlainACL(name, value) {
		return false
	}
	_, err := n.v.GetXattr(ctx, name)
	return errors.Is(err, volume.ErrNoAttr)
}

// dropSetGID drops setgid of a node after a caller that is not in its group has set its
// access control list.
func (n *node) dropSetGID(ctx context.Context) error {
	a, err := n.v.Attr(ctx)
	if err != nil || a.Mode&syscall.S_ISGID == 0 || inGroup(caller(ctx), a.GID) {
		return err
	}
	mode := a.Mode &^ syscall.S_ISGID
	_, err = n.v.SetAttr(ctx, nil, volume.SetAttr{Mode: &mode})
	return err
}

// Removexattr removes an attribute.
func (n *node) Removexattr(ctx context.Context, name string) syscall.Errno {
	switch {
	case !keptAttr(name):
		return noAttr
	case isFact(name):
		return syscall.EPERM
	}
	return n.fs.do(ctx, "removexattr", func(ctx context.Context) error { return n.v.RemoveXattr(ctx, name) })
}

// Listxattr lists the names, each ended by a zero byte.
func (n *node) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	var names []string
	errno := n.fs.do(ctx, "listxattr", func(ctx context.Context) (err error) {
		names, err = n.v.ListXattr(ctx)
		return err
	})
	if errno != 0 {
		return 0, errno
	}
	var list []byte
	for _, name := range names {
		if isFact(name) { // an older mcfs has kept it
			continue
		}
		list = append(append(list, name...), 0)
	}
	return copyOut(dest, list)
}
