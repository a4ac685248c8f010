package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mcfs/journal"
)

// The journal's types, for who works with both.
type (
	ID      = journal.ID
	Journal = journal.Journal
	Tx      = journal.Tx
	Entry   = journal.Entry
	Change  = journal.Change
	Upload  = journal.Upload
)

// NewID returns a random id.
func NewID() ID { return journal.NewID() }

// ParseID parses 32 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) { return journal.ParseID(s) }

// journalDisk is the system as the journal calls it.
type journalDisk struct{ sys system }

func (d journalDisk) Open(path string, flag int) (*os.File, error) {
	return d.sys.open("journal.open", path, flag)
}

func (d journalDisk) Write(f *os.File, b []byte, off int64) error {
	_, err := d.sys.pwrite("journal.write", f, b, off)
	return err
}

func (d journalDisk) Sync(f *os.File) error        { return d.sys.sync("journal.sync", f) }
func (d journalDisk) Rename(from, to string) error { return d.sys.rename("journal.rename", from, to) }
func (d journalDisk) Remove(path string) error     { return d.sys.remove("journal.remove", path) }
func (d journalDisk) SyncDir(dir string) error     { return d.sys.syncDir("journal.syncdir", dir) }

func (s *Spool) journalOptions(lost bool) journal.Options {
	return journal.Options{
		Dir: s.path(journalName), Old: s.path(oldJournalName), Lost: lost,
		Disk: journalDisk{s.sys}, Log: s.log, Keep: s.keepJournal,
	}
}

// openJournal opens the journal, or begins one if there is none, or none that can be read.
func (s *Spool) openJournal() error {
	if err := s.checkJournal(); err != nil {
		return err
	}
	sealed := len(s.quota.files) > 0
	log := filepath.Join(journalName, journal.Log)
	if sealed && !s.exists(log) && !s.exists(oldJournalName) {
		s.log.Error("the journal is gone although there are sealed files: a new one is begun", "path", s.path(log))
	}
	j, err := journal.Open(s.journalOptions(sealed))
	if errors.Is(err, journal.ErrCorrupt) {
		s.log.Error("the journal is corrupt: moved to quarantine, a new one is begun", "err", err)
		names := []string{log, oldJournalName}
		if !s.exists(log) {
			names = names[1:]
		}
		if err := s.moveToQuarantine(names, Entry{}, err.Error(), func(string, string) {}); err != nil {
			return err
		}
		j, err = journal.Open(s.journalOptions(true))
	}
	if errors.Is(err, journal.ErrLocked) {
		err = fmt.Errorf("%w: %w", ErrLocked, err)
	}
	if err != nil {
		return err
	}
	s.journal, s.rebuilt = j, j.Rebuilt()
	if s.rebuilt {
		s.log.Error("something may be missing from the journal: sealed files that it does not name are brought back")
	}
	return nil
}

// checkJournal refuses files of the journal that another user could read or replace.
func (s *Spool) checkJournal() error {
	for _, name := range journal.Files() {
		if err := checkMode(s.path(filepath.Join(journalName, name)), false); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s *Spool) exists(name string) bool {
	_, err := os.Lstat(s.path(name))
	return err == nil
}

// keepJournal gives a damaged file of the journal a second name in quarantine, with a note.
func (s *Spool) keepJournal(path, why string) error {
	name, err := filepath.Rel(s.dir, path)
	if err != nil {
		return err
	}
	prefix, err := s.noteInQuarantine([]string{name}, Entry{}, why)
	if err != nil {
		return err
	}
	if err := os.Link(path, prefix+quarantineID(name)); err != nil {
		return err
	}
	return s.sys.syncDir("quarantine.sync", filepath.Dir(prefix))
}

// Recovered records that the caller has dealt with everything that the journal had lost.
// In the next mount Rebuilt is false and Unreadable empty.
func (s *Spool) Recovered() error { return s.journal.Recovered() }
