package journal

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lock is an flock, which lasts until the file is closed or its process ends.
type lock struct{ file *os.File }

const (
	// peekTimeout is how long Peek waits for the lock. Who opens the journal waits longer for
	// Peek.
	peekTimeout = 200 * time.Millisecond
	openTimeout = time.Second
	lockPause   = 10 * time.Millisecond
)

// takeLock locks a file, alone or together with other readers. The error is ErrLocked if
// another process keeps it for so long.
func takeLock(path string, alone bool, patience time.Duration) (*lock, error) {
	flag, how := os.O_RDONLY, unix.LOCK_SH
	if alone {
		flag, how = os.O_RDWR|os.O_CREATE, unix.LOCK_EX
	}
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(lockPause) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return &lock{f}, nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		case time.Now().After(end):
			return nil, errors.Join(fmt.Errorf("%w: %s", ErrLocked, path), f.Close())
		}
	}
}

func (l *lock) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("unlock journal: %w", err)
	}
	return nil
}
