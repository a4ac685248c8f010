package fs

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

var (
	_ gofs.NodeLookuper       = (*dirNode)(nil)
	_ gofs.NodeOpendirHandler = (*dirNode)(nil)
	_ gofs.FileReaddirenter   = (*dirHandle)(nil)
	_ gofs.FileSeekdirer      = (*dirHandle)(nil)
	_ gofs.FileLookuper       = (*dirHandle)(nil)
	_ gofs.FileFsyncdirer     = (*dirHandle)(nil)
)

// Lookup finds an entry.
func (d *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	var inode *gofs.Inode
	errno := d.fs.doNames(ctx, "lookup", func(ctx context.Context) (err error) {
		inode, err = d.lookup(ctx, name, out, true)
		return err
	})
	return inode, errno
}

// maxLooks is how often a lookup finds a name again which other machines replaced while the
// description of what it had found was fetched.
const maxLooks = 8

// lookup returns the inode and attributes of an entry. opens is false where the caller
// only lists, and is not about to open or make what it finds.
func (d *dirNode) lookup(ctx context.Context, name string, out *fuse.EntryOut, opens bool) (*gofs.Inode, error) {
	for looks := 1; ; looks++ {
		v, err := d.find(ctx, name, opens)
		if err != nil {
			return nil, err
		}
		if opens && d.fs.outOfSight(ctx, v) {
			return nil, volume.ErrNotExist
		}
		a, err := v.Attr(ctx)
		if replaced := v.Replaced() || errors.Is(err, volume.ErrStale); replaced && looks < maxLooks && ctx.Err() == nil {
			continue // the kernel would open it, look again once, and then fail the program with ESTALE
		}
		if err != nil {
			return nil, err
		}
		return d.entry(ctx, name, v, a, out), nil
	}
}

// find returns the volume's node of a name. For a process that is moving sidecars the
// volume answers what its next call expects: see volume.Node.Taking.
func (d *dirNode) find(ctx context.Context, name string, opens bool) (*volume.Node, error) {
	if !opens {
		return d.v.Lookup(ctx, name)
	}
	switch put, expected := d.v.Taking(name, caller(ctx).Pid); {
	case expected:
		return nil, volume.ErrNotExist
	case put != nil:
		return put, nil
	}
	return d.v.Lookup(ctx, name)
}

// outOfSight reports whether a sidecar or tombstone is to be hidden from who looks its
// name up now, since it is about to make a file there. What is written over a sidecar is
// judged at its close, and a tombstone must not stand in the way of a new file.
func (f *filesystem) outOfSight(ctx context.Context, v *volume.Node) bool {
	switch v.Kind() {
	case volume.Sidecar:
		if c := makes(ctx); c == exclusively || c == unknowable && v.UnlinkedJustNow() {
			return true
		}
	case volume.Tombstone:
		if c := makes(ctx); c == anything || c == exclusively {
			return true
		}
	default:
		return false
	}
	v.Ask(caller(ctx).Pid)
	return false
}

// answer returns the inode of an entry that was found or made, and fills in its attributes.
func (d *dirNode) answer(ctx context.Context, name string, v *volume.Node, out *fuse.EntryOut) (*gofs.Inode, error) {
	a, err := v.Attr(ctx)
	if err != nil {
		return nil, err
	}
	return d.entry(ctx, name, v, a, out), nil
}

// entry is answer with the attributes at hand.
func (d *dirNode) entry(ctx context.Context, name string, v *volume.Node, a volume.Attr, out *fuse.EntryOut) *gofs.Inode {
	d.fs.fillEntry(v, a, out)
	inode := d.child(ctx, name, v)
	if n, ok := of(inode.Operations()); ok {
		n.seen(a)
	}
	return inode
}

// OpendirHandle opens a directory, which is listed when it is first read. Many are opened
// and never listed.
func (d *dirNode) OpendirHandle(context.Context, uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	return &dirHandle{d: d}, 0, 0
}

// dirHandle is an open directory with a snapshot of its entries, which rewinddir takes
// anew. go-fuse makes one call of it at a time.
type dirHandle struct {
	d       *dirNode
	entries []fuse.DirEntry // nil: not listed yet
	next    int

	batch    context.Context // the READDIRPLUS request that looks entries up
	deadline time.Time       // when it has waited enough
}

// Readdirent returns the next entry; nil at the end.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if errno := h.list(ctx); errno != 0 {
		return nil, errno
	}
	if h.next >= len(h.entries) {
		return nil, 0
	}
	e := &h.entries[h.next]
	h.next++
	return e, 0
}

// Seekdir goes to the entry after offset off; 0 is the start, and lists again.
func (h *dirHandle) Seekdir(ctx context.Context, off uint64) syscall.Errno {
	if off == 0 {
		h.entries = nil
	}
	if errno := h.list(ctx); errno != 0 {
		return errno
	}
	h.next = int(min(off, uint64(len(h.entries))))
	return 0
}

func (h *dirHandle) list(ctx context.Context) syscall.Errno {
	if h.entries != nil {
		return 0
	}
	var list []volume.DirEntry
	errno := h.d.fs.do(ctx, "readdir", func(ctx context.Context) (err error) {
		list, err = h.d.v.ReadDir(ctx)
		return err
	})
	if errno != 0 {
		return errno
	}
	list = withoutClutter(ctx, list)
	up := h.d.v.Ino()
	if _, parent := h.d.Parent(); parent != nil {
		up = parent.StableAttr().Ino
	}
	entries := make([]fuse.DirEntry, 0, len(list)+2)
	entries = append(entries,
		fuse.DirEntry{Name: ".", Mode: syscall.S_IFDIR, Ino: h.d.v.Ino()},
		fuse.DirEntry{Name: "..", Mode: syscall.S_IFDIR, Ino: up})
	for _, e := range list {
		entries = append(entries, fuse.DirEntry{Name: e.Name, Mode: typeBits(e.Kind), Ino: e.Ino})
	}
	for i := range entries {
		entries[i].Off = uint64(i + 1)
	}
	h.entries, h.next = entries, 0
	return 0
}

// withoutClutter returns the entries without sidecars if git lists them. Else "git status"
// would show one beside each file, and "git add" add it.
func withoutClutter(ctx context.Context, list []volume.DirEntry) []volume.DirEntry {
	isSidecar := func(e volume.DirEntry) bool { return e.Kind == volume.Sidecar }
	if !slices.ContainsFunc(list, isSidecar) || !isGit(ctx) {
		return list
	}
	return slices.DeleteFunc(list, isSidecar)
}

func typeBits(k volume.Kind) uint32 {
	switch k {
	case volume.Dir:
		return syscall.S_IFDIR
	case volume.Symlink:
		return syscall.S_IFLNK
	case volume.Unknown:
		return 0 // DT_UNKNOWN: programs that need the type look the entry up
	default:
		return syscall.S_IFREG
	}
}

// plusBudget is how long all entries of one READDIRPLUS request may take together, since
// the kernel holds the directory meanwhile.
const plusBudget = time.Second

// Lookup returns an entry for READDIRPLUS. One whose attributes cannot be had in time is
// listed by its name alone, and programs that need more look it up.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	if h.batch != ctx {
		h.batch, h.deadline = ctx, time.Now().Add(plusBudget)
	}
	if !time.Now().Before(h.deadline) {
		return nil, syscall.EAGAIN
	}
	p := newPatience(ctx).until(h.deadline)
	defer p.stop()
	inode, err := h.d.lookup(p, name, out, false)
	if err != nil && p.Err() != nil {
		return nil, syscall.EAGAIN
	}
	return inode, h.d.fs.errno("readdirplus", err)
}

// Fsyncdir makes attributes durable. A change of names is durable before it is answered.
func (h *dirHandle) Fsyncdir(ctx context.Context, _ uint32) syscall.Errno {
	return h.d.fs.do(ctx, "fsyncdir", func(context.Context) error { return h.d.v.Fsync() })
}
