package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrReinstated is returned if the sealed file is in the spool already.
var ErrReinstated = errors.New("it is in the spool already: it was restored before")

// Reinstate brings a sealed file back from quarantine, under its own id, to be loaded and
// journaled. It is in both places until q.Remove, so that a crash in between loses nothing
// and Reinstate can be called again.
func (s *Spool) Reinstate(q Quarantined) (ID, error) {
	id, err := q.sealedID()
	if err != nil {
		return id, err
	}
	if err := s.claim(id); err != nil {
		return id, fmt.Errorf("restore %s: %w", q.ID, ErrReinstated)
	}
	defer s.unclaim(id)
	name := s.path(id.String())
	for _, suffix := range []string{mapSuffix, ""} { // the next Open deletes a map without a data file
		if err := reinstate(q.File+suffix, name+suffix); err != nil {
			return id, fmt.Errorf("restore %s: %w", q.ID, err)
		}
	}
	s.quota.set(id, diskBytes(name)+diskBytes(name+mapSuffix))
	return id, s.sys.syncDir("dir.sync", s.dir)
}

// reinstate gives a file a second name. It is no error if the file has it already.
func reinstate(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a file without a map has none
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	a, errA := os.Lstat(from)
	b, errB := os.Lstat(to)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !os.SameFile(a, b) {
		return ErrReinstated
	}
	return nil
}
