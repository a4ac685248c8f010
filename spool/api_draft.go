// Package spool is the local folder of sealed files: drafts that are not yet in
// the store, and cached blocks of versions that are; and the journal of both.
//
// It promises: no plaintext ever reaches the disk; a block that a sync or a
// frozen view refers to is never overwritten in place; what Sync and a durable
// journal transaction returned for survives kill -9 and power loss; what is
// corrupt is quarantined, never deleted. It imports crypt and sidecar (for
// attributes only), and knows nothing of stores, keepers or FUSE.
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mcfs/sidecar"
)

var (
	// ErrLocked: another mount uses the folder.
	ErrLocked = errors.New("spool is in use by another mount")
	// ErrFull: the quota or the disk is full, and nothing more can be reclaimed.
	ErrFull = errors.New("spool is full")
	// ErrCorrupt: sealed data does not authenticate, or a map or journal entry does not parse.
	ErrCorrupt = errors.New("spool data is corrupt")
	// ErrLoose: the folder or a file in it may be read by others.
	ErrLoose = errors.New("spool permissions are too loose")
)

// AbsentError says that a read or a partial write met blocks whose bytes are
// not in the spool: they are the base version's (fetch, then Fill), or were dropped.
type AbsentError struct{ Offset, Length int64 }

func (e *AbsentError) Error() string {
	return fmt.Sprintf("bytes %d+%d are not in the spool", e.Offset, e.Length)
}

// ID names a sealed file: random, 16 bytes, hex as its file name.
type ID [16]byte

// Options of a spool.
type Options struct {
	Dir     string // created 0700 if missing; refused if looser
	MaxSize int64  // bytes on disk, a hard bound
	Log     *slog.Logger
}

// Spool is an open folder, locked for this process.
type Spool struct{}

// Open locks the folder and opens its journal; a corrupt journal is moved to
// quarantine and a new one begun (Rebuilt then reports true).
func Open(o Options) (*Spool, error) { panic("draft") }

func (s *Spool) Journal() *Journal { panic("draft") }

// Rebuilt says that the journal was lost: the caller rebuilds it from Headers.
func (s *Spool) Rebuilt() bool { panic("draft") }

// Usage is bytes on disk now, and the quota.
func (s *Spool) Usage() (used, max int64) { panic("draft") }

// Close closes the journal and unlocks. Open files must be closed before.
func (s *Spool) Close() error { panic("draft") }

// Header is what a sealed file begins with, so that a lost journal can be
// rebuilt: the wrapped data key in clear, the path sealed.
type Header struct {
	ID      ID
	Wrapped []byte // the data key from which the sealing key is derived, wrapped
	KeyID   string
	Path    string // sealed on disk; empty when read by Headers (see File.Path)
}

// Headers reads the header of every sealed file in the folder (Path left empty).
// A file whose header does not parse is quarantined and reported by the log.
func (s *Spool) Headers() ([]Header, error) { panic("draft") }

// NewID draws a random id.
func NewID() ID { panic("draft") }

// Create makes an empty sealed file. dataKey is not kept (the sealing key is derived).
func (s *Spool) Create(h Header, dataKey []byte) (*File, error) { panic("draft") }

// Load opens a sealed file as its last Sync left it. ErrCorrupt: the file has been quarantined.
func (s *Spool) Load(id ID, dataKey []byte) (*File, error) { panic("draft") }

// Quarantine moves a sealed file (closed or not) to the quarantine folder, with a note of why.
func (s *Spool) Quarantine(id ID, why string) error { panic("draft") }

// Remove deletes a sealed file that nobody has open.
func (s *Spool) Remove(id ID) error { panic("draft") }

// File is one sealed file: a sparse array of 64 KiB blocks, each a hole (zeros),
// stored, or absent. Methods may be called by several goroutines at once;
// a ReadAt sees a WriteAt that returned before it began. Some recently written
// blocks may be held in memory (a bounded number over all files) until they are
// whole, evicted, frozen or synced.
type File struct{}

func (f *File) ID() ID       { panic("draft") }
func (f *File) Path() string { panic("draft") } // from the header; may be out of date
func (f *File) Size() int64  { panic("draft") }

// Allocated is bytes on disk.
func (f *File) Allocated() int64 { panic("draft") }

// ReadAt fills p from off; io.EOF at the end as io.ReaderAt; *AbsentError if
// any byte wanted is absent (the bytes before it are not promised).
func (f *File) ReadAt(p []byte, off int64) (int, error) { panic("draft") }

// WriteAt stores p at off, growing the file (a hole between). *AbsentError if
// only part of an absent block would be written: Fill that block first, then
// write again. All or nothing, but for ErrFull, where n says how much.
func (f *File) WriteAt(p []byte, off int64) (int, error) { panic("draft") }

// Truncate sets the size; growth is a hole; a cut block is zeroed beyond the cut.
func (f *File) Truncate(size int64) error { panic("draft") }

// PunchHole makes a range read as zeros; the size stays. A partial absent block: *AbsentError.
func (f *File) PunchHole(off, n int64) error { panic("draft") }

// SetBase makes an empty file of size bytes, all absent: a version that is in the store.
func (f *File) SetBase(size int64) error { panic("draft") }

// Fill stores fetched bytes of the base into blocks that are still absent and
// leaves all others alone. off and the end of p are block boundaries, or the end of the file.
func (f *File) Fill(p []byte, off int64) error { panic("draft") }

// Absent finds the first absent range at or after off; ok is false if none.
func (f *File) Absent(off int64) (start, n int64, ok bool) { panic("draft") }

// Data and Hole are lseek's SEEK_DATA and SEEK_HOLE (absent counts as data); Data: ok false if none follows.
func (f *File) Data(off int64) (at int64, ok bool) { panic("draft") }
func (f *File) Hole(off int64) (at int64)          { panic("draft") }

// SetEvictable marks a range of whole blocks whose bytes are elsewhere too (a
// clean cache, sent parts): under the quota's pressure the spool makes them
// absent, files least recently used first. Writing into the range clears the mark there.
// n of -1: to the end, whatever its size.
func (f *File) SetEvictable(off, n int64) { panic("draft") }
func (f *File) ClearEvictable()           { panic("draft") }

// Freeze gives an immutable view of [off, off+n) as of now, at a cost in
// proportion to n; n of -1: to the end. Later writes take other slots.
func (f *File) Freeze(off, n int64) (*Frozen, error) { panic("draft") }

// Sync makes blocks, map and size durable (fdatasync). fast skips the fsyncs: enough for kill -9, not for power loss.
func (f *File) Sync(fast bool) error { panic("draft") }

// Close lets go of the descriptor and memory without syncing. The file stays.
func (f *File) Close() error { panic("draft") }

// Frozen is an immutable view. Offsets are the file's. Safe for concurrent reads.
type Frozen struct{}

func (z *Frozen) Size() int64                                { panic("draft") } // the file's, at the freeze
func (z *Frozen) ReadAt(p []byte, off int64) (int, error)    { panic("draft") }
func (z *Frozen) Absent(off int64) (start, n int64, ok bool) { panic("draft") }
func (z *Frozen) Release()                                   { panic("draft") }

// Journal is the durable memory of a volume: entries (one per sealed file that
// matters after a restart) and the queue of name changes. JSON values in bbolt.
type Journal struct{}

// Entry is what the journal knows of a sealed file.
type Entry struct {
	ID      ID           `json:"id"`
	Path    string       `json:"path"` // in the volume, no leading slash
	State   string       `json:"state"`
	Wrapped []byte       `json:"wrapped"` // sealing data key
	KeyID   string       `json:"key_id"`
	Size    int64        `json:"size"`
	Attr    sidecar.Attr `json:"attr"`
	Updated time.Time    `json:"updated"`
	Reason  string       `json:"reason,omitempty"` // of the last failure, for people
	Data    []byte       `json:"data,omitempty"`   // the volume's own, opaque here
}

// Change is one queued change of names.
type Change struct {
	Seq  uint64 `json:"seq"` // assigned by Add, ascending, never used again
	Op   string `json:"op"`
	Path string `json:"path"`
	To   string `json:"to,omitempty"`
	Data []byte `json:"data,omitempty"` // the volume's own, opaque here
}

// Tx is one transaction.
type Tx struct{}

func (t *Tx) PutEntry(e Entry) error                 { panic("draft") }
func (t *Tx) DeleteEntry(id ID) error                { panic("draft") }
func (t *Tx) AddChange(c Change) (uint64, error)     { panic("draft") }
func (t *Tx) PutChange(c Change) error               { panic("draft") } // replaces by Seq
func (t *Tx) DeleteChange(seq uint64) error          { panic("draft") }
func (t *Tx) PutSetting(name string, v []byte) error { panic("draft") }

// Update runs f in a transaction that is durable when it returns; concurrent
// calls share one (so f may run more than once: it must be repeatable).
func (j *Journal) Update(f func(*Tx) error) error { panic("draft") }

// Later runs f in a transaction soon (within 100 ms, in order, before any Update
// that comes after it): for what may be lost by a crash. Close and Update run what is pending.
func (j *Journal) Later(f func(*Tx) error) { panic("draft") }

// Entries and Changes read everything (changes in order of Seq). A value that
// does not parse is moved to a bucket of its own, reported, and left out.
func (j *Journal) Entries() ([]Entry, error)           { panic("draft") }
func (j *Journal) Changes() ([]Change, error)          { panic("draft") }
func (j *Journal) Setting(name string) ([]byte, error) { panic("draft") } // nil if none
