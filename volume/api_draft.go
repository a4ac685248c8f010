package volume

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
)

// One typed error per decision of a caller; fs has the errno of each in one table.
var (
	ErrNotExist     = errors.New("no such file")            // ENOENT
	ErrExist        = errors.New("file exists")             // EEXIST
	ErrNotDir       = errors.New("not a directory")         // ENOTDIR
	ErrIsDir        = errors.New("is a directory")          // EISDIR
	ErrNotEmpty     = errors.New("directory not empty")     // ENOTEMPTY
	ErrName         = errors.New("name not representable")  // EILSEQ
	ErrNameTooLong  = errors.New("name too long")           // ENAMETOOLONG
	ErrInvalid      = errors.New("invalid argument")        // EINVAL
	ErrStale        = errors.New("version is gone")         // ESTALE
	ErrFull         = errors.New("spool is full")           // ENOSPC
	ErrTooBig       = errors.New("too big for the mode")    // EFBIG
	ErrPermission   = errors.New("not permitted")           // EPERM
	ErrReadOnly     = errors.New("handle not open for it")  // EBADF
	ErrBusy         = errors.New("busy")                    // EBUSY
	ErrCrossDevice  = errors.New("cannot be moved in one")  // EXDEV
	ErrNotSupported = errors.New("not supported")           // ENOTSUP
	ErrNoAttr       = errors.New("no such attribute")       // ENODATA (Linux), ENOATTR (macOS)
	ErrInterrupted  = errors.New("interrupted")             // EINTR
	ErrShutdown     = errors.New("volume is shutting down") // EIO; new opens ESHUTDOWN
	// Everything else is EIO, with a log line that volume has already written.
)

// Options of a Volume.
type Options struct {
	Store  store.Store
	Keeper keys.Keeper
	Spool  *spool.Spool
	Log    *slog.Logger

	Mode      crypt.Mode
	IVBytes   int
	Bits      int
	Streaming bool // gcm_reads = "streaming"

	PartSize     int64
	Concurrency  int
	Memory       int64         // bytes of buffers; 0: default
	CloseTimeout time.Duration // how long close waits without progress before EIO
	SpoolDurable bool          // durability = "spool"

	Hidden    bool     // sidecars = "hidden"
	LocalOnly []string // mount.local_only: added to the defaults, "!pattern" removes one
	Fresh     time.Duration

	UID, GID uint32 // owner shown for what has none recorded
}

// Process identifies who opened or closes a descriptor. A nil Process is unknown.
type Process interface {
	Same(other Process) bool // same thread group and start time
	Fate() Fate
}

// Fate is what is becoming of a process.
type Fate int

const (
	Alive   Fate = iota
	Exiting      // on its own
	Killed       // by a signal, or SIGKILL is pending
	Gone         // not there any more
)

// Kind of a node.
type Kind int

const (
	Dir Kind = iota
	File
	Symlink
	Sidecar
)

// Attr is what stat tells.
type Attr struct {
	Ino                 uint64
	Size                int64
	Mode                uint32 // st_mode with type bits
	UID, GID            uint32
	Mtime, Atime, Ctime time.Time
	Blocks              int64 // of 512 bytes
	Nlink               uint32
}

// SetAttr holds what is to change: nil fields stay.
type SetAttr struct {
	Mode         *uint32 // permission bits
	UID, GID     *uint32
	Size         *int64
	Mtime, Atime *time.Time
}

// DirEntry is one line of a directory.
type DirEntry struct {
	Name string
	Ino  uint64
	Kind Kind
}

// Statfs is what df shows.
type Statfs struct{ Total, Free, Files int64 } // bytes, bytes, inodes

// RenameFlags of renameat2.
type RenameFlags uint32

const (
	NoReplace RenameFlags = 1
	Exchange  RenameFlags = 2
)

// Volume is an open volume. Works without FUSE.
type Volume struct{}

func Open(ctx context.Context, o Options) (*Volume, error) { panic("draft") }

// Close refuses new opens, drains until ctx is done, then stops everything; its
// error names what is still pending (which stays in the spool).
func (v *Volume) Close(ctx context.Context) error { panic("draft") }
func (v *Volume) Root() *Node                     { panic("draft") }
func (v *Volume) Statfs() Statfs                  { panic("draft") }

// Sync waits until everything under path ("" for all) is committed and finished.
func (v *Volume) Sync(ctx context.Context, path string) error { panic("draft") }

// Pending is one draft or change that is not finished.
type Pending struct {
	Path, What, Reason string
	Done, Size         int64
	Since              time.Time
}

func (v *Volume) Pending() []Pending { panic("draft") }

// Changed, if set before serving, is called (on a goroutine of its own, no lock held) when
// a directory's entry changed by news from elsewhere: the kernel's dentry is to be dropped.
func (v *Volume) OnChanged(f func(dir *Node, name string)) { panic("draft") }

// Node is a directory, file, symlink or sidecar. The same Node is given for the
// same version of a name as long as anybody knows it (see Forget); a version
// that another machine wrote is another Node.
type Node struct{}

func (n *Node) Kind() Kind  { panic("draft") }
func (n *Node) Ino() uint64 { panic("draft") }

func (n *Node) Attr(ctx context.Context) (Attr, error) { panic("draft") }

// SetAttr changes attributes; Size truncates (h may be nil).
func (n *Node) SetAttr(ctx context.Context, h *Handle, s SetAttr) (Attr, error) { panic("draft") }

func (n *Node) Lookup(ctx context.Context, name string) (*Node, error) { panic("draft") }

// ReadDir is a snapshot, sidecars included where they are listed, without "." and "..".
func (n *Node) ReadDir(ctx context.Context) ([]DirEntry, error) { panic("draft") }

// Create makes and opens a file (flags as open(2); O_EXCL and O_TRUNC honoured; an existing file is opened).
func (n *Node) Create(ctx context.Context, name string, flags int, mode, uid, gid uint32, by Process) (*Node, *Handle, error) {
	panic("draft")
}
func (n *Node) Mkdir(ctx context.Context, name string, mode, uid, gid uint32) (*Node, error) {
	panic("draft")
}
func (n *Node) Symlink(ctx context.Context, name, target string, uid, gid uint32) (*Node, error) {
	panic("draft")
}
func (n *Node) Readlink(ctx context.Context) (string, error)  { panic("draft") }
func (n *Node) Remove(ctx context.Context, name string) error { panic("draft") }
func (n *Node) Rmdir(ctx context.Context, name string) error  { panic("draft") }
func (n *Node) Rename(ctx context.Context, name string, dir *Node, newName string, flags RenameFlags) error {
	panic("draft")
}

// Open opens a file or sidecar (flags as open(2), O_TRUNC honoured).
func (n *Node) Open(ctx context.Context, flags int, by Process) (*Handle, error) { panic("draft") }

func (n *Node) GetXattr(ctx context.Context, name string) ([]byte, error) { panic("draft") }
func (n *Node) SetXattr(ctx context.Context, name string, value []byte, create, replace bool) error {
	panic("draft")
}
func (n *Node) RemoveXattr(ctx context.Context, name string) error { panic("draft") }
func (n *Node) ListXattr(ctx context.Context) ([]string, error)    { panic("draft") }

// Handle is one open file.
type Handle struct{}

func (h *Handle) Node() *Node { panic("draft") }

// ReadAt fills p from off: io.EOF at the end as io.ReaderAt.
func (h *Handle) ReadAt(ctx context.Context, p []byte, off int64) (int, error)  { panic("draft") }
func (h *Handle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) { panic("draft") }

// Flush is each close(2) of a descriptor (section 5 of the design). It may take as long as the upload takes.
func (h *Handle) Flush(ctx context.Context, by Process) error { panic("draft") }
func (h *Handle) Fsync(ctx context.Context) error             { panic("draft") }

// Release is the end of the handle; it only queues work.
func (h *Handle) Release() { panic("draft") }

// Allocate is fallocate with the kernel's mode bits.
func (h *Handle) Allocate(ctx context.Context, off, n int64, mode uint32) error { panic("draft") }

// Seek is lseek's SEEK_DATA (3) and SEEK_HOLE (4).
func (h *Handle) Seek(ctx context.Context, off int64, whence int) (int64, error) { panic("draft") }
