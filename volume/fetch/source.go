package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"mcfs/store"
)

const (
	// getDeadline ends a GET that takes absurdly long; the rest is asked for
	// anew. The store has a much shorter one for a call without progress.
	getDeadline = 2 * time.Minute
	// maxFailures is how many times in a row a source may fail without a byte between.
	maxFailures = 4
	// maxMoves is how many renames one request follows.
	maxMoves = 8
	// firstPause and maxPause are the limits of the growing wait between attempts.
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// errShort: the object has other bytes than its version says, at the ETag of that version.
var errShort = errors.New("object has another size than its version")

// source reads a range of the object in order, over as many GETs as it takes:
// it goes on at the byte where one broke, and follows renames. Not for
// concurrent use.
type source struct {
	ctx      context.Context
	store    store.Store
	moving   *movement
	timeout  time.Duration // how long to wait for a byte, over all tries
	version  *Version
	off, end int64 // what is still to be read

	body     io.ReadCloser
	stop     context.CancelFunc // of the GET that gives body
	failures int                // since the last byte
	moved    time.Time          // when the last byte came, or the first was asked for
}

// fill reads exactly len(p) bytes.
func (s *source) fill(p []byte) error {
	if s.moved.IsZero() {
		s.moved = time.Now()
	}
	for len(p) > 0 {
		if s.body == nil {
			if err := s.connect(); err != nil {
				if err := s.pause(err); err != nil {
					return err
				}
				continue
			}
		}
		n, err := s.body.Read(p)
		p, s.off = p[n:], s.off+int64(n)
		if n > 0 {
			s.failures, s.moved = 0, time.Now()
			s.moving.byteCame()
		}
		if err == nil {
			continue
		}
		s.close()
		if err == io.EOF {
			if len(p) > 0 {
				return fmt.Errorf("it ends at %d: %w", s.off, s.wrongSize())
			}
			return nil
		}
		if err := s.pause(fmt.Errorf("body broke at %d: %w: %w", s.off, store.ErrUnavailable, err)); err != nil {
			return err
		}
	}
	return nil
}

// pause waits before the next attempt, or returns why there is none.
func (s *source) pause(cause error) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.failures++
	frozen := time.Since(s.moved) >= s.timeout
	if frozen {
		s.moving.froze()
	}
	if s.failures > maxFailures || frozen || !passing(cause) {
		return cause
	}
	wait := min(maxPause, firstPause<<(s.failures-1))
	timer := time.NewTimer(wait/2 + rand.N(wait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// passing says that trying again may help.
func passing(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, store.ErrChecksum) || errors.Is(err, context.DeadlineExceeded)
}

// connect opens a GET for what is left, where the version is now.
func (s *source) connect() error {
	key, etag := s.version.Locate()
	for moves := 0; ; moves++ {
		err := s.get(key, etag)
		if !errors.Is(err, store.ErrNotExist) && !errors.Is(err, store.ErrPrecondition) {
			return err
		}
		nowKey, nowTag := s.version.Locate()
		if nowKey == key && nowTag == etag || moves == maxMoves {
			return fmt.Errorf("get %s: %w: %v", key, ErrStale, err)
		}
		key, etag = nowKey, nowTag
	}
}

func (s *source) get(key, etag string) error {
	ctx, stop := context.WithTimeout(s.ctx, getDeadline)
	answer := time.AfterFunc(s.timeout-time.Since(s.moved), stop)
	body, info, err := s.store.Get(ctx, key, store.Range{Offset: s.off, Length: s.end - s.off}, etag)
	if !answer.Stop() && s.ctx.Err() == nil {
		err = errFrozen
		if body != nil {
			body.Close()
		}
	}
	if err != nil {
		stop()
		return fmt.Errorf("get %s, %d bytes at %d: %w", key, s.end-s.off, s.off, err)
	}
	s.body, s.stop = body, stop
	if bears := s.version.Bears; bears != nil && !bears(info.Metadata) {
		s.close()
		return fmt.Errorf("get %s: it is the object of another version: %w", key, ErrTampered)
	}
	if info.Size != s.version.Cipher {
		s.close()
		return fmt.Errorf("get %s: %d bytes, not %d: %w", key, info.Size, s.version.Cipher, s.wrongSize())
	}
	return nil
}

// wrongSize is ErrTampered for what mcfs knows the size of; a foreign object
// has simply been replaced.
func (s *source) wrongSize() error {
	if s.version.Mode == 0 {
		return fmt.Errorf("%w: %w", ErrStale, errShort)
	}
	return fmt.Errorf("%w: %w", ErrTampered, errShort)
}

// close ends the GET under way, if any.
func (s *source) close() {
	if s.body == nil {
		return
	}
	s.body.Close()
	s.stop()
	s.body, s.stop = nil, nil
}
