package fs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Mounted is a mount of any kind, as the system lists it.
type Mounted struct {
	Device string // of its files: MAJOR:MINOR on Linux, in hexadecimal on macOS
	Kind   string // type, as "fuse.mcfs"
	Source string // what mount(8) and df show, as "mcfs#bucket/prefix"
	UID    int    // of who mounted it; -1 where it is not a mount of mcfs, or not known
}

// maxLinks is how many symbolic links one path may lead through, as in the
// kernel (path_resolution(7)).
const maxLinks = 40

// Resolve returns a path absolute and without symbolic links, also where it leads to a
// mount that cannot be looked at, since its program has ended or it is another user's. The
// error of a path that does not exist is fs.ErrNotExist.
func Resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for range maxLinks {
		var real string
		if real, err = filepath.EvalSymlinks(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			return real, err
		}
		parent, parentErr := filepath.EvalSymlinks(filepath.Dir(path))
		if parentErr != nil {
			return "", parentErr
		}
		path = filepath.Join(parent, filepath.Base(path))
		target, linkErr := os.Readlink(path)
		if linkErr != nil {
			return path, nil // it is the mount itself
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(parent, target)
		}
		path = filepath.Clean(target)
	}
	return "", err // links in a circle
}
