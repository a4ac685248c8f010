package dir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mcfs/store"
)

// errNotDurable: the commit is done, but a crash may undo it.
var errNotDurable = errors.New("the name may not survive a crash")

// claim ties a commit to something else that it uses up: an upload.
type claim struct {
	check func() error // before the commit; an error forbids it
	use   func()       // after it, when it is durable
}

// commit checks the condition and puts the file in its place, in one step for
// everybody who uses the lock, and makes it durable. The old generation's
// metadata goes last: until then a crash may bring its bytes back.
func (s *Store) commit(ctx context.Context, tmp, key string, cond store.Condition, taken *claim) error {
	unlock, err := s.lock.acquire(ctx)
	if err != nil {
		return err
	}
	old, changed, err := s.replace(tmp, key, cond, taken)
	if err == nil && taken != nil {
		if err = durable(changed...); err == nil {
			taken.use()
		}
		changed = nil
	}
	unlock()
	if err == nil {
		err = durable(changed...)
	}
	if err == nil && old != "" {
		_ = os.Remove(old)
	}
	return err
}

// replace makes tmp the key's file. The lock is held. old is the metadata
// that nothing refers to any more, or "".
func (s *Store) replace(tmp, key string, cond store.Condition, taken *claim) (old string, changed []string, err error) {
	o, err := s.find(key)
	exists := err == nil || errors.Is(err, errDamaged)
	if !exists && !errors.Is(err, store.ErrNotExist) {
		return "", nil, err
	}
	if cond.IfNone && exists || cond.IfMatch != "" && (!exists || o.meta.ETag != cond.IfMatch) {
		return "", nil, store.ErrPrecondition
	}
	if taken != nil {
		if err := taken.check(); err != nil {
			return "", nil, err
		}
	}
	place, changed, err := s.target(key)
	if err == nil {
		err = os.Rename(tmp, place)
	}
	if err != nil {
		if rel, nameErr := path(key); nameErr == nil {
			s.prune(filepath.Join(s.root, rel))
		}
		return "", nil, err
	}
	if exists {
		old = s.metaPath(key, o.fi)
	}
	return old, changed, nil
}

// durable makes the entries of directories survive a crash. One that somebody
// removed meanwhile has nothing left to lose.
func durable(dirs ...string) error {
	for _, d := range dirs {
		if err := syncDir(d); err != nil && !absent(err) {
			return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, errNotDurable, err)
		}
	}
	return nil
}
