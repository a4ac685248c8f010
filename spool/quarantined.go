package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Quarantined is what lies in quarantine under one name.
type Quarantined struct {
	File  string    `json:"file"` // the sealed file, or the journal; beside it is a note, FILE.txt
	Bytes int64     `json:"bytes"`
	At    time.Time `json:"at,omitzero"`
	Why   string    `json:"why"`
}

// Quarantined lists the quarantine, the oldest first.
func (s *Spool) Quarantined() ([]Quarantined, error) { return ListQuarantine(s.dir) }

// ListQuarantine lists the quarantine of the spool in dir, mounted or not.
func ListQuarantine(dir string) (all []Quarantined, err error) {
	dir = filepath.Join(dir, quarantineName)
	list, err := os.ReadDir(dir) // sorted: the names begin with the time
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	var names []string
	for _, e := range list {
		name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), noteSuffix), mapSuffix)
		if !slices.Contains(names[max(0, len(names)-1):], name) { // a file, its map and its note follow each other
			names = append(names, name)
		}
	}
	for _, name := range names {
		q := Quarantined{File: filepath.Join(dir, name), Why: "there is no note of why"}
		q.Bytes = diskBytes(q.File) + diskBytes(q.File+mapSuffix)
		if note, err := os.ReadFile(q.File + noteSuffix); err == nil {
			q.read(string(note))
		}
		all = append(all, q)
	}
	return all, nil
}

// read takes time and reason from a note.
func (q *Quarantined) read(note string) {
	_, rest, ok := strings.Cut(note, "\nmoved here at ")
	if !ok {
		return
	}
	stamp, why, ok := strings.Cut(rest, ", because:\n")
	if !ok {
		return
	}
	if at, err := time.Parse(time.RFC3339, stamp); err == nil {
		q.At = at
	}
	q.Why = strings.Join(strings.FieldsFunc(why, func(r rune) bool { return r == '\n' }), "; ")
}
