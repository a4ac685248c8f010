package spool

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"mcfs/journal"
)

var (
	// ErrLocked is returned if another mount uses the folder.
	ErrLocked = errors.New("spool is in use by another mount")
	// ErrFull is returned if the quota or the disk is full, and nothing more can be dropped.
	ErrFull = errors.New("spool is full")
	// ErrCorrupt is returned if sealed data does not authenticate, or a map or journal entry
	// does not parse.
	ErrCorrupt = errors.New("spool data is corrupt")
	// ErrLoose is returned if others may read the folder or a file in it.
	ErrLoose = errors.New("spool permissions are too loose")
)

// AbsentError is returned for a read or a partial write of blocks whose bytes only the base
// has. The caller fetches them, calls Fill, and tries again. Offset is a block boundary,
// and so is the end unless the base ends there.
type AbsentError struct{ Offset, Length int64 }

func (e *AbsentError) Error() string {
	return fmt.Sprintf("bytes %d+%d are not in the spool", e.Offset, e.Length)
}

// Options of a spool.
type Options struct {
	Dir     string // created 0700 if missing; refused if looser
	MaxSize int64  // bytes on disk, a hard bound; at least MinSize
	// Descriptors bounds how many sealed files are open at once; 0: half of what the process may have open.
	Descriptors int
	Log         *slog.Logger
}

// MinSize is the smallest quota, in bytes, with which a spool can work.
const MinSize = 1 << 20

// Spool is an open folder, locked for this process.
type Spool struct {
	dir     string
	log     *slog.Logger
	sys     system
	boot    [16]byte // of this boot of the machine
	lock    *os.File
	journal *journal.Journal
	rebuilt bool // as it was when the spool was opened

	quota       quota
	reclaiming  sync.Mutex // one goroutine at a time looks for space
	dirty       dirtyList
	descriptors descriptors
	clock       atomic.Int64 // ticks at each use of a file

	mu        sync.Mutex
	open      map[ID]*File   // nil while one is being opened
	lingering map[ID][]*File // closed, and still read by frozen views
}

// Open locks the folder and opens its journal. A corrupt journal is moved to quarantine and
// a new one begun; a new one is begun, too, if there is none beside sealed files. Rebuilt
// then returns true, until Recovered is called.
func Open(o Options) (*Spool, error) { return openWith(o, realSystem{}) }

func openWith(o Options, sys system) (*Spool, error) {
	if o.MaxSize < MinSize {
		return nil, fmt.Errorf("open spool %s: max_size %d is less than %d bytes", o.Dir, o.MaxSize, MinSize)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, err)
	}
	s := &Spool{dir: dir, log: o.Log, sys: sys, boot: bootID(), open: map[ID]*File{}, lingering: map[ID][]*File{}}
	s.descriptors = descriptors{sys: sys, max: cmp.Or(o.Descriptors, defaultDescriptors())}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.quota = quota{max: o.MaxSize, files: map[ID]int64{}, free: func() (int64, error) { return sys.free(dir) }}
	s.dirty.max = maxDirty
	if err := s.openFolder(); err != nil {
		return nil, fmt.Errorf("open spool %s: %w", dir, err)
	}
	if err := s.openJournal(); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("open spool %s: %w", dir, err)
	}
	return s, nil
}

// MetadataCache returns the path of a file beside the journal that the spool does not use.
// It is for what may be lost.
func (s *Spool) MetadataCache() string { return s.path(metadataName) }

// Journal returns the spool's journal, which is open until Close.
func (s *Spool) Journal() *journal.Journal { return s.journal }

// Rebuilt reports whether the journal, or a part of it, was lost since the last call of
// Recovered, in this mount or an earlier one. The caller rebuilds it from Headers.
func (s *Spool) Rebuilt() bool { return s.rebuilt }

// Boot returns an id of this boot of the machine.
func (s *Spool) Boot() string { return hex.EncodeToString(s.boot[:]) }

// ThisBoot returns what Boot will return for a spool that is opened now.
func ThisBoot() string {
	id := bootID()
	return hex.EncodeToString(id[:])
}

// Usage returns the bytes on disk now, and the quota. Journal and quarantine do not count.
func (s *Spool) Usage() (used, max int64) { return s.quota.usage() }

// Close closes the journal and unlocks. Open files must be closed before.
func (s *Spool) Close() error {
	s.mu.Lock()
	n := len(s.open)
	s.mu.Unlock()
	if n > 0 {
		return fmt.Errorf("close spool %s: %d files are still open", s.dir, n)
	}
	return errors.Join(s.journal.Close(), s.lock.Close())
}

// files returns the open files, the least recently used one first.
func (s *Spool) files() []*File {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*File, 0, len(s.open))
	for _, f := range s.open {
		if f != nil {
			list = append(list, f)
		}
	}
	// Each tick is read once, since they change during the sort.
	at := make(map[*File]int64, len(list))
	for _, f := range list {
		at[f] = f.lastUse.Load()
	}
	slices.SortFunc(list, func(a, b *File) int { return int(min(max(at[a]-at[b], -1), 1)) })
	return list
}

func (s *Spool) path(name string) string { return filepath.Join(s.dir, name) }
