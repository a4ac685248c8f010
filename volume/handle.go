package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"mcfs/volume/commit"
	"mcfs/volume/document"
	"mcfs/volume/file"
)

// Process identifies who opened or closes a descriptor. A nil Process is unknown.
type Process interface {
	Same(other Process) bool // same thread group and start time
	Fate() Fate
	// Holds says whether the process has a descriptor open for writing that
	// leads to a file of this inode number and name.
	Holds(ino uint64, name string) bool
}

// Fate is what is becoming of a process.
type Fate int

const (
	Alive   Fate = iota
	Exiting      // on its own
	Killed       // by a signal, or SIGKILL is pending
	Gone         // not there any more
)

// Handle is one open file. A sidecar's reads from memory, and takes writes only to judge them at close.
type Handle struct {
	n     *Node
	flags int
	by    Process

	cursor  file.Cursor
	passing bool // it is of a truncation by path: no program has it

	mu       sync.Mutex
	written  bool               // since the last flush
	done     bool               // a close has committed, or is committing, all that was written
	doneBy   Process            // whose close that was; nil: not known
	killed   bool               // its writer was killed
	document *document.Document // of a sidecar
	closed   bool
}

func newHandle(n *Node, flags int, by Process) *Handle {
	return &Handle{n: n, flags: flags, by: by, cursor: file.Cursor{Direct: flags&directFlag != 0}}
}

// Opener is who opened it; nil if that is not known.
func (h *Handle) Opener() Process { return h.by }

// Node is the file.
func (h *Handle) Node() *Node { return h.n }

func (h *Handle) readable() bool { return h.flags&syscall.O_ACCMODE != syscall.O_WRONLY }
func (h *Handle) writable() bool { return h.flags&syscall.O_ACCMODE != syscall.O_RDONLY }

// Open opens a file or sidecar with the flags of open(2), O_TRUNC honoured.
func (n *Node) Open(ctx context.Context, flags int, by Process) (*Handle, error) {
	switch n.kind {
	case Dir:
		return nil, ErrIsDir
	case Symlink:
		return nil, ErrInvalid
	}
	if n.v.isClosing() {
		return nil, ErrShutdown
	}
	if n.kind == Tombstone {
		return nil, n.openTombstone(&Handle{flags: flags})
	}
	if n.Replaced() || n.openedByOldName() {
		return nil, fmt.Errorf("open: %w", ErrStale) // the kernel looks the name up again
	}
	h := newHandle(n, flags, by)
	if a, err := n.v.openSidecarWrite(n, h); a != nil || err != nil {
		return a, err
	}
	if n.kind == Sidecar {
		return h, h.openDocument(ctx)
	}
	if n.content.PeekState() == Lost && !h.writable() {
		return nil, fmt.Errorf("open %s: its draft is in quarantine: %w", n.Path(), ErrIO)
	}
	if h.writable() {
		if err := n.checkOwnName(); err != nil {
			return nil, err
		}
	}
	trunc := flags&os.O_TRUNC != 0 && h.writable()
	if !trunc {
		if err := n.describe(ctx); err != nil {
			return nil, err
		}
	}
	n.hold(h)
	var err error
	switch {
	case trunc:
		err = n.truncate(ctx, h, 0)
	case n.content.PeekState() == Lost: // it can be emptied, as the kernel asks after an open with O_TRUNC
	case h.readable():
		if err = n.content.PrepareIfNeeded(ctx); err == nil && n.content.TurnedOut() {
			// The kernel looks the name up again; with the size that it was told it would
			// cut the content short, or give zeros behind its end.
			err = fmt.Errorf("open %s: its size has only just become known: %w", n.Path(), ErrStale)
		}
	default:
		err = n.content.Revive(ctx) // else only the first write would tell that it cannot be written
	}
	if err != nil {
		n.unhold(h)
		return nil, err
	}
	return h, nil
}

// Replaced reports whether another machine has taken the name that led here.
func (n *Node) Replaced() bool {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	return n.stale
}

// believed is for how long a kernel may take a name for that of a file which has got
// another one: longer than package fs allows it.
const believed = 2 * time.Second

// openedByOldName reports, once, whether the file may be opened by the name that it had
// before a conflict, where the other machine's version is meant.
func (n *Node) openedByOldName() bool {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	until := n.misled
	n.misled = time.Time{}
	return time.Now().Before(until)
}

func (v *Volume) isClosing() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.closing
}

// hold and unhold count the handles.
func (n *Node) hold(h *Handle) {
	n.content.Lock()
	n.content.Opens++
	if h.writable() {
		n.content.Writers++
	}
	n.content.EndGraceLocked()
	n.content.Unlock()
	n.v.unidle(n)
	if h.writable() && !h.passing {
		n.v.writers.Add(h)
	}
}

func (n *Node) unhold(h *Handle) {
	n.content.Lock()
	n.content.Opens--
	if h.writable() {
		if n.content.Writers--; n.content.Writers == 0 {
			n.content.Quiet = time.Now()
			n.content.ForgetFlawsLocked()
			n.content.EndControlLocked()
		}
	}
	n.content.BeginGraceLocked()
	last := n.content.Opens == 0
	n.content.Unlock()
	n.v.writers.Remove(h)
	if last {
		n.v.toIdle(n)
	}
}

// ReadAt fills p from off: io.EOF at the end as io.ReaderAt.
func (h *Handle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if h.document != nil {
		return h.document.ReadAt(p, off)
	}
	k, err := h.n.content.Read(ctx, &h.cursor, p, off)
	h.n.v.read.Add(int64(k))
	return k, err
}

// WriteAt stores p at off, as io.WriterAt: what a full spool has taken of it is stored.
func (h *Handle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if !h.writable() {
		return 0, ErrReadOnly
	}
	if h.document != nil {
		return h.document.WriteAt(p, off)
	}
	h.mu.Lock()
	h.written, h.killed, h.done = true, false, false
	h.mu.Unlock()
	k, err := h.n.write(ctx, p, off)
	if err != nil {
		h.failed(off+int64(k), off+int64(len(p)), err)
	} else if off == 0 && h.n.misplaced(p) {
		return 0, fmt.Errorf("%s is reserved for the settings of its file: %w", h.n.Path(), ErrPermission)
	}
	return k, err
}

// Flush is each close(2) of a descriptor. It commits what this handle wrote, if
// by is who opened it (or the opener is unknown or dead), and waits for the
// commit: until it is done, no byte has moved for CloseTimeout, or ctx ends. A
// process that still has a duplicate of the descriptor has not finished the file:
// a shell closes duplicates all the time. Until it closes the last one, what is
// written is safe in the spool. A file of which a write failed is not committed, and
// each close of one who wrote tells that failure, until it is made good.
func (h *Handle) Flush(ctx context.Context, by Process) error {
	if h.document != nil {
		return h.judge(ctx)
	}
	n := h.n
	if n.v.isNameless(n) {
		return n.content.PeekFlaws() // what is written stays to be committed by the close after it has got a name
	}
	if !h.takeWritten(by) {
		return nil
	}
	n.v.noteControl(n)
	if by != nil && by.Fate() == Killed {
		h.markKilled()
		n.commit.Interrupt(file.EvKill)
		n.v.background(func() { n.v.hideControl(n) }) // its writer must not be kept from ending
		return nil
	}
	if h.isDuplicated(by) {
		h.touch()
		kept := n.content.KeepFast()
		return cmp.Or(n.content.PeekFlaws(), kept)
	}
	h.markDone(by)
	err := n.commitNow(ctx)
	if errors.Is(err, ErrInterrupted) {
		h.markKilled()
		n.commit.Abandon()
	}
	return err
}

func (h *Handle) markKilled() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.killed = true
}

// isDuplicated reports whether the process that closes a descriptor has another one
// of this handle. A second opening looks the same from outside, so that it can
// be told only where the process can have no descriptor of another handle.
func (h *Handle) isDuplicated(by Process) bool {
	n := h.n
	if by == nil {
		return false
	}
	over := h.othersClosedBy(by) // before they are counted: each may be released at any moment
	n.content.Lock()
	alone := n.content.Writers <= 1+over && n.content.State != Lost && n.content.State != Local && n.content.State != Temporary
	n.content.Unlock()
	return alone && by.Holds(n.ino, n.baseName())
}

// othersClosedBy returns how many other handles of the file the process has closed the last
// descriptor of that it had. The kernel may release them much later.
func (h *Handle) othersClosedBy(by Process) (count int) {
	for _, other := range h.n.v.writers.Open() {
		if other != h && other.n == h.n && other.isDoneBy(by) {
			count++
		}
	}
	return count
}

// takeWritten reports whether this flush is the one that commits.
func (h *Handle) takeWritten(by Process) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.written {
		return false
	}
	if by != nil && h.by != nil && !h.by.Same(by) {
		if fate := h.by.Fate(); fate == Alive {
			return false // a child's copy of the descriptor: the opener's own close is still to come
		}
	}
	h.written = false
	return true
}

// Fsync makes the draft, its map and its journal entry durable in the spool, and
// attributes that are to be written soon.
func (h *Handle) Fsync(ctx context.Context) error {
	if h.document != nil {
		return nil
	}
	if err := h.n.content.Keep(file.Fsynced); err != nil {
		return err
	}
	h.n.noteSynced()
	return h.n.v.flushJournal()
}

// Fsync is that of a directory: names are durable before they are true, and only
// attributes may not be yet.
func (n *Node) Fsync() error { return n.v.flushJournal() }

func (v *Volume) flushJournal() error {
	if err := v.spool.Journal().Flush(); err != nil {
		return file.FromSpool(fmt.Errorf("fsync: %w", err))
	}
	return nil
}

// Release is the end of the handle; it only queues work.
func (h *Handle) Release() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.closed = true
	killed := h.killed
	h.mu.Unlock()
	if h.document != nil {
		h.document.Wipe()
		h.n.v.documents.Drop(h.n, h.document)
		return
	}
	n := h.n
	if wait := h.cursor.Close(); wait != nil {
		n.v.background(wait)
	}
	if !killed && h.writable() && n.holdUnfinished() { // not a byte had come, and no close has held it back
		n.commit.KeepInterrupted()
		n.v.background(func() { n.v.hideControl(n) })
	}
	n.unhold(h)
	if !killed && n.content.IsUnasked() {
		n.v.background(func() { n.v.afterRelease(n) })
	}
}

// afterRelease commits, a moment later, what the last writer left: a truncation alone, or
// writes through a map. The moment lets a shell's child open the file it inherited.
func (v *Volume) afterRelease(n *Node) {
	select {
	case <-time.After(releaseDelay):
	case <-v.ctx.Done():
		return
	}
	v.mu.Lock()
	gone := n.gone
	v.mu.Unlock()
	if gone || !n.content.IsUnasked() {
		return
	}
	if n.content.WantAll() { // which the journal is to know: else a crash would leave it as a killed writer's
		if err := n.content.KeepFast(); err != nil {
			v.log.Warn("a file that was closed is not safe before its commit", "path", n.Path(), "cause", err)
		}
	}
	n.commit.Ask(commit.Itself)
}
