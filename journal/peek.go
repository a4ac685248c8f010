package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mcfs/journal/legacy"
)

// Peek reads the journal in dir, or else that of an older program, and changes nothing.
// Values that do not parse are left out. The error is ErrLocked if a process has it,
// fs.ErrNotExist if there is none.
func Peek(dir, old string) (entries []Entry, changes []Change, err error) {
	s, err := peek(dir, old)
	if err != nil {
		return nil, nil, fmt.Errorf("read journal: %w", err)
	}
	leave := func(string, []byte, error) {}
	return decodeAll(s, bucketEntries, decodeEntry, leave), decodeAll(s, bucketChanges, decodeChange, leave), nil
}

func peek(dir, old string) (*state, error) {
	l, err := takeLock(filepath.Join(dir, lockName), false, peekTimeout)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return peekOld(dir, old)
	case err != nil:
		return nil, err
	}
	defer l.release()
	b, err := os.ReadFile(filepath.Join(dir, logName))
	if errors.Is(err, fs.ErrNotExist) {
		return peekOld(dir, old)
	}
	if err != nil {
		return nil, err
	}
	log, err := load(b)
	if err == nil && log.doubt != "" {
		err = fmt.Errorf("%w: %s", ErrCorrupt, log.doubt)
	}
	if err != nil {
		return nil, err
	}
	return log.state, nil
}

// peekOld is peek while no log was made. One that was killed while it made the first has
// left a folder.
func peekOld(dir, path string) (*state, error) {
	s := newState()
	old, err := legacy.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err = os.Stat(dir)
		return s, err
	case err != nil:
		return nil, asOurs(err)
	}
	s.fill(old)
	return s, nil
}
