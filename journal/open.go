package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"mcfs/journal/legacy"
)

var (
	// ErrLocked is returned if another process has the journal.
	ErrLocked = errors.New("the journal is in use by another process")
	// ErrCorrupt is returned if nothing of a journal can be read.
	ErrCorrupt = errors.New("the journal is corrupt")
)

// Names within the folder.
const (
	lockName = "lock"
	logName  = "log"
	newName  = "log.new" // until it takes the place of the log
)

// Log is the file, below the folder, that has the values.
const Log = logName

// Files are those that may lie in the folder.
func Files() []string { return []string{lockName, logName, newName} }

// Options of a journal.
type Options struct {
	Dir string // made if missing
	Old string // the file of an older program's journal, which is taken over and removed
	// Lost says that a journal which has to be begun anew was lost: then Rebuilt is true.
	Lost bool
	Disk Disk
	Log  *slog.Logger
	// Keep is called with the file of a damaged journal before another takes its place.
	Keep func(path, why string) error
}

// Open locks and reads the journal, or makes it. The error is ErrCorrupt if nothing of it
// can be read: who has put Dir's log and Old away can open a new one.
func Open(o Options) (*Journal, error) {
	if err := os.Mkdir(o.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	l, err := takeLock(filepath.Join(o.Dir, lockName), true, openTimeout)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{dir: o.Dir, disk: o.Disk, slog: o.Log, lock: l, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	if err := j.open(o); err != nil {
		j.done.Wait()
		if j.log != nil {
			err = errors.Join(err, j.log.file.Close())
		}
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), l.release())
	}
	j.number = j.state.number
	j.done.Go(j.run)
	return j, nil
}

// open reads the log, or what an older program has left, or begins a new one.
func (j *Journal) open(o Options) error {
	path := filepath.Join(j.dir, logName)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = j.takeOver(o)
	case err == nil:
		err = j.load(o, path, b)
	}
	if err != nil {
		return err
	}
	// A log that is there has all that the older journal had.
	if err := j.disk.Remove(o.Old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (j *Journal) load(o Options, path string, b []byte) error {
	l, err := load(b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	j.state = l.state
	if !l.damaged() {
		j.log, err = openLog(j.disk, path, l, int64(len(b)))
		return err
	}
	why := fmt.Sprintf("%d values do not match their checksums", l.aside)
	if l.doubt != "" {
		why = l.doubt
		j.markRebuilt()
	}
	j.slog.Error("the journal is damaged: it is written anew, and the old one kept in quarantine", "path", path, "cause", why)
	if err := o.Keep(path, why); err != nil {
		return err
	}
	return j.replace()
}

// takeOver makes a log of an older program's journal; of nothing, if there is none.
func (j *Journal) takeOver(o Options) error {
	j.state = newState()
	if err := j.disk.SyncDir(filepath.Dir(j.dir)); err != nil { // the folder's name
		return err
	}
	old, err := legacy.Read(o.Old)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if o.Lost {
			j.markRebuilt()
		}
		return j.replace()
	case err != nil:
		return asOurs(err)
	}
	j.state.fill(old)
	if old.Doubted {
		j.markRebuilt()
		j.slog.Error("the journal of an older program is damaged: what is whole in it is taken over, and it is kept in quarantine", "path", o.Old)
		if err := o.Keep(o.Old, "damaged; what was whole in it was taken over"); err != nil {
			return err
		}
	}
	j.slog.Info("the journal of an older program is taken over", "path", o.Old, "entries", len(j.state.values[bucketEntries]), "changes", len(j.state.values[bucketChanges]))
	return j.replace()
}

func (j *Journal) markRebuilt() {
	j.state.apply(op{opPut, bucketSettings, settingRebuilt, []byte{1}})
}

// fill takes over what an older program's journal has.
func (s *state) fill(old *legacy.Journal) {
	for bucket, name := range bucketNames {
		for _, v := range old.Values[name] {
			if bucket == bucketUploads {
				v.Key = uploadKey(v.Key)
			}
			if v.Misplaced {
				v.Key += "?" // no id any more, so that Unreadable says that there may be others
			}
			if v.Damaged || len(v.Key) > maxKey {
				s.setAside(byte(bucket), v.Key, v.Text)
			} else {
				s.apply(op{opPut, byte(bucket), v.Key, v.Text})
			}
		}
	}
	s.number = max(s.number, old.Number)
}

// asOurs returns an error about an older program's journal as one of this package.
func asOurs(err error) error {
	switch {
	case errors.Is(err, legacy.ErrLocked):
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case errors.Is(err, legacy.ErrCorrupt):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}
