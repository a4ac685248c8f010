package dir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"mcfs/store"
)

// lockTimeout bounds the wait for another process that changes something: a
// change takes milliseconds, so one that holds the lock longer is stopped.
const lockTimeout = 30 * time.Second

// lock keeps changes apart: of goroutines by a channel, of processes by flock(2).
type lock struct {
	file *os.File
	held chan struct{} // holds one element while a goroutine holds the lock
}

func openLock(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, err
	}
	return &lock{file: f, held: make(chan struct{}, 1)}, nil
}

// acquire waits for the lock; the caller calls release.
func (l *lock) acquire(ctx context.Context) (release func(), err error) {
	limited, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	select {
	case l.held <- struct{}{}:
	case <-limited.Done():
		return nil, l.waited(ctx)
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return l.release, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			<-l.held
			return nil, fmt.Errorf("lock %s: %w", l.file.Name(), err)
		}
		select {
		case <-time.After(pause):
		case <-limited.Done():
			<-l.held
			return nil, l.waited(ctx)
		}
	}
}

func (l *lock) release() {
	_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN) // fails only for a descriptor that is closed
	<-l.held
}

// waited is why a wait ended in vain.
func (l *lock) waited(ctx context.Context) error {
	if err := store.Ended(ctx); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s is held by another process", store.ErrUnavailable, l.file.Name())
}

func (l *lock) close() error { return l.file.Close() }
