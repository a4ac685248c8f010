package dir

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/store"
)

// Options of a Store.
type Options struct {
	Path   string // made if it is missing, with mode 0700
	Bucket string // of the objects' later home in S3; empty if none
	Prefix string // of the keys there; not part of the file names here

	// MinPart is the least of every part but the last, in bytes; 0 for S3's 5 MiB.
	MinPart int64
}

// Store is a directory. It implements store.Store.
type Store struct {
	o    Options
	root string
	lock *lock
	// folds says that the file system takes some names for others.
	folds bool
}

var _ store.Store = (*Store)(nil)

const (
	dirMode  = 0o700
	fileMode = 0o600
	litter   = 24 * time.Hour // how old a file in tmp is when no writer can still want it
)

// New opens the store in a directory, and makes it if need be.
func New(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("dir store: no path configured: set store.path")
	}
	if len(o.Prefix) >= store.MaxKey {
		return nil, fmt.Errorf("dir store: prefix of %d bytes leaves no room for keys", len(o.Prefix))
	}
	root, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("dir store %s: %w", o.Path, err)
	}
	if o.MinPart == 0 {
		o.MinPart = store.MinPart
	}
	s := &Store{o: o, root: root}
	for _, d := range []string{s.hidden("meta"), s.hidden("uploads"), s.hidden("tmp")} {
		if err := os.MkdirAll(d, dirMode); err != nil {
			return nil, failure("open store in", root, err)
		}
	}
	if s.lock, err = openLock(s.hidden("lock")); err != nil {
		return nil, failure("open store in", root, err)
	}
	s.sweep()
	if s.folds, err = s.probeFolding(); err != nil {
		_ = s.lock.close()
		return nil, failure("open store in", root, err)
	}
	return s, nil
}

// sweep removes what a crash left in tmp long ago.
func (s *Store) sweep() {
	entries, _ := os.ReadDir(s.hidden("tmp")) // what cannot be read is not swept
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) > litter {
			_ = os.RemoveAll(s.hidden("tmp", e.Name()))
		}
	}
}

// hidden is a path below ROOT/.mcfs.
func (s *Store) hidden(elements ...string) string {
	return filepath.Join(append([]string{s.root, hiddenDir}, elements...)...)
}

// Now is this machine's clock.
func (s *Store) Now() store.Span {
	now := time.Now()
	return store.Span{From: now, To: now}
}

// Address is the address in the later home, or "" if none is configured.
func (s *Store) Address(key string) string {
	if s.o.Bucket == "" {
		return ""
	}
	return "s3://" + s.o.Bucket + "/" + s.o.Prefix + key
}

// Check proves that the directory can be written and renamed in, under its lock.
func (s *Store) Check(ctx context.Context) error {
	unlock, err := s.lock.acquire(ctx)
	if err != nil {
		return fmt.Errorf("store directory %s: %w", s.root, err)
	}
	defer unlock()
	err = s.tryOut()
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrNoBucket) {
		return fmt.Errorf("%w: is its disk mounted? Else make it, or correct store.path", err)
	}
	cure := "make it a directory that you may write"
	if errors.Is(err, syscall.ENOSPC) {
		cure = "free some space"
	}
	return fmt.Errorf("store directory %s is not usable: %s (or correct store.path): %w", s.root, cure, classified(err))
}

// tryOut writes, renames and removes a file.
func (s *Store) tryOut() error {
	from, to := s.hidden("tmp", unique()), s.hidden("tmp", unique())
	if err := os.WriteFile(from, []byte("check"), fileMode); err != nil {
		return s.lost(err)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return os.Remove(to)
}

// Close closes the lock file.
func (s *Store) Close() error { return s.lock.close() }

// unique is a random name or identifier of 32 hexadecimal digits.
func unique() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// CheckKey refuses a key of which no object, or no file here, can be made.
func (s *Store) CheckKey(key string) error {
	if err := store.CheckKey(s.o.Prefix, key); err != nil {
		return err
	}
	rel, err := path(key)
	if err != nil {
		return err
	}
	if n := len(s.root) + 1 + len(rel) + len(besideDir); n >= unix.PathMax {
		return fmt.Errorf("key of %d bytes needs a path of %d bytes, at most %d are possible", len(key), n, unix.PathMax-1)
	}
	return nil
}

// start refuses what no store takes, and a call whose context has ended.
func (s *Store) start(ctx context.Context, op, key string, attr store.Attributes, cond store.Condition) error {
	if err := store.Ended(ctx); err != nil {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	if err := errors.Join(store.CheckKey(s.o.Prefix, key), attr.Check(), cond.Check()); err != nil {
		return fmt.Errorf("%s %q: %w", op, key, err)
	}
	return nil
}

// failure wraps an error with operation and key, and its class; nil stays nil.
func failure(op, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", op, key, classified(err))
}

// classified gives what the file system says its class: what may pass by
// itself, or when somebody makes room, is unavailability.
func classified(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	switch errno {
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return fmt.Errorf("%w: %w", store.ErrDenied, err)
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE, syscall.ETIMEDOUT:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// missing is the error for what is not there: the object, or the whole
// directory (a disk that was unplugged must not look like an empty store).
func (s *Store) missing() error {
	if _, err := os.Lstat(s.hidden()); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: store directory %s is gone", store.ErrNoBucket, s.root)
	}
	return store.ErrNotExist
}

// syncDir makes the entries of a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// absent says that a path, or a directory on the way to it, is not there.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}
