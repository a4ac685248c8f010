package volume

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/acl"
	"mcfs/volume/clock"
	"mcfs/volume/commit"
	"mcfs/volume/file"
	"mcfs/volume/remote"
	"mcfs/volume/tree"
)

// Kind of a node.
type Kind int

const (
	Dir Kind = iota
	File
	Symlink
	Sidecar
	// Tombstone is the name of a sidecar whose file has just been removed or renamed.
	Tombstone
	// Unknown stands in a DirEntry only: an object of which the listing does
	// not tell whether it is a file or a symlink.
	Unknown
)

// The type bits of st_mode that this package deals in.
const (
	modeDir     = 0o040000
	modeFile    = 0o100000
	modeSymlink = 0o120000
	modeType    = 0o170000
)

// typeBits are those of st_mode: what a node is, its kind tells, and not what the
// store says of its mode.
func (k Kind) typeBits() uint32 {
	switch k {
	case Dir:
		return modeDir
	case Symlink:
		return modeSymlink
	}
	return modeFile
}

// Node is a directory, file, symlink, sidecar or tombstone. One Node stands for one file
// as long as its name does; a version that another machine wrote is another
// Node, with another inode number (P8).
type Node struct {
	v    *Volume
	ino  uint64
	kind Kind

	// What only a node of one kind has; of any other it is nil.
	dir  *dirState     // of a Dir
	doc  *sidecarState // of a Sidecar
	tomb *tombstone    // of a Tombstone

	// Guarded by Volume.mu.
	parent   *Node
	name     string
	gone     bool          // no name leads here any more
	stale    bool          // gone, because another machine has taken the name
	nameless bool          // made without a name, and not given one yet: gone too
	side     *Node         // of a File: its sidecar's node, once it was looked up
	left     *tombstone    // of a File: what its sidecar has left behind where it was
	inFlight chan struct{} // closed when recovery knows whether that commit has arrived; nil: the content is known
	local    bool          // a local-only directory or symlink: only the journal has it
	localID  spool.ID      // of its journal entry; zero: it has none yet
	staged   bool          // while it is Temporary: not by its own name, but by that of a folder above
	queued   []*change     // changes of names that concern this node and are not finished, the oldest first
	rewrite  *change       // of them, the one that is to write its attributes, as long as more may come; nil: none
	changed  time.Time     // when this machine last changed the name: older listings say nothing about it
	onIdle   bool          // stands in Volume.idle
	misled   time.Time     // until when the next opener may mean another file, by the name that this one had
	seen     clock.Instant // when the store was asked for the description that it gave

	// listed is what the last listing said of a clean file; guarded by Volume.mu.
	listed remote.Listing

	content file.Content
	commit  commit.File

	// Guarded by the content's lock.
	refresh *descriptionRefresh // its description is not what the store has now; nil: it is
	target  string              // of a symlink, once it is known
}

// Kind is what the node is.
func (n *Node) Kind() Kind { return n.kind }

// Ino is the inode number, unique in this volume as long as it is open. A
// sidecar's is just below its file's.
func (n *Node) Ino() uint64 { return n.ino }

// firstIno returns a number below which no inode has one, even and of 31 bits. It is drawn,
// so that a descriptor left from a mount that was killed is not taken for one of this mount.
func firstIno() uint64 { return uint64(rand.Uint32()) >> 1 &^ 1 }

func (v *Volume) newDir(parent *Node, name string) *Node {
	n := v.newNode(Dir, parent, name)
	n.dir = &dirState{
		Dir:        tree.NewDir[*Node](),
		Attributes: tree.NewAttributes(sidecar.Attr{Mode: modeDir | 0o755, UID: v.o.UID, GID: v.o.GID, Mtime: v.started}),
	}
	return n
}

func (v *Volume) newNode(k Kind, parent *Node, name string) *Node {
	v.lastIno += 2
	n := &Node{v: v, ino: v.lastIno, kind: k, parent: parent, name: name}
	n.content.Init(v.shared, owner{n})
	n.commit.Init(v.commits, &n.content, owner{n})
	return n
}

// path is the node's key below the volume's prefix, "" for the root; v.mu is held.
func (v *Volume) path(n *Node) string {
	if n.kind == Sidecar {
		return sidecar.Name(v.path(n.doc.file))
	}
	if n.parent == nil {
		return n.name
	}
	elems := []string{n.name}
	for d := n.parent; d != nil && d.parent != nil; d = d.parent {
		elems = append(elems, d.name)
	}
	var b strings.Builder
	for i := len(elems) - 1; i >= 0; i-- {
		b.WriteString(elems[i])
		if i > 0 {
			b.WriteByte('/')
		}
	}
	return b.String()
}

// Path is where the node is in the volume now.
func (n *Node) Path() string {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	return n.v.path(n)
}

// baseName is the last element of Path.
func (n *Node) baseName() string {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	return n.name
}

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

	// Touch moves the ctime, as a change of owner does that leaves it what it is.
	Touch bool

	// DropSetID takes setuid and setgid from a file, as a change by one who may not
	// leave them does. Setgid without the right of the group to execute stays, if
	// that one is InGroup, the file's.
	DropSetID, InGroup bool
}

// The bits of st_mode that make a program run as its owner, or as its group.
const (
	modeSetUID   = 0o4000
	modeSetGID   = 0o2000
	modeGroupRun = 0o010
)

// HasSetID reports whether a file has setuid or setgid, from memory.
func (n *Node) HasSetID() bool {
	if n.kind != File {
		return false
	}
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.Attr.Mode&(modeSetUID|modeSetGID) != 0
}

// Attr describes the node. For a clean file whose sidecar has not been read
// yet it asks the store.
func (n *Node) Attr(ctx context.Context) (Attr, error) {
	switch n.kind {
	case Dir:
		return n.dirAttr(ctx), nil
	case Sidecar:
		return n.sidecarAttr(ctx)
	case Tombstone:
		return n.tombstoneAttr(), nil
	}
	if a, ok := n.knownAttr(); ok {
		return a, nil
	}
	n.v.prefetch(n)
	if err := n.describe(ctx); err != nil {
		return Attr{}, err
	}
	a, _ := n.knownAttr()
	return a, nil
}

// knownAttr describes a file or link from memory; ok says whether that suffices.
func (n *Node) knownAttr() (a Attr, ok bool) {
	n.v.mu.Lock()
	links := uint32(1)
	if n.gone {
		links = 0
	}
	n.v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	a = n.fileAttr()
	a.Nlink = links
	return a, n.content.KnownLocked() && n.refresh == nil
}

func (n *Node) dirAttr(ctx context.Context) Attr {
	n.v.prefetch(n)
	if err := n.describeDir(ctx); err != nil {
		n.v.log.Debug("a directory shows default attributes", "path", n.Path(), "cause", err)
	}
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	a, atime, ctime := n.dir.Shown()
	return Attr{
		Ino: n.ino, Mode: a.Mode, UID: a.UID, GID: a.GID, Mtime: a.Mtime, Atime: atime, Ctime: ctime,
		Size: 4096, Blocks: 8, Nlink: 1, // as btrfs: how many directories are in it only a listing would tell
	}
}

// fileAttr is called with n locked; it leaves the number of links.
func (n *Node) fileAttr() Attr {
	size := n.content.SizeLocked()
	a := Attr{
		Ino: n.ino, Size: size, Mode: n.kind.typeBits() | n.content.Attr.Mode&^modeType, UID: n.content.Attr.UID, GID: n.content.Attr.GID,
		Mtime: n.content.Attr.Mtime, Atime: n.content.Atime, Ctime: n.content.Ctime, Blocks: (size + 511) / 512,
	}
	if a.Atime.IsZero() {
		a.Atime = a.Mtime
	}
	if a.Ctime.IsZero() {
		a.Ctime = a.Mtime
	}
	return a
}

// renamed moves the ctime of what has got another name, or none; v.mu is held.
func (n *Node) renamed(now time.Time) {
	if n.kind == Dir {
		n.dir.SetCtime(now)
		return
	}
	n.content.Lock()
	defer n.content.Unlock()
	n.content.Ctime = now
}

// SetAttr changes attributes; Size truncates. h, the handle it came through, may be nil.
func (n *Node) SetAttr(ctx context.Context, h *Handle, s SetAttr) (Attr, error) {
	switch n.kind {
	case Dir:
		return n.setDirAttr(ctx, s)
	case Tombstone:
		return Attr{}, fmt.Errorf("set attributes: %w", errMovedAlong)
	case Sidecar:
		// cp -p, rsync and tar set size and times of what they write over a
		// sidecar: it accepts that and stays as it is.
		switch {
		case s.Size == nil:
		case h == nil:
			if err := n.v.documents.Truncate(n, *s.Size); err != nil {
				return Attr{}, err
			}
		case h.document != nil:
			if err := h.document.Truncate(*s.Size); err != nil {
				return Attr{}, err
			}
		}
		return n.sidecarAttr(ctx)
	}
	if h == nil && n.Replaced() {
		return Attr{}, fmt.Errorf("set attributes: %w", ErrStale) // the kernel looks the name up again
	}
	if s.Size != nil {
		if n.kind != File {
			return Attr{}, ErrInvalid
		}
		if err := n.resize(ctx, h, *s.Size); err != nil {
			return Attr{}, err
		}
	}
	if s.Mode != nil || s.UID != nil || s.GID != nil || s.Mtime != nil || s.Atime != nil || s.Touch || s.DropSetID {
		if err := n.describe(ctx); err != nil {
			return Attr{}, err
		}
		if err := n.changeAttr(s); err != nil {
			return Attr{}, err
		}
	}
	return n.Attr(ctx)
}

// resize truncates through a handle, or by path: then no release will follow
// that commits it, so that it is committed by itself a moment later.
func (n *Node) resize(ctx context.Context, h *Handle, size int64) error {
	if h != nil {
		n.content.Lock()
		was := n.content.SizeLocked()
		n.content.Unlock()
		if err := n.truncate(ctx, h, size); err != nil {
			h.failed(min(size, was), max(size, was), err)
			return err
		}
		h.touch()
		return nil
	}
	byPath := &Handle{n: n, flags: syscall.O_WRONLY, passing: true}
	n.hold(byPath)
	defer byPath.Release()
	return n.truncate(ctx, byPath, size)
}

// apply changes a's fields as s says.
func (s SetAttr) apply(a *sidecar.Attr) {
	if s.Mode != nil {
		a.Mode = a.Mode&modeType | *s.Mode&0o7777
		acl.Chmod(a)
	}
	if s.UID != nil {
		a.UID = *s.UID
	}
	if s.GID != nil {
		a.GID = *s.GID
	}
	if s.Mtime != nil {
		a.Mtime = sidecar.ClampTime(*s.Mtime)
	}
	if s.DropSetID && a.Mode&modeType != modeDir {
		a.Mode &^= modeSetUID
		if a.Mode&modeGroupRun != 0 || !s.InGroup {
			a.Mode &^= modeSetGID
		}
	}
}
