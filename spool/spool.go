package spool

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
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

// ID is the random name of a sealed file.
type ID [16]byte

// String returns the file name: 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns what String returns.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses what MarshalText returns.
func (id *ID) UnmarshalText(b []byte) error {
	got, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = got
	return nil
}

// ParseID parses 32 lower-case hexadecimal digits.
func ParseID(s string) (id ID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != s {
		return id, fmt.Errorf("parse id %q: want 32 hexadecimal digits", s)
	}
	return ID(b), nil
}

// NewID returns a random id.
func NewID() (id ID) {
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
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
	journal *Journal
	rebuilt bool

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

func (s *Spool) openJournal() error {
	path := filepath.Join(s.dir, journalName)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) && len(s.quota.files) > 0 {
		s.log.Error("the journal is gone although there are sealed files: a new one is begun", "path", path)
		s.rebuilt = true
	}
	j, err := openJournal(path, s.log)
	if errors.Is(err, ErrCorrupt) {
		s.log.Error("the journal is corrupt: moved to quarantine, a new one is begun", "path", path, "err", err)
		if err := s.moveToQuarantine([]string{journalName}, Entry{}, err.Error(), func(string, string) {}); err != nil {
			return err
		}
		s.rebuilt = true
		j, err = openJournal(path, s.log)
	}
	if err != nil {
		return err
	}
	s.journal = j
	if j.doubted {
		s.log.Error("the journal is damaged, and something may be missing from it: sealed files that it does not name are brought back", "path", path)
		s.rebuilt = true
	}
	if err := s.noteRebuilt(); err != nil {
		return errors.Join(err, j.close())
	}
	return nil
}

// settingRebuilt is set from the loss of a journal until everything is brought back. After
// a crash in between, files that the new journal does not know must not be deleted.
const settingRebuilt = "rebuilt"

func (s *Spool) noteRebuilt() error {
	if s.rebuilt {
		return s.journal.Update(func(tx *Tx) error { return tx.PutSetting(settingRebuilt, []byte{1}) })
	}
	v, err := s.journal.Setting(settingRebuilt)
	s.rebuilt = v != nil
	return err
}

// Recovered records that the caller has dealt with everything that the journal had lost.
// In the next mount Rebuilt is false and Unreadable empty.
func (s *Spool) Recovered() error {
	ids, others, err := s.journal.Unreadable()
	if err != nil || !s.rebuilt && !others && len(ids) == 0 {
		return err
	}
	return s.journal.Update(func(tx *Tx) error {
		return errors.Join(tx.PutSetting(settingRebuilt, nil), tx.settleUnreadable())
	})
}

// MetadataCache returns the path of a file beside the journal that the spool does not use.
// It is for what may be lost.
func (s *Spool) MetadataCache() string { return s.path(metadataName) }

// Journal returns the spool's journal, which is open until Close.
func (s *Spool) Journal() *Journal { return s.journal }

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
	return errors.Join(s.journal.close(), s.lock.Close())
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
