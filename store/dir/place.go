package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mcfs/store"
)

// found is an object that is there.
type found struct {
	path string // absolute
	fi   fs.FileInfo
	meta meta
}

// find looks an object up; ErrNotExist or ErrNoBucket if there is none. With
// errDamaged it tells where the object is.
// Without the lock, it may have been replaced when find returns.
func (s *Store) find(key string) (found, error) {
	rel, err := path(key)
	if err != nil { // no file can have this name
		return found{}, s.missing()
	}
	for range 1000 {
		path, fi, err := s.locate(rel)
		if err != nil {
			return found{}, err
		}
		m, err := s.readMeta(key, fi)
		if err == nil {
			return found{path, fi, m}, nil
		}
		if errors.Is(err, errDamaged) {
			return found{path, fi, meta{}}, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return found{}, err
		}
		// Either the file was replaced between the two looks, or it is foreign.
		if again, err := os.Lstat(path); err != nil || !sameGeneration(fi, again) {
			continue
		}
		if !s.exact(path) {
			return found{}, s.missing()
		}
		return found{path, fi, foreign(key, fi)}, nil
	}
	return found{}, fmt.Errorf("%w: the object is replaced again and again", store.ErrConflict)
}

// locate finds the file of a key at its path, or beside a directory there.
func (s *Store) locate(rel string) (string, fs.FileInfo, error) {
	for _, end := range []string{"", besideDir} {
		path := filepath.Join(s.root, rel) + end
		fi, err := os.Lstat(path)
		if err == nil && fi.Mode().IsRegular() {
			return path, fi, nil
		}
		if err != nil && !absent(err) {
			return "", nil, err
		}
	}
	return "", nil, s.missing()
}

func sameGeneration(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// openFound opens the very generation that find saw.
func (s *Store) openFound(key string) (*os.File, found, error) {
	for range 1000 {
		o, err := s.find(key)
		if err != nil {
			return nil, found{}, err
		}
		f, err := os.OpenFile(o.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, found{}, err
		}
		if fi, err := f.Stat(); err == nil && sameGeneration(fi, o.fi) {
			return f, o, nil
		}
		_ = f.Close()
	}
	return nil, found{}, fmt.Errorf("%w: the object is replaced again and again", store.ErrConflict)
}

// target is where a key's data goes, with its directories made. The lock is
// held. made are the directories whose entries changed on the way.
func (s *Store) target(key string) (place string, made []string, err error) {
	rel, err := path(key)
	if err != nil {
		return "", nil, err
	}
	at := s.root
	elements := strings.Split(rel, "/")
	for _, name := range elements[:len(elements)-1] {
		changed, err := enter(filepath.Join(at, name))
		if err != nil {
			return "", nil, err
		}
		if changed {
			made = append(made, at)
		}
		at = filepath.Join(at, name)
	}
	made = append(made, at)
	plain := filepath.Join(at, elements[len(elements)-1])
	beside, err := os.Lstat(plain + besideDir)
	if err == nil && beside.Mode().IsRegular() {
		return plain + besideDir, made, nil
	}
	fi, err := os.Lstat(plain)
	switch {
	case absent(err):
	case err != nil:
		return "", nil, err
	case fi.IsDir():
		plain += besideDir
	case !fi.Mode().IsRegular():
		return "", nil, fmt.Errorf("%s is neither a file nor a directory", plain)
	}
	if !s.exact(plain) {
		return "", nil, fmt.Errorf("the file system under %s takes %s for another name that is there", s.root, plain)
	}
	return plain, made, nil
}

// enter makes a directory where none is; an object's file gives way to it.
func enter(path string) (changed bool, err error) {
	fi, err := os.Lstat(path)
	switch {
	case err == nil && fi.IsDir():
		return false, nil
	case err == nil && fi.Mode().IsRegular():
		if err := os.Rename(path, path+besideDir); err != nil {
			return false, fmt.Errorf("make room for a directory: %w", err)
		}
	case err == nil:
		return false, fmt.Errorf("%s is neither a file nor a directory", path)
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	return true, os.Mkdir(path, dirMode)
}

// prune removes the directories above a file that are empty now. The lock is
// held. It returns the directory whose entries changed last.
func (s *Store) prune(path string) string {
	at := filepath.Dir(path)
	for at != s.root {
		if err := os.Remove(at); err != nil && !absent(err) { // not empty
			return at
		}
		at = filepath.Dir(at)
	}
	return at
}

// probeFolding finds out whether the file system takes names for each other:
// by case, or by the composition of letters.
func (s *Store) probeFolding() (bool, error) {
	base := unique()
	file := s.hidden("tmp", base+"-\u00e9A")
	if err := os.WriteFile(file, nil, fileMode); err != nil {
		return false, err
	}
	defer os.Remove(file)
	for _, other := range []string{"-\u00e9a", "-e\u0301A"} {
		if _, err := os.Lstat(s.hidden("tmp", base+other)); err == nil {
			return true, nil
		}
	}
	return false, nil
}

// exact says that each element of the path that exists is there under exactly
// this name. It reads directories, but only on file systems that fold names.
func (s *Store) exact(path string) bool {
	if !s.folds {
		return true
	}
	for at := path; at != s.root; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); err != nil {
			continue // not there: not there under another name either
		}
		if !named(filepath.Dir(at), filepath.Base(at)) {
			return false
		}
	}
	return true
}

// named says that a directory has an entry of exactly this name.
func named(dir, name string) bool {
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1024)
		for _, n := range names {
			if n == name {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}
