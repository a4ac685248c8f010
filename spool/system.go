package spool

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// system are the calls of the operating system for sealed files. Each has a tag for its
// purpose ("data.write", "map.sync"), so that a test can make exactly one of them fail.
type system interface {
	open(tag, path string, flag int) (*os.File, error)
	pread(tag string, f *os.File, p []byte, off int64) (int, error)
	pwrite(tag string, f *os.File, p []byte, off int64) (int, error)
	sync(tag string, f *os.File) error // contents and size: fdatasync is enough
	truncate(tag string, f *os.File, size int64) error
	punch(tag string, f *os.File, off, n int64) error // gives the range's disk space back
	rename(tag, from, to string) error
	remove(tag, path string) error
	syncDir(tag, dir string) error
	free(dir string) (int64, error) // bytes that this user may still allocate
}

// realSystem is the operating system itself.
type realSystem struct{}

func (realSystem) open(_, path string, flag int) (*os.File, error) {
	return os.OpenFile(path, flag|syscall.O_NOFOLLOW, 0o600)
}

func (realSystem) pread(_ string, f *os.File, p []byte, off int64) (int, error) {
	return f.ReadAt(p, off)
}

func (realSystem) pwrite(_ string, f *os.File, p []byte, off int64) (int, error) {
	return f.WriteAt(p, off)
}

func (realSystem) truncate(_ string, f *os.File, size int64) error { return f.Truncate(size) }
func (realSystem) rename(_, from, to string) error                 { return os.Rename(from, to) }
func (realSystem) remove(_, path string) error                     { return os.Remove(path) }

func (realSystem) syncDir(_, dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (realSystem) free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// diskError turns a full disk into ErrFull.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
