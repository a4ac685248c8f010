package offline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/internal/human"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
)

// target is the folder into which files are decrypted. Nothing is written outside of it, wherever
// symbolic links in it lead.
type target struct {
	dir   string
	force bool
	dry   bool
	root  *os.Root // nil: it does not exist, and nothing is to be written
}

func (t *target) open() (err error) {
	t.root, err = os.OpenRoot(t.dir)
	if t.dry && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (t *target) close() {
	if t.root != nil {
		_ = t.root.Close()
	}
}

// look reports whether something has a name.
func (t *target) look(name string) (bool, error) {
	if t.root == nil {
		return false, nil
	}
	_, err := t.root.Lstat(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// partial is the name under which a file is written until it is whole. It is always the same, so that
// what a killed run has left is written over.
func partial(name string) string {
	sum := sha256.Sum256([]byte(filepath.Base(name)))
	return filepath.Join(filepath.Dir(name), ".mcfs-"+hex.EncodeToString(sum[:12])+".part")
}

// write has a file appear whole, with its attributes. do fills it, and reports whether its content
// could be checked; after an error nothing of it is left.
func (t *target) write(name string, attr sidecar.Attr, do func(*os.File) (bool, error)) (checked bool, err error) {
	name = filepath.FromSlash(name)
	if dir := filepath.Dir(name); dir != "." {
		if err := t.root.MkdirAll(dir, 0o777); err != nil {
			return false, err
		}
	}
	if err := t.removeSecondName(name); err != nil { // else the file would be emptied, too
		return false, err
	}
	tmp := partial(name)
	f, err := t.lock(tmp)
	if err != nil {
		return false, err
	}
	defer f.Close() // which lets go of the lock
	if checked, err = do(f); err == nil {
		err = t.appear(f, tmp, name, attr)
	}
	if rerr := t.root.Remove(tmp); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return checked, err
}

// removeSecondName removes the passing name of a file that is whole, which a run leaves that is killed
// when it has just given it its name.
func (t *target) removeSecondName(name string) error {
	whole, err := t.root.Lstat(name)
	left, lerr := t.root.Lstat(partial(name))
	if err != nil || lerr != nil || !os.SameFile(whole, left) {
		return nil
	}
	if err := t.root.Remove(partial(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeLeft removes what a killed run has left of a file that is not to be written, since it is there.
func (t *target) removeLeft(name string) error {
	name = filepath.FromSlash(name)
	if err := t.removeSecondName(name); err != nil {
		return err
	}
	tmp := partial(name)
	f, err := t.root.OpenFile(tmp, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // another run writes it
	}
	if err := t.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock opens the file under its passing name, empty, for this process alone.
func (t *target) lock(tmp string) (*os.File, error) {
	for {
		f, err := t.root.OpenFile(tmp, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return nil, errors.Join(verdict.Errorf(verdict.Failed, "wait until it has ended", "another run decrypts to the same place: %w", err), f.Close())
		}
		held, err := f.Stat()
		there, lerr := t.root.Lstat(tmp)
		switch {
		case err == nil && lerr == nil && os.SameFile(held, there):
			if err := t.empty(f, held); err != nil {
				return nil, errors.Join(err, f.Close())
			}
			return f, nil
		case err != nil || lerr != nil && !errors.Is(lerr, fs.ErrNotExist):
			return nil, errors.Join(err, lerr, f.Close())
		}
		_ = f.Close() // another run has finished with it in this moment
	}
}

// empty takes out what a killed run has left.
func (t *target) empty(f *os.File, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file: remove it", human.Quoted(filepath.Join(t.dir, f.Name())))
	}
	return errors.Join(f.Chmod(0o600), f.Truncate(0))
}

// appear gives a whole file its attributes and its name.
func (t *target) appear(f *os.File, tmp, name string, attr sidecar.Attr) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if attr.Mode != 0 {
		if err := f.Chmod(os.FileMode(attr.Mode & 0o777)); err != nil {
			return err
		}
	}
	if !attr.Mtime.IsZero() {
		if err := t.root.Chtimes(tmp, time.Time{}, attr.Mtime); err != nil {
			return err
		}
	}
	if t.force {
		return t.root.Rename(tmp, name)
	}
	err := t.root.Link(tmp, name) // which replaces nothing
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return errTaken(filepath.Join(t.dir, name))
	}
	if there, lerr := t.look(name); there || lerr != nil { // a file system without links
		return errors.Join(errTaken(filepath.Join(t.dir, name)), lerr)
	}
	if err := t.root.Rename(tmp, name); err != nil {
		return fmt.Errorf("%s: %w", human.Quoted(name), err)
	}
	return nil
}
