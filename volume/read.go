package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/volume/fetch"
	"mcfs/volume/remote"
)

// read fills p from off through h: from the spool where it has the bytes, else
// from the version in the store.
func (n *Node) read(ctx context.Context, h *Handle, p []byte, off int64) (int, error) {
	for looks := 0; looks <= maxRetries; looks++ {
		n.lock()
		size, file, reader, blank, lost := n.size(), n.file, n.reader, n.blank, n.state == Lost
		hasBase, stored := n.ver != nil, n.stored != nil
		cached := n.state == Clean && n.gen <= n.committed && reader != nil // a removed draft is Clean, too
		n.unlock()
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
		if cached {
			file = nil // it holds what the pipeline has put there, which looks for itself
		}
		k, err := n.readFrom(ctx, h, file, reader, want, off)
		if errors.Is(err, errRetry) && looks < maxRetries {
			continue
		}
		if err == nil && k < len(p) {
			err = io.EOF
		}
		return k, err
	}
	return 0, n.stuck()
}

// errRetry: the content, or its place, changed between a look and a read.
var errRetry = fmt.Errorf("look again: %w", ErrStale)

// maxRetries is how often a read looks again; a file may be moved on as often meanwhile.
const maxRetries = 100

// readFrom composes p from the spool's file and the base version.
func (n *Node) readFrom(ctx context.Context, h *Handle, file *spool.File, reader *fetch.Reader, p []byte, off int64) (int, error) {
	if file == nil {
		return n.readBase(ctx, h, p, off)
	}
	if reader != nil && reader.HoldsBack() {
		// Blocks in the file may stem from a pass whose tag has not been checked yet (GCM).
		if err := reader.Verify(ctx); err != nil {
			return 0, n.lookElsewhere(ctx, reader, err)
		}
	}
	k, err := file.ReadAt(p, off)
	if _, absent := absentRange(err); !absent {
		if err == io.EOF {
			err = nil
		}
		return k, n.fromFile(ctx, file, err)
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
			part = p[done:min(int64(len(p)), start+length-off)]
			k, err := n.readBase(ctx, h, part, at)
			if err != nil || k == 0 {
				return done + k, err
			}
			done += k
			continue
		}
		k, err := file.ReadAt(part, at)
		if _, absent := absentRange(err); absent {
			return 0, errRetry // dropped just now
		}
		if err != nil && err != io.EOF {
			return done, n.fromFile(ctx, file, err)
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
func (n *Node) fromFile(ctx context.Context, file *spool.File, err error) error {
	if err == nil {
		return nil
	}
	if isSent(err) {
		if n.awaitCommit(ctx) {
			return errRetry
		}
		return n.outOfReach("cannot read a part of a file that was sent", err)
	}
	if errors.Is(err, spool.ErrCorrupt) {
		n.condemnCache(err)
	}
	n.lock()
	replaced := n.file != file
	n.unlock()
	if replaced {
		return errRetry
	}
	return fromSpool(err)
}

// readBase reads through the pipeline.
func (n *Node) readBase(ctx context.Context, h *Handle, p []byte, off int64) (int, error) {
	s, reader, err := n.streamFor(ctx, h)
	if err != nil {
		return 0, err
	}
	if err := n.missed(reader); err != nil {
		return 0, err
	}
	k, err := s.ReadAt(ctx, p, off)
	if err == nil || err == io.EOF {
		return k, nil
	}
	return k, n.lookElsewhere(ctx, reader, err)
}

// miss is a version that was looked for everywhere in vain.
type miss struct {
	reader *fetch.Reader
	until  time.Time
	err    error
}

// missFor is for how long reads of it then fail at once. A page fault that fails
// is repeated by the kernel when a signal came meanwhile, and a Go program's
// scheduler sends itself one every 10 ms: failing slowly, it would never end.
const missFor = 500 * time.Millisecond

// missed is the error of a version that has just been looked for in vain, or nil.
func (n *Node) missed(reader *fetch.Reader) error {
	n.lock()
	defer n.unlock()
	if m := n.miss; m != nil && m.reader == reader && time.Now().Before(m.until) {
		return m.err
	}
	n.miss = nil
	return nil
}

// lookElsewhere is errRetry where the bytes that reader could not get are elsewhere
// now, else the reading's error.
func (n *Node) lookElsewhere(ctx context.Context, reader *fetch.Reader, err error) error {
	if n.replaced(reader) && ctx.Err() == nil {
		return errRetry // a commit made another version meanwhile, with the same bytes here
	}
	if errors.Is(err, fetch.ErrStale) && n.relocate(ctx) {
		return errRetry
	}
	failure := n.readFailed(err)
	if errors.Is(err, fetch.ErrStale) && ctx.Err() == nil {
		n.lock()
		n.miss = &miss{reader, time.Now().Add(missFor), failure}
		n.unlock()
	}
	return failure
}

// relocate looks whether the version is still there under another ETag, as a
// copy onto itself or a sync by another tool leaves it, or where a rename of it
// or of a directory above took it: the IV names the version.
func (n *Node) relocate(ctx context.Context) bool {
	n.lock()
	ver := n.ver
	n.unlock()
	if ver == nil || ver.Foreign() {
		return false
	}
	for range maxLooks {
		key, etag := ver.Place()
		places, moving := n.places(ver)
		for _, place := range slices.Backward(places) {
			info, ours, err := n.v.remote.Find(ctx, ver, place)
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

// places are where a version of n may be, the latest last; moving says that it is
// on its way between them.
func (n *Node) places(ver *remote.Version) (places []string, moving bool) {
	key, _ := ver.Place()
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	path := v.path(n)
	places = v.moves.Since(key)
	for _, p := range append(v.stations(n), path) {
		places = append(places, v.moves.Sources(p)...) // in a directory that is on its way itself, perhaps
		if !slices.Contains(places, p) {
			places = append(places, p) // one that goes on its way only after the file has left it
		}
	}
	return places, n.queued > 0 || !v.moves.AtRest(path)
}

// stations are the places through which the renames that are queued take the file, and
// from which it is to be drawn; v.mu is held.
func (v *Volume) stations(n *Node) (places []string) {
	if n.queued == 0 {
		return nil
	}
	for _, c := range v.changes {
		switch {
		case c.node == n && c.Op == opRename:
			places = append(places, c.Path, c.To)
		case c.node == n && c.Op == opDraw:
			places = append(places, c.Path)
		}
	}
	return places
}

// readFailed gives the pipeline's error the words of this package, and takes
// what was cached of a tampered version out of use. The pipeline has logged
// that once; each read that follows fails with the same.
func (n *Node) readFailed(err error) error {
	if errors.Is(err, fetch.ErrTampered) {
		n.condemnCache(err)
	}
	return errorsIO(fromFetch(fmt.Errorf("read %s: %w", n.Path(), err)))
}

// streamFor is the handle's stream on the version that the node has now; a
// stream of its own, for the caller to close, where h is nil.
func (n *Node) streamFor(ctx context.Context, h *Handle) (*fetch.Stream, *fetch.Reader, error) {
	if err := n.prepareIfNeeded(ctx); err != nil {
		return nil, nil, err
	}
	n.lock()
	reader := n.reader
	n.unlock()
	if reader == nil {
		return nil, nil, fmt.Errorf("read %s: the version that has its unchanged bytes is gone: %w", n.Path(), ErrStale)
	}
	if h == nil {
		return reader.NewStream(), reader, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reader != reader || h.stream == nil {
		if h.stream != nil {
			n.v.background(h.stream.Close)
		}
		h.reader, h.stream = reader, reader.NewStream()
	}
	return h.stream, reader, nil
}

// readAgain reads, and once more if the version is still there under another ETag.
func (n *Node) readAgain(ctx context.Context, s *fetch.Stream, p []byte, off int64) (int, error) {
	k, err := s.ReadAt(ctx, p, off)
	if errors.Is(err, fetch.ErrStale) && n.relocate(ctx) {
		return s.ReadAt(ctx, p, off)
	}
	return k, err
}

// fill brings absent blocks of the base into the spool's file.
func (n *Node) fill(ctx context.Context, off, length int64) error {
	n.lock()
	file := n.file
	n.unlock()
	if file == nil {
		return nil
	}
	s, reader, err := n.streamFor(ctx, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	buf := make([]byte, crypt.BlockSize)
	for end := off + length; off < end; off += crypt.BlockSize {
		k, err := n.readAgain(ctx, s, buf, off)
		if err != nil && err != io.EOF {
			if n.replaced(reader) && ctx.Err() == nil {
				return nil // the file has them without it now, or another version: the caller looks again
			}
			return errorsIO(fromFetch(fmt.Errorf("read %s: %w", n.Path(), err)))
		}
		if k == 0 {
			return n.unfilled(file, off)
		}
		if err := file.Fill(buf[:k], off); err != nil {
			return fromSpool(err)
		}
		file.ClearClean(off, crypt.BlockSize) // whoever needs it here writes a part of it next, and that needs room, too
	}
	return nil
}

// unfilled is an error if the file still lacks the byte at off, which the version turned
// out not to have: to try again would not bring it.
func (n *Node) unfilled(file *spool.File, off int64) error {
	if at, _, absent := file.Absent(off); !absent || at > off {
		return nil
	}
	return fmt.Errorf("read %s: its version has no byte %d: %w", n.Path(), off, ErrIO)
}
