package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/volume/fetch"
)

// read fills p from off through h: from the spool where it has the bytes, else
// from the version in the store.
func (n *Node) read(ctx context.Context, h *Handle, p []byte, off int64) (int, error) {
	for {
		n.mu.Lock()
		size, file, reader, blank, lost := n.size(), n.file, n.reader, n.blank, n.state == Lost
		hasBase, stored := n.ver != nil, n.stored != nil
		n.mu.Unlock()
		if stored {
			if err := n.revive(ctx); err != nil {
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
			if err := n.prepare(ctx); err != nil {
				return 0, err
			}
			continue
		}
		k, err := n.readFrom(ctx, h, file, reader, want, off)
		if errors.Is(err, errRetry) {
			continue
		}
		if err == nil && k < len(p) {
			err = io.EOF
		}
		return k, err
	}
}

// errRetry: the content changed between a look and a read.
var errRetry = errors.New("look again")

// readFrom composes p from the spool's file and the base version.
func (n *Node) readFrom(ctx context.Context, h *Handle, file *spool.File, reader *fetch.Reader, p []byte, off int64) (int, error) {
	if file == nil {
		return n.readBase(ctx, h, p, off)
	}
	if reader != nil && reader.HoldsBack() {
		// Blocks in the file may stem from a pass whose tag has not been checked yet (GCM).
		if err := reader.Verify(ctx); err != nil {
			return 0, n.readFailed(err)
		}
	}
	k, err := file.ReadAt(p, off)
	if _, absent := absentRange(err); !absent {
		if err == io.EOF {
			err = nil
		}
		return k, fromSpool(err)
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		start, length, ok := file.Absent(at)
		var part []byte
		switch {
		case !ok || start >= off+int64(len(p)):
			part = p[done:]
		case start > at:
			part = p[done : start-off]
		default:
			part = p[done:min(int64(len(p)), at+length-off)]
			if k, err := n.readBase(ctx, h, part, at); err != nil || k == 0 {
				return done + k, err
			} else {
				done += k
			}
			continue
		}
		k, err := file.ReadAt(part, at)
		if _, absent := absentRange(err); absent {
			return 0, errRetry // dropped just now
		}
		if err != nil && err != io.EOF {
			return done, fromSpool(err)
		}
		if k == 0 {
			break
		}
		done += k
	}
	return len(p), nil
}

// readBase reads through the pipeline.
func (n *Node) readBase(ctx context.Context, h *Handle, p []byte, off int64) (int, error) {
	s, err := n.streamFor(ctx, h)
	if err != nil {
		return 0, err
	}
	k, err := s.ReadAt(ctx, p, off)
	if err == io.EOF {
		return k, nil
	}
	if err != nil {
		return k, n.readFailed(err)
	}
	return k, nil
}

// readFailed gives the pipeline's error the words of this package, and takes
// what was cached of a tampered version out of use.
func (n *Node) readFailed(err error) error {
	if errors.Is(err, fetch.ErrTampered) {
		n.v.log.Error("file does not match its integrity check and is not shown", "path", n.Path(), "cause", err)
		n.condemnCache()
	}
	return errorsIO(fromFetch(fmt.Errorf("read %s: %w", n.Path(), err)))
}

// streamFor is the handle's stream on the version that the node has now.
func (n *Node) streamFor(ctx context.Context, h *Handle) (*fetch.Stream, error) {
	if err := n.prepareIfNeeded(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	reader := n.reader
	n.mu.Unlock()
	if reader == nil {
		// Blocks of a draft that were sent and dropped: there is no version to read them from yet.
		n.v.log.Error("cannot read a part that was sent and dropped from the full spool before its commit; raise spool.max_size",
			"path", n.Path())
		return nil, ErrFull
	}
	if h == nil {
		return reader.NewStream(), nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reader != reader || h.stream == nil {
		if h.stream != nil {
			n.v.work.add(h.stream.Close)
		}
		h.reader, h.stream = reader, reader.NewStream()
	}
	return h.stream, nil
}

// fill brings absent blocks of the base into the spool's file.
func (n *Node) fill(ctx context.Context, off, length int64) error {
	n.mu.Lock()
	file := n.file
	n.mu.Unlock()
	if file == nil {
		return nil
	}
	s, err := n.streamFor(ctx, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	buf := make([]byte, crypt.BlockSize)
	for end := off + length; off < end; off += crypt.BlockSize {
		k, err := s.ReadAt(ctx, buf, off)
		if err != nil && err != io.EOF {
			return errorsIO(fromFetch(fmt.Errorf("read %s: %w", n.Path(), err)))
		}
		if k == 0 {
			return nil
		}
		if err := file.Fill(buf[:k], off); err != nil {
			return fromSpool(err)
		}
	}
	return nil
}

// prepareIfNeeded opens the read pipeline where some bytes are only in the store.
func (n *Node) prepareIfNeeded(ctx context.Context) error {
	n.mu.Lock()
	need := n.reader == nil && n.ver != nil && !n.blank
	if need && n.file != nil {
		_, _, need = n.file.Absent(0)
	}
	n.mu.Unlock()
	if !need {
		return nil
	}
	return n.prepare(ctx)
}

// lockOpening admits one at a time to what fetches a description or a key.
func (n *Node) lockOpening(ctx context.Context) error {
	select {
	case n.opening <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *Node) unlockOpening() { <-n.opening }

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
	n.mu.Lock()
	ver, file := n.ver, n.file
	ready := n.reader != nil || ver == nil || n.blank
	n.mu.Unlock()
	if ready {
		return nil
	}
	path := n.Path()
	if ver.damage != nil {
		return fmt.Errorf("open %s: %w", path, ver.damage)
	}
	if ver.foreign() {
		return n.install(ver, nil, nil)
	}
	key, err := n.v.keeper.Unwrap(ctx, ver.wrapped, ver.keyID)
	if err != nil {
		if errors.Is(err, keys.ErrMalformed) {
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
func (n *Node) cacheFile(ver *version, key []byte, path string) *spool.File {
	f, err := n.v.spool.Create(spool.Header{ID: spool.NewID(), Wrapped: ver.wrapped, KeyID: ver.keyID, Path: path}, key)
	if err != nil {
		n.v.log.Warn("reading without a cache", "path", path, "cause", err)
		return nil
	}
	if err := f.SetBase(ver.fetchable().Plain); err != nil {
		n.v.log.Warn("reading without a cache", "path", path, "cause", err)
		n.v.dropFile(f)
		return nil
	}
	f.SetEvictable(0, -1)
	return f
}

// dropFile deletes a sealed file that nobody needs; what goes wrong is logged.
func (v *Volume) dropFile(f *spool.File) {
	if err := v.discardFile(f); err != nil {
		v.log.Warn("remove sealed file", "id", f.ID(), "cause", err)
	}
}

// install opens the reader and makes it the node's, unless the version is another meanwhile.
func (n *Node) install(ver *version, key []byte, file *spool.File) error {
	var cache fetch.Cache
	if file != nil {
		cache = file
	}
	reader, err := n.v.fetches.Open(ver.fetchable(), key, cache)
	n.mu.Lock()
	defer n.mu.Unlock()
	mine := n.file == nil && file != nil
	if err != nil || n.ver != ver || n.reader != nil || n.blank {
		if mine {
			n.v.dropFile(file)
		}
		if err != nil {
			n.v.log.Error("file cannot be read", "inode", n.ino, "cause", err)
			return errorsIO(err)
		}
		n.v.work.add(reader.Close)
		return nil
	}
	n.reader = reader
	if mine {
		ver.mu.Lock()
		n.adopt(file, ver.wrapped, ver.keyID)
		ver.mu.Unlock()
	}
	return nil
}

// condemnCache takes what was cached of a version that turned out to be
// tampered with out of use; it is kept in quarantine.
func (n *Node) condemnCache() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != Clean || n.file == nil {
		return
	}
	if err := n.v.spool.Quarantine(n.file.ID(), "integrity check failed"); err != nil {
		n.v.log.Warn("quarantine", "id", n.file.ID(), "cause", err)
	}
	n.file = nil
}

// describe makes stat answerable: it loads the version of a clean file that
// only a listing has named so far.
func (n *Node) describe(ctx context.Context) error {
	n.mu.Lock()
	known := n.known()
	n.mu.Unlock()
	if known {
		return nil
	}
	if err := n.lockOpening(ctx); err != nil {
		return err
	}
	defer n.unlockOpening()
	n.mu.Lock()
	known = n.known()
	n.mu.Unlock()
	if known {
		return nil
	}
	n.v.mu.Lock()
	key, l := n.v.path(n), n.listed
	n.v.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, waitUnknown)
	defer cancel()
	ver, err := n.v.load(ctx, key, l)
	if err != nil {
		return errorsIO(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known() {
		return nil
	}
	n.setVersion(ver)
	return nil
}

// setVersion makes ver the node's committed content.
func (n *Node) setVersion(ver *version) {
	n.ver, n.replaces, n.described = ver, ver, true
	ver.mu.Lock()
	n.attr = ver.attr
	ver.mu.Unlock()
}

// unidle takes a node that is opened out of the list of those that may be forgotten.
func (v *Volume) unidle(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !n.onIdle {
		return
	}
	n.onIdle = false
	for i, x := range v.idle {
		if x == n {
			v.idle = append(v.idle[:i], v.idle[i+1:]...)
			return
		}
	}
}

// toIdle keeps a file that nobody has open any more, with its descriptor, key
// and cached blocks, and lets the oldest such go.
func (v *Volume) toIdle(n *Node) {
	v.mu.Lock()
	if n.onIdle {
		v.mu.Unlock()
		return
	}
	n.onIdle = true
	v.idle = append(v.idle, n)
	var old []*Node
	for len(v.idle) > maxIdle {
		old = append(old, v.idle[0])
		v.idle[0].onIdle = false
		v.idle = v.idle[1:]
	}
	if n.gone {
		old = append(old, n)
	}
	v.mu.Unlock()
	for _, n := range old {
		n.forgetCache()
	}
}

// forgetCache lets go of a clean file's blocks and key. A draft keeps its own.
func (n *Node) forgetCache() {
	n.v.mu.Lock()
	gone := n.gone
	n.v.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.opens > 0 || (n.state != Clean && !gone) {
		return
	}
	n.letGo()
}

// letGo closes the reader and removes the sealed file; n.mu is held.
func (n *Node) letGo() {
	if r := n.reader; r != nil {
		n.reader = nil
		n.v.background(r.Close)
	}
	if f := n.file; f != nil {
		n.file = nil
		n.v.dropFile(f)
	}
	n.fresh.Wipe()
}

// background runs what only lets go of things; Close waits for it.
func (v *Volume) background(f func()) { v.wg.Go(f) }

// waitForRoom waits, while uploads make progress and so make room, for the spool.
func (v *Volume) waitForRoom(cause error) obstacle {
	return func(ctx context.Context) error {
		before := v.moved()
		deadline := time.Now().Add(v.o.CloseTimeout)
		for v.uploading() && time.Now().Before(deadline) {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-v.ctx.Done():
				return ErrShutdown
			}
			if v.moved() != before {
				return nil
			}
		}
		v.log.Error("spool is full; raise spool.max_size or free the disk", "cause", cause)
		return errors.Join(ErrFull, cause)
	}
}

// uploading says whether anything is leaving that will make room; moved counts what has left.
func (v *Volume) uploading() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.mu.Lock()
		leaving := n.up != nil || n.starting
		n.mu.Unlock()
		if leaving || n.attempt != nil {
			return true
		}
	}
	return false
}

func (v *Volume) moved() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	sum := v.finished
	for n := range v.busy {
		n.mu.Lock()
		if n.up != nil {
			sum += n.up.Progress()
		}
		n.mu.Unlock()
		if n.attempt != nil {
			sum += n.attempt.progress()
		}
	}
	return sum
}

// releaseAll closes every sealed file at the end: drafts stay on disk, caches go.
func (v *Volume) releaseAll() {
	v.mu.Lock()
	var all []*Node
	v.walk(v.root, func(n *Node) { all = append(all, n) })
	all = append(all, v.idle...)
	v.idle = nil
	v.mu.Unlock()
	for _, n := range all {
		n.mu.Lock()
		if n.reader != nil {
			n.reader.Close()
			n.reader = nil
		}
		if f := n.file; f != nil {
			n.file = nil
			if n.state == Clean {
				v.dropFile(f)
			} else if err := f.Close(); err != nil {
				v.log.Warn("close draft", "id", f.ID(), "cause", err)
			}
		}
		n.fresh.Wipe()
		n.mu.Unlock()
	}
}
