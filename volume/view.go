package volume

import (
	"context"
	"fmt"
	"io"

	"mcfs/spool"
	"mcfs/volume/fetch"
)

// view is a frozen draft whose absent bytes come from the version it replaces.
type view struct {
	v    *Volume
	n    *Node
	z    *spool.Frozen
	from *origin
}

// ReadAt implements upload.View.
func (w *view) ReadAt(p []byte, off int64) (int, error) {
	k, err := w.z.ReadAt(p, off)
	if _, absent := absentRange(err); !absent {
		return k, err
	}
	ctx, cancel := context.WithTimeout(w.v.ctx, w.v.o.CloseTimeout)
	defer cancel()
	for done := 0; done < len(p); {
		at := off + int64(done)
		start, length, ok := w.z.Absent(at)
		part := p[done:]
		var k int
		var err error
		if ok && start <= at {
			part = part[:min(int64(len(part)), start+length-at)]
			k, err = w.base(ctx, part, at)
		} else {
			if ok {
				part = part[:min(int64(len(part)), start-at)]
			}
			k, err = w.z.ReadAt(part, at)
		}
		done += k
		if err != nil && (err != io.EOF || k < len(part)) {
			return done, err
		}
	}
	return len(p), nil
}

// base reads bytes of the version that the draft is a change of. The file may have
// been emptied since the freeze, and its reader closed.
func (w *view) base(ctx context.Context, p []byte, off int64) (int, error) {
	for looks := 0; ; looks++ {
		s, reader, err := w.stream(ctx)
		if err != nil {
			return 0, err
		}
		if !w.from.note(reader) && looks < maxRetries {
			s.Close()
			continue // it has been replaced just now
		}
		k, err := w.n.readAgain(ctx, s, p, off)
		s.Close()
		switch {
		case err == nil, err == io.EOF && k == len(p):
			return k, nil
		case w.n.replaced(reader) && !w.left() && looks < maxRetries:
			continue
		}
		return k, fmt.Errorf("unchanged bytes of %s: %w: %w", w.n.Path(), errUnproven, errorsIO(fromFetch(err)))
	}
}

// stream reads the base: through the file's own reader, or one apart where the file
// has been emptied since, and needs none.
func (w *view) stream(ctx context.Context) (*fetch.Stream, *fetch.Reader, error) {
	if w.left() {
		r, err := w.from.apart(ctx, w.n)
		if err != nil {
			return nil, nil, err
		}
		return r.NewStream(), r, nil
	}
	if err := w.n.prepareBase(ctx); err != nil {
		return nil, nil, err
	}
	return w.n.streamFor(ctx, nil)
}

// left reports whether the file's content has left the base since the freeze.
func (w *view) left() bool { return w.n.hasLeft(w.from.gen) }

// prepareBase opens the read pipeline of the version, also where the file as it is
// now needs no byte of it.
func (n *Node) prepareBase(ctx context.Context) error {
	n.lock()
	missing := n.reader == nil && n.ver != nil
	n.unlock()
	if !missing {
		return nil
	}
	return n.prepare(ctx)
}

// replaced says that reader is not the one of the file's version any more.
func (n *Node) replaced(reader *fetch.Reader) bool {
	n.lock()
	defer n.unlock()
	return n.reader != reader
}

// Release implements upload.View.
func (w *view) Release() {
	w.z.Release()
	w.from.release()
}

// blankView is a file without bytes.
type blankView struct{}

func (blankView) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (blankView) Release()                          {}
