package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
)

// Cursor is where one handle reads in the base, and by whom a write failed.
type Cursor struct {
	Direct bool // the handle was opened with O_DIRECT

	mu     sync.Mutex
	stream *fetch.Stream
	reader *fetch.Reader // stream's
}

// Close lets go of the stream, which may take a while.
func (at *Cursor) Close() (wait func()) {
	at.mu.Lock()
	defer at.mu.Unlock()
	s := at.stream
	if at.stream = nil; s == nil {
		return nil
	}
	return s.Close
}

// Read fills p from off through a cursor: from the spool where it has the bytes, else
// from the version in the store.
func (c *Content) Read(ctx context.Context, at *Cursor, p []byte, off int64) (int, error) {
	for looks := 0; looks <= maxRetries; looks++ {
		c.Lock()
		size, file, reader, blank, lost := c.SizeLocked(), c.sealed, c.reader, c.blank, c.State == Lost
		hasBase, stored := c.Base != nil, c.stored != nil
		cached := c.State == Clean && c.Gen <= c.Committed && reader != nil // a removed draft is Clean, too
		c.Unlock()
		if stored {
			if err := c.Revive(ctx); err != nil {
				return 0, err
			}
			continue
		}
		if lost {
			return 0, fmt.Errorf("its draft is in quarantine: %w", ErrIO)
		}
		if off >= size || blank {
			return 0, io.EOF
		}
		want := p[:min(int64(len(p)), size-off)]
		if file == nil && reader == nil {
			if !hasBase {
				return 0, io.EOF
			}
			if err := c.prepare(ctx); err != nil {
				return 0, err
			}
			continue
		}
		if cached {
			file = nil // it holds what the pipeline has put there, which looks for itself
		}
		k, err := c.readFrom(ctx, at, file, reader, want, off)
		if errors.Is(err, errRetry) && looks < maxRetries {
			continue
		}
		if err == nil && k < len(p) {
			err = io.EOF
		}
		return k, err
	}
	return 0, c.stuck()
}

// errRetry: the content, or its place, changed between a look and a read.
var errRetry = fmt.Errorf("look again: %w", ErrStale)

// maxRetries is how often a read looks again; a file may be moved on as often meanwhile.
const maxRetries = 100

// readFrom composes p from the spool's file and the base version.
func (c *Content) readFrom(ctx context.Context, at *Cursor, file *spool.File, reader *fetch.Reader, p []byte, off int64) (int, error) {
	if file == nil {
		return c.readBase(ctx, at, p, off)
	}
	if reader != nil && reader.HoldsBack() {
		// Blocks in the file may stem from a pass whose tag has not been checked yet (GCM).
		if err := reader.Verify(ctx); err != nil {
			return 0, c.lookElsewhere(ctx, reader, err)
		}
	}
	k, err := file.ReadAt(p, off)
	if _, absent := absentRange(err); !absent {
		if err == io.EOF {
			err = nil
		}
		return k, c.fromFile(ctx, file, err)
	}
	for done := 0; done < len(p); {
		next := off + int64(done)
		start, length, ok := file.Absent(next)
		var part []byte
		switch {
		case !ok || start >= off+int64(len(p)):
			part = p[done:]
		case start > next:
			part = p[done : start-off]
		default:
			part = p[done:min(int64(len(p)), start+length-off)]
			k, err := c.readBase(ctx, at, part, next)
			if err != nil || k == 0 {
				return done + k, err
			}
			done += k
			continue
		}
		k, err := file.ReadAt(part, next)
		if _, absent := absentRange(err); absent {
			return 0, errRetry // dropped just now
		}
		if err != nil && err != io.EOF {
			return done, c.fromFile(ctx, file, err)
		}
		if k == 0 {
			break
		}
		done += k
	}
	return len(p), nil
}

// fromFile says what an error of the sealed file means: what the disk has damaged
// of a version that is in the store is fetched anew.
func (c *Content) fromFile(ctx context.Context, file *spool.File, err error) error {
	if err == nil {
		return nil
	}
	if IsSent(err) {
		if c.host.AwaitCommit(ctx) {
			return errRetry
		}
		return c.outOfReach("cannot read a part of a file that was sent", err)
	}
	if errors.Is(err, spool.ErrCorrupt) {
		c.condemnCache(err)
	}
	c.Lock()
	replaced := c.sealed != file
	c.Unlock()
	if replaced {
		return errRetry
	}
	return FromSpool(err)
}

// readBase reads through the pipeline.
func (c *Content) readBase(ctx context.Context, at *Cursor, p []byte, off int64) (int, error) {
	s, reader, err := c.streamFor(ctx, at)
	if err != nil {
		return 0, err
	}
	if err := c.missed(reader); err != nil {
		return 0, err
	}
	k, err := s.ReadAt(ctx, p, off)
	if err == nil || err == io.EOF {
		return k, nil
	}
	return k, c.lookElsewhere(ctx, reader, err)
}

// miss is a version that was looked for everywhere in vain.
type miss struct {
	reader *fetch.Reader
	until  time.Time
	err    error
}

// MissFor is for how long reads of it then fail at once. A page fault that fails
// is repeated by the kernel when a signal came meanwhile, and a Go program's
// scheduler sends itself one every 10 ms: failing slowly, it would never end.
const MissFor = 500 * time.Millisecond

// missed is the error of a version that has just been looked for in vain, or nil.
func (c *Content) missed(reader *fetch.Reader) error {
	c.Lock()
	defer c.Unlock()
	if m := c.miss; m != nil && m.reader == reader && time.Now().Before(m.until) {
		return m.err
	}
	c.miss = nil
	return nil
}

// lookElsewhere is errRetry where the bytes that reader could not get are elsewhere
// now, else the reading's error.
func (c *Content) lookElsewhere(ctx context.Context, reader *fetch.Reader, err error) error {
	if c.replaced(reader) && ctx.Err() == nil {
		return errRetry // a commit made another version meanwhile, with the same bytes here
	}
	if errors.Is(err, fetch.ErrStale) && c.Relocate(ctx) {
		return errRetry
	}
	failure := c.readFailed(err)
	if errors.Is(err, fetch.ErrStale) && ctx.Err() == nil {
		c.Lock()
		c.miss = &miss{reader, time.Now().Add(MissFor), failure}
		c.Unlock()
	}
	return failure
}

// Relocate looks whether the version is still there under another ETag, as a
// copy onto itself or a sync by another tool leaves it, or where a rename of it
// or of a directory above took it: the IV names the version.
func (c *Content) Relocate(ctx context.Context) bool {
	c.Lock()
	ver := c.Base
	c.Unlock()
	if ver == nil || ver.Foreign() {
		return false
	}
	for range remote.MaxLooks {
		key, etag := ver.Place()
		places, moving := c.host.Places(ver)
		for _, place := range slices.Backward(places) {
			info, ours, err := c.shared.Remote.Find(ctx, ver, place)
			if err == nil && ours && info.Size == ver.Cipher {
				ver.FoundAt(key, etag, place, info.ETag)
				return true
			}
		}
		if !moving { // else it may have come to one place just after it was looked at, and have left the next just before
			return false
		}
	}
	return false
}

// readFailed gives the pipeline's error the words of this package, and takes
// what was cached of a tampered version out of use. The pipeline has logged
// that once; each read that follows fails with the same.
func (c *Content) readFailed(err error) error {
	if errors.Is(err, fetch.ErrTampered) {
		c.condemnCache(err)
	}
	return AsIO(FromFetch(fmt.Errorf("read %s: %w", c.host.Path(), err)))
}

// streamFor is the cursor's stream on the version that the file has now; one for the
// caller to close, where there is no cursor.
func (c *Content) streamFor(ctx context.Context, at *Cursor) (*fetch.Stream, *fetch.Reader, error) {
	if err := c.PrepareIfNeeded(ctx); err != nil {
		return nil, nil, err
	}
	c.Lock()
	reader := c.reader
	c.Unlock()
	if reader == nil {
		return nil, nil, fmt.Errorf("read %s: the version that has its unchanged bytes is gone: %w", c.host.Path(), ErrStale)
	}
	if at == nil {
		return reader.NewStream(), reader, nil
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.reader != reader || at.stream == nil {
		if at.stream != nil {
			c.shared.Background(at.stream.Close)
		}
		at.reader, at.stream = reader, reader.NewStream()
	}
	return at.stream, reader, nil
}

// readAgain reads, and once more if the version is still there under another ETag.
func (c *Content) readAgain(ctx context.Context, s *fetch.Stream, p []byte, off int64) (int, error) {
	k, err := s.ReadAt(ctx, p, off)
	if errors.Is(err, fetch.ErrStale) && c.Relocate(ctx) {
		return s.ReadAt(ctx, p, off)
	}
	return k, err
}

// fill brings absent blocks of the base into the spool's file.
func (c *Content) fill(ctx context.Context, off, length int64) error {
	c.Lock()
	file := c.sealed
	c.Unlock()
	if file == nil {
		return nil
	}
	s, reader, err := c.streamFor(ctx, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	buf := make([]byte, crypt.BlockSize)
	for end := off + length; off < end; off += crypt.BlockSize {
		k, err := c.readAgain(ctx, s, buf, off)
		if err != nil && err != io.EOF {
			if c.replaced(reader) && ctx.Err() == nil {
				return nil // the file has them without it now, or another version: the caller looks again
			}
			return AsIO(FromFetch(fmt.Errorf("read %s: %w", c.host.Path(), err)))
		}
		if k == 0 {
			return c.unfilled(file, off)
		}
		if err := file.Fill(buf[:k], off); err != nil {
			return FromSpool(err)
		}
		file.ClearClean(off, crypt.BlockSize) // whoever needs it here writes a part of it next, and that needs room, too
	}
	return nil
}

// unfilled is an error if the file still lacks the byte at off, which the version turned
// out not to have: to try again would not bring it.
func (c *Content) unfilled(file *spool.File, off int64) error {
	if at, _, absent := file.Absent(off); !absent || at > off {
		return nil
	}
	return fmt.Errorf("read %s: its version has no byte %d: %w", c.host.Path(), off, ErrIO)
}
