package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Names within the folder, beside HEXID and HEXID.map.
const (
	lockName       = "lock"
	journalName    = "journal"    // a folder, which older programs refuse
	oldJournalName = "journal.db" // an older program's
	metadataName   = "metadata.db"
	quarantineName = "quarantine"
	mapSuffix      = ".map"
	tmpSuffix      = ".tmp"
	goneSuffix     = ".gone"
	noteSuffix     = ".txt"
)

// openFolder makes, checks and locks the folder, and counts what is in it.
func (s *Spool) openFolder() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := checkMode(s.dir, true); err != nil {
		return err
	}
	lock, err := lockFolder(s.path(lockName))
	if err != nil {
		return err
	}
	s.lock = lock
	if err := s.scan(); err != nil {
		lock.Close()
		return err
	}
	return nil
}

// checkMode refuses a file or folder that another user could read or replace. Its error
// names the cure.
func checkMode(path string, dir bool) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	switch {
	case fi.IsDir() != dir || !dir && !fi.Mode().IsRegular():
		return fmt.Errorf("%w: %s is a %s", ErrLoose, path, fi.Mode().Type())
	case fi.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%w: %s has mode %04o; run: chmod go-rwx %s", ErrLoose, path, fi.Mode().Perm(), path)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d; run: chown %d %s", ErrLoose, path, st.Uid, os.Geteuid(), path)
	}
	return nil
}

// lockFolder takes an flock, which lasts until the file is closed. The process id in it is
// only for people.
func lockFolder(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		b := make([]byte, 32)
		n, _ := f.ReadAt(b, 0)
		return nil, fmt.Errorf("%w: process %s holds %s", ErrLocked, strings.TrimSpace(string(b[:n])), path)
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), writeAll(f, pid)); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return f, nil
}

func writeAll(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// scan checks the mode of every file and counts the disk space of the sealed ones. It
// deletes what a kill leaves behind: halves of compactions, whose originals are still
// there, maps without a data file, and files that were removed while they were read.
func (s *Spool) scan() error {
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	there := make(map[string]bool)
	for _, e := range list {
		there[e.Name()] = true
	}
	for _, e := range list {
		path := s.path(e.Name())
		if err := checkMode(path, e.Name() == quarantineName || e.Name() == journalName); err != nil {
			return err
		}
		name, isMap := strings.CutSuffix(e.Name(), mapSuffix)
		id, err := ParseID(name)
		if strings.HasSuffix(e.Name(), mapSuffix+tmpSuffix) || strings.HasSuffix(e.Name(), goneSuffix) || isMap && err == nil && !there[name] {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			continue // the lock, the journal, the metadata
		}
		s.quota.set(id, s.quota.of(id)+diskBytes(path))
	}
	return nil
}

// diskBytes returns what a file occupies on disk; 0 if that is not known. POSIX counts in
// units of 512 bytes on both systems.
func diskBytes(path string) int64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	return int64(st.Blocks) * 512
}

// Headers returns the header of every sealed file in the folder, with Path left empty. A
// file whose header does not parse is quarantined and logged if promised returns true for
// it. Else a kill came while it was made, and its Header is all zeros but for the ID.
func (s *Spool) Headers(promised func(ID) bool) ([]Header, error) {
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list spool: %w", err)
	}
	var out []Header
	for _, e := range list {
		id, err := ParseID(e.Name())
		if err != nil {
			continue
		}
		h, err := s.readHeader(id)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed since it was listed
		case errors.Is(err, ErrCorrupt) && promised(id) && !s.Nothing(id):
			if err := s.Quarantine(id, err.Error()); err != nil {
				return nil, err
			}
		case errors.Is(err, ErrCorrupt):
			out = append(out, Header{ID: id})
		case err != nil:
			return nil, err
		default:
			out = append(out, h)
		}
	}
	return out, nil
}

// Nothing reports whether a sealed file does not exist or is empty.
func (s *Spool) Nothing(id ID) bool {
	info, err := os.Lstat(s.path(id.String()))
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

func (s *Spool) readHeader(id ID) (Header, error) {
	f, err := s.descriptors.openAt("data", s.path(id.String()), false)
	if err != nil {
		return Header{}, err
	}
	defer f.close()
	h, err := loadHeader(f, id)
	h.sealedPath = nil
	return h.Header, err
}

// moveToQuarantine moves those of the names that exist, under a new prefix, so that
// nothing in quarantine is replaced. e is what is known of them; moved is told where each
// has gone.
func (s *Spool) moveToQuarantine(names []string, e Entry, why string, moved func(from, to string)) error {
	prefix, err := s.noteInQuarantine(names, e, why)
	if err != nil {
		return err
	}
	for _, name := range names {
		from, to := s.path(name), prefix+quarantineID(name)
		err := s.sys.rename("quarantine.rename", from, to)
		if err == nil {
			moved(from, to)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(s.sys.syncDir("quarantine.sync", filepath.Dir(prefix)), s.sys.syncDir("dir.sync", s.dir))
}

// noteInQuarantine makes the note for the names and returns what their paths begin with.
func (s *Spool) noteInQuarantine(names []string, e Entry, why string) (prefix string, err error) {
	dir := s.path(quarantineName)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	now := time.Now().UTC()
	prefix = filepath.Join(dir, now.Format("20060102T150405.000000000Z")+"-")
	text := note(names, e, now, why)
	return prefix, os.WriteFile(prefix+quarantineID(names[0])+noteSuffix, []byte(text), 0o600)
}

// quarantineID is how a name ends there: without folders.
func quarantineID(name string) string {
	return strings.ReplaceAll(name, string(filepath.Separator), "-")
}

// claim reserves an id for a file that is being opened or removed.
func (s *Spool) claim(id ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.open[id]; ok {
		return errors.New("the sealed file is open")
	}
	s.open[id] = nil
	return nil
}

func (s *Spool) unclaim(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

func (s *Spool) register(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[f.id] = f
}
