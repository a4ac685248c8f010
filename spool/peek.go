package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mcfs/journal"
)

// Left is what is in the folder of a spool that no mount has open.
type Left struct {
	Entries []Entry
	Changes []Change
	Used    int64 // bytes on disk of sealed files
}

// Peek reads a spool's journal and changes nothing. The error is ErrLocked if a mount has
// it, fs.ErrNotExist if there is none. Values that do not parse are left out.
func Peek(dir string) (l Left, err error) {
	l.Entries, l.Changes, err = journal.Peek(filepath.Join(dir, journalName), filepath.Join(dir, oldJournalName))
	switch {
	case errors.Is(err, journal.ErrLocked):
		return Left{}, fmt.Errorf("%w: %w", ErrLocked, err)
	case errors.Is(err, journal.ErrCorrupt):
		return Left{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case err != nil:
		return Left{}, err
	}
	l.Used = sealedBytes(dir)
	return l, nil
}

func sealedBytes(dir string) (sum int64) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if _, err := ParseID(strings.TrimSuffix(e.Name(), mapSuffix)); err == nil {
			sum += diskBytes(filepath.Join(dir, e.Name()))
		}
	}
	return sum
}
