package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

// What makes an entry comes with the umask beside the mode, which go-fuse does not pass
// on: it goes along in the mode, above the type.

// Create is CREATE.
func (c changes) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Create(cancel, in, name, out)
}

// Tmpfile is TMPFILE.
func (c changes) Tmpfile(cancel <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Tmpfile(cancel, in, out)
}

// Mkdir is MKDIR.
func (c changes) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Mkdir(cancel, in, name, out)
}

// Mknod is MKNOD.
func (c changes) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	in.Mode = withUmask(in.Mode, in.Umask)
	return c.RawFileSystem.Mknod(cancel, in, name, out)
}

func withUmask(mode, umask uint32) uint32 {
	const kind = 0o170000
	return mode&kind | volume.WithUmask(mode, umask)
}
