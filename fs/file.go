package fs

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

var (
	_ gofs.NodeOpener         = (*fileNode)(nil)
	_ gofs.NodeCopyFileRanger = (*fileNode)(nil)

	_ gofs.FileReader    = (*handle)(nil)
	_ gofs.FileWriter    = (*handle)(nil)
	_ gofs.FileFlusher   = (*handle)(nil)
	_ gofs.FileFsyncer   = (*handle)(nil)
	_ gofs.FileReleaser  = (*handle)(nil)
	_ gofs.FileAllocater = (*handle)(nil)
	_ gofs.FileLseeker   = (*handle)(nil)
)

// handle is one open file.
type handle struct {
	n     *node
	v     *volume.Handle
	flags int
}

func newHandle(inode *gofs.Inode, v *volume.Handle, flags int) *handle {
	n, _ := of(inode.Operations())
	return &handle{n: n, v: v, flags: flags}
}

// openFlags returns those flags of open(2) that the volume knows.
func openFlags(raw uint32) int {
	return int(raw) & (syscall.O_ACCMODE | os.O_APPEND | os.O_TRUNC | os.O_SYNC | openDirect)
}

func writable(flags int) bool { return flags&syscall.O_ACCMODE != os.O_RDONLY }

// opener returns the process that opens a file for writing, since its close commits; nil
// for other opens.
func opener(ctx context.Context, flags int) volume.Process {
	if !writable(flags) {
		return nil
	}
	return process(ctx)
}

// Open opens a file or sidecar.
func (n *fileNode) Open(ctx context.Context, raw uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	flags := openFlags(raw)
	by := opener(ctx, flags)
	var vh *volume.Handle
	errno := n.fs.doOpen(ctx, "open", func(ctx context.Context) (err error) {
		vh, err = n.v.Open(ctx, flags, by)
		return err
	})
	if errno != 0 {
		return nil, 0, errno
	}
	h := &handle{n: &n.node, v: vh, flags: flags}
	return h, h.fuseFlags(), 0
}

// fuseFlags returns what the kernel is told of an open file. It may keep a file's pages
// from one open to the next, since a version from another machine gets another inode; it
// drops them if size or mtime change. It may not keep those of a sidecar, whose content
// changes under the same inode. Of a handle that cannot write it need not send a flush.
func (h *handle) fuseFlags() uint32 {
	var flags uint32
	if h.n.v.Kind() == volume.File {
		flags |= fuse.FOPEN_KEEP_CACHE
	}
	if !writable(h.flags) {
		flags |= openNoFlush
	}
	return flags
}

// Read reads into dest.
func (h *handle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	var got int
	errno := h.n.fs.do(ctx, "read", func(ctx context.Context) (err error) {
		got, err = h.v.ReadAt(ctx, dest, off)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	if errno != 0 {
		return nil, errno
	}
	return fuse.ReadResultData(dest[:got]), 0
}

// Write writes data, which it must not keep: go-fuse uses the buffer again.
func (h *handle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	var written int
	errno := h.n.fs.do(ctx, "write", func(ctx context.Context) (err error) {
		if written, err = h.v.WriteAt(ctx, data, off); written > 0 {
			return nil // a short write, as on a full disk: the next write gets the error
		}
		return err
	})
	return uint32(written), errno
}

// Flush answers close(2): it commits and returns the error of that. A signal that does not
// kill the caller does not end the wait.
func (h *handle) Flush(ctx context.Context) syscall.Errno {
	var by volume.Process
	if writable(h.flags) {
		by = closer(ctx, h.v.Opener())
	}
	p := newFlushPatience(ctx, by)
	defer p.stop()
	return h.n.fs.errno("close", h.v.Flush(p, by))
}

// Fsync makes what was written durable in the spool, for fdatasync(2) as for fsync(2).
func (h *handle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	return h.n.fs.do(ctx, "fsync", h.v.Fsync)
}

// Release ends the handle. It must not wait, since few background requests run at once.
func (h *handle) Release(context.Context) syscall.Errno {
	h.v.Release()
	return 0
}

// Allocate answers fallocate(2). Its request does not tell whether to drop setuid and
// setgid, so that is decided here.
func (h *handle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	return h.n.fs.do(ctx, "fallocate", func(ctx context.Context) error {
		if err := h.dropSetID(ctx); err != nil {
			return err
		}
		return h.v.Allocate(ctx, int64(off), int64(size), mode)
	})
}

// Lseek answers lseek(2) with SEEK_DATA and SEEK_HOLE. The kernel does the others.
func (h *handle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	var at int64
	errno := h.n.fs.do(ctx, "lseek", func(ctx context.Context) (err error) {
		at, err = h.v.Seek(ctx, int64(off), int(whence))
		return err
	})
	return uint64(at), errno
}

// CopyFileRange refuses with ENOSYS. The kernel then copies through the page cache, and
// does not ask again.
func (n *fileNode) CopyFileRange(context.Context, gofs.FileHandle, uint64, *gofs.Inode, gofs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.ENOSYS
}
