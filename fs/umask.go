package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

// The requests that make an entry have the umask beside the mode, and go-fuse does not
// pass it on. So it is put into the mode, above the type.

// Create passes on CREATE.
func (c changes) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Create(cancel, in, name, out)
}

// Tmpfile passes on TMPFILE.
func (c changes) Tmpfile(cancel <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Tmpfile(cancel, in, out)
}

// Mkdir passes on MKDIR.
func (c changes) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Mkdir(cancel, in, name, out)
}

// Mknod passes on MKNOD.
func (c changes) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Mknod(cancel, in, name, out)
}

func withUmask(mode, umask uint32) uint32 {
	const kind = 0o170000
	return mode&kind | volume.WithUmask(mode, umask)
}
