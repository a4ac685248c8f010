package leftover

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/volume/remote"
)

// Content is what a note is of: one of these.
type Content struct {
	Begins *Begins `json:"begins,omitempty"`
	Upload *Upload `json:"upload,omitempty"`
	Object *Object `json:"object,omitempty"`
}

// Begins is an upload that the store was asked for, and of which no answer is known. Since and
// Until are by the store's clock.
type Begins struct {
	Key   string    `json:"key"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// Upload is one that the store has begun.
type Upload struct {
	Key string `json:"key"`
	ID  string `json:"id"`
}

// Object is a version that may have come since a moment, and whose sidecar is owed. The sidecar of
// the one that it replaces, its Over, goes before.
type Object struct {
	Made  *remote.Record `json:"made"`
	Since time.Time      `json:"since"`
}

// valid reports whether a note says one thing.
func (c Content) valid() bool {
	n := 0
	for _, there := range []bool{c.Begins != nil, c.Upload != nil, c.Object != nil && c.Object.Made != nil} {
		if there {
			n++
		}
	}
	return n == 1
}

const (
	lockName   = "lock"
	noteSuffix = ".note"
	dirMode    = 0o700
	fileMode   = 0o600
)

// Notes are those of this run. Their methods may be called by several goroutines.
type Notes struct {
	root string

	mu   sync.Mutex
	dir  string   // of this run; "": none was needed yet
	lock *os.File // held while the run lives
	all  map[string]*Note
}

// Note is one of them.
type Note struct {
	notes   *Notes
	name    string
	content Content
}

// Open takes over the notes in a folder whose runs have ended. The folder need not exist. A note
// that cannot be read stays where it is, and is an error.
func Open(root string) (*Notes, error) {
	n := &Notes{root: root, all: make(map[string]*Note)}
	runs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return nil, fmt.Errorf("notes of earlier runs: %w", err)
	}
	for _, run := range runs {
		if err := n.takeOver(filepath.Join(root, run.Name())); err != nil {
			return nil, errors.Join(fmt.Errorf("notes of an earlier run: %w", err), n.Close())
		}
	}
	return n, nil
}

// takeOver takes the notes of a run, if that has ended.
func (n *Notes) takeOver(dir string) error {
	lock, err := lockDir(dir)
	if errors.Is(err, errLives) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), noteSuffix) {
			continue
		}
		if err := n.takeNote(dir, e.Name()); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir) // what was being written has had no effect
}

// takeNote moves a note into the folder of this run.
func (n *Notes) takeNote(dir, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	note := &Note{notes: n, name: name}
	if err := json.Unmarshal(text, &note.content); err != nil || !note.content.valid() {
		return fmt.Errorf("%s cannot be read (%v): look into it, and remove it", filepath.Join(dir, name), err)
	}
	if err := n.begin(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, name), filepath.Join(n.dir, name)); err != nil {
		return err
	}
	n.all[name] = note
	return syncDir(n.dir)
}

// errLives: another run has the folder.
var errLives = errors.New("its run lives")

// lockDir takes the folder of a run. Who finds it locked, or gone, has nothing to do with it.
func lockDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(errLives, lock.Close())
	}
	held, err := lock.Stat()
	there, lerr := os.Stat(lock.Name())
	if err != nil || lerr != nil || !os.SameFile(held, there) {
		return nil, errors.Join(errLives, lock.Close()) // somebody took it for that of a dead run, and removed it
	}
	return lock, nil
}

// begin makes the folder of this run, where it has none yet. n.mu is held.
func (n *Notes) begin() error {
	for n.lock == nil {
		dir := filepath.Join(n.root, rand.Text())
		err := os.MkdirAll(dir, dirMode)
		var lock *os.File
		if err == nil {
			lock, err = lockDir(dir)
		}
		if errors.Is(err, errLives) || errors.Is(err, fs.ErrNotExist) {
			continue // another run has taken it for a dead one's
		}
		if err != nil {
			return err
		}
		n.dir, n.lock = dir, lock
		if err := syncDir(n.root); err != nil {
			return err
		}
	}
	return nil
}

// All are the notes that there are now.
func (n *Notes) All() (list []*Note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, note := range n.all {
		list = append(list, note)
	}
	return list
}

// Close ends the run. Its notes stay, if there are any.
func (n *Notes) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lock == nil {
		return nil
	}
	var err error
	if len(n.all) == 0 {
		err = os.RemoveAll(n.dir)
		_ = os.Remove(n.root) // fails where another run is
	}
	err = errors.Join(err, n.lock.Close())
	n.lock = nil
	return err
}

// Add notes something, durably.
func (n *Notes) Add(c Content) (*Note, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	note := &Note{notes: n, name: rand.Text() + noteSuffix}
	if err := n.begin(); err != nil {
		return nil, fmt.Errorf("note: %w", err)
	}
	if err := note.write(c); err != nil {
		return nil, err
	}
	n.all[note.name] = note
	return note, nil
}

// Content is what it is of.
func (o *Note) Content() Content {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return o.content
}

// Change has a note say something else, durably.
func (o *Note) Change(c Content) error {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	return o.write(c)
}

// Forget removes a note: nothing is owed any more.
func (o *Note) Forget() error {
	o.notes.mu.Lock()
	defer o.notes.mu.Unlock()
	if o.notes.all[o.name] == nil {
		return nil
	}
	delete(o.notes.all, o.name)
	if err := os.Remove(filepath.Join(o.notes.dir, o.name)); err != nil {
		return fmt.Errorf("forget a note: %w", err)
	}
	return nil
}

// write puts a note in the place of what it was before. The lock of the notes is held.
func (o *Note) write(c Content) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("note: %w", err)
	}
	at := filepath.Join(o.notes.dir, o.name)
	if err := writeDurably(at+".new", text); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	if err := os.Rename(at+".new", at); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	if err := syncDir(o.notes.dir); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	o.content = c
	return nil
}

func writeDurably(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
