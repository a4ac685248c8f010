package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"mcfs/store"
)

// A copy under a condition is one by parts, of which every server is expected to heed the
// condition at the end. Some compatible servers have no UploadPartCopy. There CopyObject
// takes the condition, if the server heeds it, and else a look before the copy has to do.

// errNoPartCopy: the server has no UploadPartCopy.
var errNoPartCopy = errors.New("the server has no UploadPartCopy")

// errUnheeded: the server does not take that condition on the target of a CopyObject.
var errUnheeded = errors.New("the server takes no condition on the target of a copy")

// What is known of whether a server heeds a condition on the target of CopyObject.
const (
	heedUnknown int32 = iota
	heeds
	heedsNot
)

// detour is what a server has shown of how it copies under a condition.
type detour struct {
	taken       atomic.Bool  // it has no UploadPartCopy
	none, match atomic.Int32 // what CopyObject makes of IfNone, and of IfMatch
	told        atomic.Bool  // that it makes nothing of one
}

func (d *detour) of(c store.Condition) *atomic.Int32 {
	if c.IfNone {
		return &d.none
	}
	return &d.match
}

// notOffered reports whether an answer says that the server does not have the operation.
func notOffered(err error) bool {
	switch statusOf(err) {
	case http.StatusNotImplemented, http.StatusMethodNotAllowed, http.StatusLengthRequired:
		return true
	}
	return false
}

// takeDetour notes that the server has no UploadPartCopy, and says so once.
func (s *Store) takeDetour(cause error) {
	if !s.detour.taken.Swap(true) {
		s.o.Log.Warn("the server has no UploadPartCopy: objects are renamed by CopyObject", "server", s.where(), "cause", cause)
	}
}

// copyDetour copies under a condition without UploadPartCopy.
func (s *Store) copyDetour(ctx context.Context, c store.Copy) (store.Info, error) {
	var info store.Info
	var err error
	switch s.detour.of(c.Condition).Load() {
	case heeds:
		info, err = s.copyWhole(ctx, c)
	case heedsNot:
		info, err = s.copyLooking(ctx, c)
	default:
		info, err = s.copyTrying(ctx, c)
	}
	if err == nil && c.Moved != nil {
		c.Moved(c.Size)
	}
	return info, err
}

// copyLooking looks whether the condition holds, and then copies without it. What another
// machine puts there between the two is replaced.
func (s *Store) copyLooking(ctx context.Context, c store.Copy) (store.Info, error) {
	if err := s.lookAtTarget(ctx, c); err != nil {
		return store.Info{}, err
	}
	c.Condition = store.Condition{}
	return s.copyWhole(ctx, c)
}

func (s *Store) lookAtTarget(ctx context.Context, c store.Copy) error {
	info, err := s.Head(ctx, c.Target)
	gone := errors.Is(err, store.ErrNotExist)
	switch {
	case err != nil && !gone:
		return err
	case c.Condition.IfNone && gone, c.Condition.IfMatch != "" && !gone && info.ETag == c.Condition.IfMatch:
		return nil
	}
	return fmt.Errorf("copy to %s: %w", s.Address(c.Target), store.ErrPrecondition)
}

// copyTrying finds out, with the copy that is to be made and nothing else, whether the
// server heeds the condition: once it holds by a look, the server is asked under one that
// does not hold. What it does all the same is the copy after a look.
func (s *Store) copyTrying(ctx context.Context, c store.Copy) (store.Info, error) {
	if err := s.lookAtTarget(ctx, c); err != nil {
		return store.Info{}, err
	}
	var made store.Info
	wrong := c
	if c.Condition.IfNone { // which does not hold any more once the copy is there
		var err error
		if made, err = s.copyWhole(ctx, c); err != nil {
			return s.copyUnheeded(ctx, c, err)
		}
	} else {
		wrong.Condition.IfMatch = `"00000000000000000000000000000000"`
	}
	info, err := s.copyWhole(ctx, wrong)
	switch {
	case err == nil:
		s.learn(c.Condition, heedsNot)
		return info, nil
	case errors.Is(err, errUnheeded):
		return s.copyUnheeded(ctx, c, err)
	case !errors.Is(err, store.ErrPrecondition):
		return store.Info{}, err
	}
	// It may have been the source that was another.
	if info, lookErr := s.Head(ctx, c.Source); lookErr != nil || info.ETag != c.SourceIfMatch {
		return store.Info{}, err
	}
	s.learn(c.Condition, heeds)
	if c.Condition.IfNone {
		return made, nil
	}
	return s.copyWhole(ctx, c)
}

// copyUnheeded goes on where the server refuses to be asked under a condition at all.
func (s *Store) copyUnheeded(ctx context.Context, c store.Copy, err error) (store.Info, error) {
	if !errors.Is(err, errUnheeded) {
		return store.Info{}, err
	}
	s.learn(c.Condition, heedsNot)
	return s.copyLooking(ctx, c)
}

func (s *Store) learn(c store.Condition, what int32) {
	s.detour.of(c).Store(what)
	if what == heedsNot && !s.detour.told.Swap(true) {
		s.o.Log.Warn("the server copies whatever stands under the new name: that is looked for before each copy; "+
			"what another machine saves there in the same moment is replaced", "server", s.where())
	}
}
