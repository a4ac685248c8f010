package spool

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Quarantined is what lies in quarantine under one name.
type Quarantined struct {
	ID    string    `json:"id"`             // the name of File
	Path  string    `json:"path,omitempty"` // in the volume, as far as the note tells
	File  string    `json:"file"`           // the sealed file, or the journal; beside it is a note, FILE.txt
	Bytes int64     `json:"bytes"`          // on the disk
	Size  int64     `json:"size,omitempty"` // of the content, as far as the note tells
	At    time.Time `json:"at,omitzero"`
	Why   string    `json:"why"`

	wrapped []byte // the data key as the journal had it, should the header be damaged
	keyID   string
}

// ErrNoneSuch is returned if no id in quarantine, or more than one, is as was asked for.
var ErrNoneSuch = errors.New("no such thing in quarantine")

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
		q := Quarantined{ID: name, File: filepath.Join(dir, name), Why: "there is no note of why"}
		q.Bytes = diskBytes(q.File) + diskBytes(q.File+mapSuffix)
		if note, err := os.ReadFile(q.File + noteSuffix); err == nil {
			q.read(string(note))
		}
		all = append(all, q)
	}
	return all, nil
}

// FindQuarantined is FindQuarantined in this spool's quarantine.
func (s *Spool) FindQuarantined(id string) (Quarantined, error) { return FindQuarantined(s.dir, id) }

// FindQuarantined returns the only thing in the quarantine of a spool whose id equals,
// begins with or ends with id; else ErrNoneSuch.
func FindQuarantined(dir, id string) (Quarantined, error) {
	all, err := ListQuarantine(dir)
	if err != nil {
		return Quarantined{}, err
	}
	var found []Quarantined
	for _, q := range all {
		switch {
		case q.ID == id:
			return q, nil
		case id != "" && (strings.HasPrefix(q.ID, id) || strings.HasSuffix(q.ID, id)):
			found = append(found, q)
		}
	}
	switch len(found) {
	case 0:
		return Quarantined{}, fmt.Errorf("%s: %w of the spool %s", id, ErrNoneSuch, dir)
	case 1:
		return found[0], nil
	}
	return Quarantined{}, fmt.Errorf("%s: %w: %d begin or end so, give more of it", id, ErrNoneSuch, len(found))
}

// Remove deletes it for good. The note goes last, so that it is listed as long as anything
// of it is there.
func (q Quarantined) Remove() error {
	for _, path := range []string{q.File, q.File + mapSuffix, q.File + noteSuffix} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove from quarantine: %w", err)
		}
	}
	return realSystem{}.syncDir("quarantine.sync", filepath.Dir(q.File))
}

// sealedID returns the id of the sealed file.
func (q Quarantined) sealedID() (ID, error) {
	_, name, _ := strings.Cut(q.ID, "-")
	id, err := ParseID(name)
	if err != nil {
		return id, fmt.Errorf("%s is no sealed file, and holds no content", q.ID)
	}
	return id, nil
}

// The lines of a note that tell more than the reason. The last one ends them.
const (
	notePath  = "path: "
	noteSize  = "size: "
	noteKey   = "key: "
	noteKeyID = "key id: "
	noteMoved = "moved here at "
)

// note returns the note beside something in quarantine: what it is, when it came, and why.
func note(names []string, e Entry, at time.Time, why string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + "\n")
	}
	if e.Path != "" {
		fmt.Fprintf(&b, "%s%s\n%s%d\n", notePath, strconv.Quote(e.Path), noteSize, e.Size)
	}
	if len(e.Wrapped) > 0 {
		fmt.Fprintf(&b, "%s%s\n%s%s\n", noteKey, base64.StdEncoding.EncodeToString(e.Wrapped), noteKeyID, strconv.Quote(e.KeyID))
	}
	fmt.Fprintf(&b, "%s%s, because:\n%s\n", noteMoved, at.Format(time.RFC3339), why)
	return b.String()
}

// read parses a note, also one of an older program.
func (q *Quarantined) read(note string) {
	head, rest, ok := strings.Cut(note, "\n"+noteMoved)
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
	for line := range strings.SplitSeq(head, "\n") {
		switch {
		case strings.HasPrefix(line, notePath):
			q.Path, _ = strconv.Unquote(line[len(notePath):])
		case strings.HasPrefix(line, noteSize):
			q.Size, _ = strconv.ParseInt(line[len(noteSize):], 10, 64)
		case strings.HasPrefix(line, noteKey):
			q.wrapped, _ = base64.StdEncoding.DecodeString(line[len(noteKey):])
		case strings.HasPrefix(line, noteKeyID):
			q.keyID, _ = strconv.Unquote(line[len(noteKeyID):])
		}
	}
}
