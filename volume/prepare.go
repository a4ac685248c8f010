package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
)

// prepareIfNeeded opens the read pipeline where some bytes are only in the store.
// What a recovered draft has of them only its sealed file tells.
func (n *Node) prepareIfNeeded(ctx context.Context) error {
	if err := n.revive(ctx); err != nil {
		return err
	}
	n.lock()
	need := n.reader == nil && n.ver != nil && !n.blank
	if need && n.file != nil {
		_, _, need = n.file.Absent(0)
	}
	n.unlock()
	if !need {
		return nil
	}
	return n.prepare(ctx)
}

// lockOpening admits one at a time to what fetches a description or a key.
func (n *Node) lockOpening(ctx context.Context) error {
	n.lock()
	if n.opening == nil {
		n.opening = make(chan struct{}, 1)
	}
	n.openers++
	opening := n.opening
	n.unlock()
	select {
	case opening <- struct{}{}:
		return nil
	case <-ctx.Done():
		n.lock()
		defer n.unlock()
		n.leaveOpening()
		return context.Cause(ctx)
	}
}

func (n *Node) unlockOpening() {
	n.lock()
	defer n.unlock()
	<-n.opening
	n.leaveOpening()
}

// leaveOpening counts one opener less; n is locked.
func (n *Node) leaveOpening() {
	if n.openers--; n.openers == 0 {
		n.opening = nil
	}
}

// prepare unwraps the version's key, opens the pipeline and, if the spool has
// room, a sealed file for what it fetches.
func (n *Node) prepare(ctx context.Context) error {
	if err := n.describe(ctx); err != nil {
		return err
	}
	if err := n.lockOpening(ctx); err != nil {
		return err
	}
	defer n.unlockOpening()
	n.lock()
	ver, file := n.ver, n.file
	ready := n.reader != nil || ver == nil || n.blank
	n.unlock()
	if ready {
		return nil
	}
	path := n.Path()
	if ver.Damage != nil {
		return fmt.Errorf("open %s: %w", path, errorsIO(ver.Damage))
	}
	if ver.Foreign() {
		return n.install(ver, nil, nil)
	}
	if _, etag := ver.Place(); etag == "" {
		n.relocate(ctx) // it arrived after a rename of it was journaled, which is all that is left of it
	}
	wrapped, keyID := ver.DataKey()
	key, err := n.v.unwrap(ctx, wrapped, keyID)
	if err != nil {
		if errors.Is(err, errLocked) {
			n.v.log.Error("file cannot be read", "path", path, "cause", err)
		}
		return fmt.Errorf("key of %s: %w", path, errorsIO(err))
	}
	defer clear(key)
	if file == nil {
		file = n.cacheFile(ver, key, path)
	}
	return n.install(ver, key, file)
}

// cacheFile makes the sealed file for blocks of ver; nil if the spool cannot.
func (n *Node) cacheFile(ver *remote.Version, key []byte, path string) *spool.File {
	wrapped, keyID := ver.DataKey()
	f, err := n.v.spool.Create(spool.Header{ID: n.fileID(), Wrapped: wrapped, KeyID: keyID, Path: path}, key)
	if err != nil {
		n.v.log.Warn("reading without a cache", "path", path, "cause", err)
		return nil
	}
	if err := f.SetBase(ver.Plain); err != nil {
		n.v.log.Warn("reading without a cache", "path", path, "cause", err)
		n.v.dropFile(f)
		return nil
	}
	f.SetClean(0, -1)
	return f
}

// dropFile deletes a sealed file that nobody needs; what goes wrong is logged.
func (v *Volume) dropFile(f *spool.File) {
	if err := v.discardFile(f); err != nil {
		v.log.Warn("remove sealed file", "id", f.ID(), "cause", err)
	}
}

// baseCache is what a sealed file has of a version, without what has been written over
// it: who reads the version, for a commit of an earlier content say, must not get that.
type baseCache struct{ *spool.File }

// ReadAt implements fetch.Cache.
func (c baseCache) ReadAt(p []byte, off int64) (int, error) { return c.ReadBase(p, off) }

// install opens the reader and makes it the node's, unless the version is another meanwhile.
func (n *Node) install(ver *remote.Version, key []byte, file *spool.File) error {
	var cache fetch.Cache
	if file != nil {
		cache = baseCache{file}
	}
	reader, err := n.v.fetches.Open(ver.Fetchable(), key, cache)
	if err != nil {
		n.v.log.Error("file cannot be read", "path", n.Path(), "cause", err)
	}
	if err == nil && !ver.Foreign() {
		ver.NoteCheck(reader.Check())
	}
	n.lock()
	defer n.unlock()
	mine := n.file == nil && file != nil
	if err != nil || n.ver != ver || n.reader != nil || n.blank {
		if mine {
			n.v.dropFile(file)
		}
		if err != nil {
			return errorsIO(err)
		}
		n.v.queue.Run(reader.Close)
		return nil
	}
	n.reader = reader
	if mine {
		wrapped, keyID := ver.DataKey()
		n.adopt(file, wrapped, keyID)
	}
	return nil
}

// condemnCache takes what was cached of a version that turned out to be
// tampered with, or the cache to be damaged, out of use; it is kept in quarantine.
func (n *Node) condemnCache(cause error) {
	n.lock()
	defer n.unlock()
	if n.state != Clean || n.file == nil {
		return
	}
	if err := n.v.spool.Quarantine(n.file.ID(), "integrity check failed: "+cause.Error()); err != nil {
		n.v.log.Warn("quarantine", "id", n.file.ID(), "cause", err)
	}
	if err := n.file.Close(); err != nil {
		n.v.log.Warn("close sealed file", "id", n.file.ID(), "cause", err)
	}
	n.file = nil
}

// describe makes stat answerable: it loads the version of a clean file that
// only a listing has named so far, or has shown to be described otherwise now.
func (n *Node) describe(ctx context.Context) error {
	if err := n.awaitClear(ctx); err != nil {
		return err
	}
	if n.isKnown() {
		n.upToDate(ctx)
		return nil
	}
	if err := n.lockOpening(ctx); err != nil {
		return err
	}
	defer n.unlockOpening()
	if n.isKnown() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, waitUnknown)
	defer cancel()
	begun := time.Now()
	ver, err := n.v.loadListed(ctx, n)
	if errors.Is(err, store.ErrNotExist) {
		n.v.expireAbove(n)
		return fmt.Errorf("describe: removed elsewhere: %w", ErrStale) // the kernel looks the name up again
	}
	if err != nil {
		return errorsIO(err)
	}
	n.lock()
	if !n.known() {
		n.setVersion(ver)
	}
	n.unlock()
	if ver.FromStore {
		n.v.mu.Lock()
		n.seen = instantOf(begun)
		n.v.mu.Unlock()
	}
	if after := ver.Recheck(); after > 0 {
		n.v.recheckAfter(n, after)
	}
	return nil
}

func (n *Node) isKnown() bool {
	n.lock()
	defer n.unlock()
	return n.known()
}

// setVersion makes ver the node's committed content.
func (n *Node) setVersion(ver *remote.Version) {
	n.ver, n.replaces, n.described = ver, ver, true
	n.attr = ver.Attr()
}
