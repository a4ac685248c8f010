package file

import (
	"context"
	"errors"
	"fmt"

	"mcfs/spool"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
)

// PrepareIfNeeded opens the read pipeline where some bytes are only in the store.
// What a recovered draft has of them only its sealed file tells.
func (c *Content) PrepareIfNeeded(ctx context.Context) error {
	if err := c.Revive(ctx); err != nil {
		return err
	}
	c.Lock()
	need := c.reader == nil && c.Base != nil && !c.blank
	if need && c.sealed != nil {
		_, _, need = c.sealed.Absent(0)
	}
	c.Unlock()
	if !need {
		return nil
	}
	return c.prepare(ctx)
}

// LockOpening admits one at a time to what fetches a description or a key.
func (c *Content) LockOpening(ctx context.Context) error {
	c.Lock()
	if c.opening == nil {
		c.opening = make(chan struct{}, 1)
	}
	c.openers++
	opening := c.opening
	c.Unlock()
	select {
	case opening <- struct{}{}:
		return nil
	case <-ctx.Done():
		c.Lock()
		defer c.Unlock()
		c.leaveOpeningLocked()
		return context.Cause(ctx)
	}
}

func (c *Content) UnlockOpening() {
	c.Lock()
	defer c.Unlock()
	<-c.opening
	c.leaveOpeningLocked()
}

// leaveOpeningLocked counts one opener less.
func (c *Content) leaveOpeningLocked() {
	if c.openers--; c.openers == 0 {
		c.opening = nil
	}
}

// prepare unwraps the version's key, opens the pipeline and, if the spool has
// room, a sealed file for what it fetches.
func (c *Content) prepare(ctx context.Context) error {
	if err := c.host.Describe(ctx); err != nil {
		return err
	}
	if err := c.LockOpening(ctx); err != nil {
		return err
	}
	defer c.UnlockOpening()
	c.Lock()
	ver, file := c.Base, c.sealed
	ready := c.reader != nil || ver == nil || c.blank
	c.Unlock()
	if ready {
		return nil
	}
	path := c.host.Path()
	if ver.Damage != nil {
		return fmt.Errorf("open %s: %w", path, AsIO(ver.Damage))
	}
	if ver.Foreign() {
		return c.install(ver, nil, nil)
	}
	if _, etag := ver.Place(); etag == "" {
		c.Relocate(ctx) // it arrived after a rename of it was journaled, which is all that is left of it
	}
	wrapped, keyID := ver.DataKey()
	key, err := c.shared.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		if errors.Is(err, ErrLocked) {
			c.shared.Log.Error("file cannot be read", "path", path, "cause", err)
		}
		return fmt.Errorf("key of %s: %w", path, AsIO(err))
	}
	defer clear(key)
	if file == nil {
		file = c.cacheFile(ver, key, path)
	}
	return c.install(ver, key, file)
}

// cacheFile makes the sealed file for blocks of ver; nil if the spool cannot.
func (c *Content) cacheFile(ver *remote.Version, key []byte, path string) *spool.File {
	wrapped, keyID := ver.DataKey()
	f, err := c.shared.Spool.Create(spool.Header{ID: c.fileID(), Wrapped: wrapped, KeyID: keyID, Path: path}, key)
	if err != nil {
		c.shared.Log.Warn("reading without a cache", "path", path, "cause", err)
		return nil
	}
	if err := f.SetBase(ver.Plain); err != nil {
		c.shared.Log.Warn("reading without a cache", "path", path, "cause", err)
		c.shared.drop(f)
		return nil
	}
	f.SetClean(0, -1)
	return f
}

// baseCache is what a sealed file has of a version, without what has been written over
// it: who reads the version, for a commit of an earlier content say, must not get that.
type baseCache struct{ *spool.File }

// ReadAt implements fetch.Cache.
func (c baseCache) ReadAt(p []byte, off int64) (int, error) { return c.ReadBase(p, off) }

// install opens the reader and makes it the node's, unless the version is another meanwhile.
func (c *Content) install(ver *remote.Version, key []byte, file *spool.File) error {
	var cache fetch.Cache
	if file != nil {
		cache = baseCache{file}
	}
	reader, err := c.shared.Fetches.Open(ver.Fetchable(), key, cache)
	if err != nil {
		c.shared.Log.Error("file cannot be read", "path", c.host.Path(), "cause", err)
	}
	if err == nil && !ver.Foreign() {
		ver.NoteCheck(reader.Check())
	}
	c.Lock()
	defer c.Unlock()
	mine := c.sealed == nil && file != nil
	if err != nil || c.Base != ver || c.reader != nil || c.blank {
		if mine {
			c.shared.drop(file)
		}
		if err != nil {
			return AsIO(err)
		}
		c.shared.Run(reader.Close)
		return nil
	}
	c.reader = reader
	if mine {
		wrapped, keyID := ver.DataKey()
		c.adoptLocked(file, wrapped, keyID)
	}
	return nil
}

// condemnCache takes what was cached of a version that turned out to be
// tampered with, or the cache to be damaged, out of use; it is kept in quarantine.
func (c *Content) condemnCache(cause error) {
	c.Lock()
	defer c.Unlock()
	if c.State != Clean || c.sealed == nil {
		return
	}
	if err := c.shared.Spool.Quarantine(c.sealed.ID(), "integrity check failed: "+cause.Error()); err != nil {
		c.shared.Log.Warn("a sealed file could not be moved to quarantine", "id", c.sealed.ID(), "cause", err)
	}
	if err := c.sealed.Close(); err != nil {
		c.shared.Log.Warn("a sealed file could not be closed", "id", c.sealed.ID(), "cause", err)
	}
	c.sealed = nil
}

func (c *Content) IsKnown() bool {
	c.Lock()
	defer c.Unlock()
	return c.KnownLocked()
}

// SetBaseLocked makes ver the committed content.
func (c *Content) SetBaseLocked(ver *remote.Version) {
	c.Base, c.Replaces, c.described = ver, ver, true
	c.Attr = ver.Attr()
}

// prepareBase opens the read pipeline of the version, also where the file as it is
// now needs no byte of it.
func (c *Content) prepareBase(ctx context.Context) error {
	c.Lock()
	missing := c.reader == nil && c.Base != nil
	c.Unlock()
	if !missing {
		return nil
	}
	return c.prepare(ctx)
}

// replaced reports whether reader is not the one of the file's version any more.
func (c *Content) replaced(reader *fetch.Reader) bool {
	c.Lock()
	defer c.Unlock()
	return c.reader != reader
}

// ErrNoSpace: the spool has no space for a whole version.
var ErrNoSpace = errors.New("no room in the spool")

// FetchAll brings every absent byte into the spool's file.
func (c *Content) FetchAll(ctx context.Context) error {
	for {
		if err := c.Revive(ctx); err != nil {
			return err
		}
		if err := c.PrepareIfNeeded(ctx); err != nil {
			return err
		}
		c.Lock()
		file, blank := c.sealed, c.blank || c.Base == nil || c.Base.Plain == 0
		c.Unlock()
		if file == nil {
			if blank {
				return nil
			}
			return fmt.Errorf("%w for %s", ErrNoSpace, c.host.Path())
		}
		file.ClearClean(0, -1)
		at, length, absent := file.Absent(0)
		if !absent {
			return c.proveDrawn(ctx)
		}
		if err := c.fill(ctx, at, length); err != nil {
			return err
		}
	}
}

// proveDrawn checks the base of a file that has all its bytes: they are about to be
// the only copy.
func (c *Content) proveDrawn(ctx context.Context) error {
	c.Lock()
	o := c.originLocked()
	c.Unlock()
	defer o.release()
	return c.ProveBase(ctx, o)
}

// CutLooseLocked takes the base away from a file that has all its bytes itself. It reports
// false where some may have come from the base since that was checked.
func (c *Content) CutLooseLocked() bool {
	if c.carriesUncheckedLocked() {
		return false
	}
	if c.sealed == nil {
		c.blank = true
	}
	if c.Replaces == c.Base {
		c.Replaces = nil
	}
	c.Base = nil
	c.CloseReaderLocked()
	return true
}

// CloseReaderLocked closes the read pipeline, behind.
func (c *Content) CloseReaderLocked() {
	if r := c.reader; r != nil {
		c.reader = nil
		c.shared.Background(r.Close)
	}
}
