package fs

import (
	"context"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

// filesystem is what the nodes of one mount share.
type filesystem struct {
	volume  *volume.Volume
	log     *slog.Logger
	trouble *complaints

	uid, gid  *uint32 // the owner of everything that is made; nil: its maker
	obeysACLs bool    // the kernel enforces access control lists
}

// node is the common part of all kinds of nodes, for as long as the kernel knows one.
// go-fuse finds it by its inode number, which the volume never gives to another file or
// version.
type node struct {
	gofs.Inode
	fs *filesystem
	v  *volume.Node

	// setid is true if setuid or setgid was set when the attributes were last seen.
	setid atomic.Bool
}

type dirNode struct{ node }

type fileNode struct{ node }

type linkNode struct{ node }

// of returns the common part of a go-fuse node of this package.
func of(ops gofs.InodeEmbedder) (*node, bool) {
	switch n := ops.(type) {
	case *dirNode:
		return &n.node, true
	case *fileNode:
		return &n.node, true
	case *linkNode:
		return &n.node, true
	}
	return nil, false
}

// newOps makes a node for one of the volume's, and returns its type bits with it.
func (f *filesystem) newOps(v *volume.Node) (gofs.InodeEmbedder, uint32) {
	switch v.Kind() {
	case volume.Dir:
		return &dirNode{node: node{fs: f, v: v}}, syscall.S_IFDIR
	case volume.Symlink:
		return &linkNode{node{fs: f, v: v}}, syscall.S_IFLNK
	default:
		return &fileNode{node{fs: f, v: v}}, syscall.S_IFREG
	}
}

// child returns the inode of a volume's node under a name: the one that the kernel has, or
// a new one. go-fuse drops the new one if it has another with that number.
func (d *dirNode) child(ctx context.Context, name string, v *volume.Node) *gofs.Inode {
	if known := d.GetChild(name); known != nil {
		if n, ok := of(known.Operations()); ok && n.v == v {
			return known
		}
	}
	ops, mode := d.fs.newOps(v)
	return d.NewInode(ctx, ops, gofs.StableAttr{Ino: v.Ino(), Mode: mode})
}

// namesLimit bounds the calls during which the kernel holds a directory, since everything
// else in that directory waits meanwhile (P7). The volume's own limits are shorter, but
// several of them may add up.
const namesLimit = 10 * time.Second

// do runs one call of the volume and returns its errno. The call goes on over interrupts;
// see patience.
func (f *filesystem) do(ctx context.Context, op string, call func(context.Context) error) syscall.Errno {
	return f.run(newPatience(ctx), op, call, toErrno)
}

// doNames is do for calls during which the kernel holds a directory.
func (f *filesystem) doNames(ctx context.Context, op string, call func(context.Context) error) syscall.Errno {
	return f.run(newPatience(ctx).until(time.Now().Add(namesLimit)), op, call, toErrno)
}

// doOpen is do for calls that open a file.
func (f *filesystem) doOpen(ctx context.Context, op string, call func(context.Context) error) syscall.Errno {
	return f.run(newPatience(ctx), op, call, toOpenErrno)
}

// doCreate is doNames for calls that open a file.
func (f *filesystem) doCreate(ctx context.Context, op string, call func(context.Context) error) syscall.Errno {
	return f.run(newPatience(ctx).until(time.Now().Add(namesLimit)), op, call, toOpenErrno)
}

func (f *filesystem) run(p *patience, op string, call func(context.Context) error, table func(error) (syscall.Errno, bool)) syscall.Errno {
	defer p.stop()
	err := call(p)
	errno, known := table(err)
	if !known {
		f.trouble.unexpected(op, err)
	}
	return errno
}

func (f *filesystem) errno(op string, err error) syscall.Errno {
	errno, known := toErrno(err)
	if !known {
		f.trouble.unexpected(op, err)
	}
	return errno
}

// timeout returns how long the kernel may keep a node's name and attributes. Those of
// sidecars and tombstones it may not keep, since commits make and remove them (P3).
func timeout(kind volume.Kind) time.Duration {
	if kind == volume.Sidecar || kind == volume.Tombstone {
		return 0
	}
	return believed
}

// attrTimeout returns how long the kernel may keep a node's attributes. It does not learn
// that a write has dropped setuid or setgid, so of a file with these it may not keep them.
func attrTimeout(kind volume.Kind, a volume.Attr) time.Duration {
	if kind == volume.File && a.Mode&setID != 0 {
		return 0
	}
	return timeout(kind)
}

// fillEntry fills in the answer to a call that finds or makes an entry.
func (f *filesystem) fillEntry(v *volume.Node, a volume.Attr, out *fuse.EntryOut) {
	fillAttr(a, &out.Attr)
	out.SetEntryTimeout(timeout(v.Kind()))
	out.SetAttrTimeout(attrTimeout(v.Kind(), a))
}

// fillAttrOut fills in the answer to a call that asks for attributes.
func (n *node) fillAttrOut(a volume.Attr, out *fuse.AttrOut) {
	n.seen(a)
	fillAttr(a, &out.Attr)
	out.SetTimeout(attrTimeout(n.v.Kind(), a))
}

func (n *node) seen(a volume.Attr) { n.setid.Store(a.Mode&setID != 0) }

// blockSize is st_blksize, bytes.
const blockSize = 4096

func fillAttr(a volume.Attr, out *fuse.Attr) {
	out.Ino = a.Ino
	out.Size = uint64(a.Size)
	out.Blocks = uint64(a.Blocks)
	out.Blksize = blockSize
	out.Mode = a.Mode
	out.Nlink = a.Nlink
	out.Uid, out.Gid = a.UID, a.GID
	setTime(a.Atime, &out.Atime, &out.Atimensec)
	setTime(a.Mtime, &out.Mtime, &out.Mtimensec)
	setTime(a.Ctime, &out.Ctime, &out.Ctimensec)
}

// setTime fills in a time. One that is not known stays the epoch.
func setTime(t time.Time, sec *uint64, nsec *uint32) {
	if t.IsZero() {
		return
	}
	*sec, *nsec = uint64(t.Unix()), uint32(t.Nanosecond())
}
