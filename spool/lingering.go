package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Frozen views can still read a sealed file that was closed, and may have to open it again
// for that. So until the last view is released its name must lead to it.

// linger remembers a closed file that views still read. f.mu is held.
func (s *Spool) linger(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lingering[f.id] = append(s.lingering[f.id], f)
}

// unlinger forgets such a file, and deletes it if it was removed meanwhile and no other
// view reads it. f.mu is held.
func (s *Spool) unlinger(f *File) error {
	s.mu.Lock()
	left := slices.DeleteFunc(s.lingering[f.id], func(g *File) bool { return g == f })
	s.lingering[f.id] = left
	if len(left) == 0 {
		delete(s.lingering, f.id)
	}
	s.mu.Unlock()
	if !f.removed || len(left) > 0 {
		return nil
	}
	if err := s.sys.remove("data.remove", s.path(f.id.String()+goneSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", f.id, err) // the next Open does it
	}
	return nil
}

func (s *Spool) lingerers(id ID) []*File {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lingering[id])
}

// Remove deletes a sealed file that is not open. If there is none, that is no error.
// Frozen views of it can be read until they are released.
func (s *Spool) Remove(id ID) error {
	if err := s.claim(id); err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	defer s.unclaim(id)
	name := s.path(id.String())
	for _, f := range s.lingerers(id) {
		if err := f.setAside(name, name+goneSuffix); err != nil {
			return fmt.Errorf("remove %s: %w", id, err)
		}
	}
	for _, path := range []string{name, name + mapSuffix} {
		if err := s.sys.remove("data.remove", path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", id, err)
		}
	}
	s.quota.set(id, 0)
	return nil
}

// setAside renames a file that views still read to a name under which no mount finds it.
func (f *File) setAside(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pins == 0 {
		return nil // nobody reads it any more
	}
	f.removed = true
	f.data.opening.Lock()
	defer f.data.opening.Unlock()
	if f.data.path != from { // in quarantine
		return nil
	}
	err := f.s.sys.rename("data.aside", from, to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // another that shares the file has done it
		return err
	}
	f.data.path = to
	return nil
}

// Quarantine moves a sealed file to the quarantine folder, with a note of what it is and
// why. One that is open is synced first, so that all of it can be read there, and is of no
// use afterwards.
func (s *Spool) Quarantine(id ID, why string) error {
	s.mu.Lock()
	f := s.open[id]
	s.mu.Unlock()
	e := s.known(id, f)
	if f != nil {
		if err := f.Sync(false); err != nil {
			s.log.Warn("what was written last may be missing in quarantine", "id", id.String(), "err", err)
		}
	}
	var read []*descriptor // of f and of views, which are told the new place
	if f != nil {
		f.syncing.Lock()
		defer f.syncing.Unlock()
		f.moved = true
		read = append(read, f.data)
		if f.maplog.file != nil {
			read = append(read, f.maplog.file)
		}
	}
	for _, g := range s.lingerers(id) {
		if g != f {
			read = append(read, g.data)
		}
	}
	name := id.String()
	if err := s.moveRead(read, []string{name, name + mapSuffix}, e, why); err != nil {
		return fmt.Errorf("quarantine %s: %w", id, err)
	}
	if f == nil {
		s.quota.set(id, 0)
	}
	s.log.Error("a sealed file was moved to quarantine", "id", id.String(), "why", why)
	return nil
}

// known returns what the journal, or else the open file, knows of a sealed file.
func (s *Spool) known(id ID, f *File) Entry {
	e, ok := s.journal.Look(id)
	switch {
	case ok && len(e.Wrapped) > 0:
		return e
	case f == nil:
		return e
	case !ok:
		e = Entry{ID: id, Path: f.header.Path, Size: f.Size()}
	}
	e.Wrapped, e.KeyID = f.header.Wrapped, f.header.KeyID
	return e
}

// moveRead is moveToQuarantine for files that are read meanwhile and afterwards.
func (s *Spool) moveRead(read []*descriptor, names []string, e Entry, why string) error {
	for _, d := range read {
		d.opening.Lock()
		defer d.opening.Unlock()
	}
	return s.moveToQuarantine(names, e, why, func(from, to string) {
		for _, d := range read {
			if d.path == from {
				d.path = to
			}
		}
	})
}
