package file

import (
	"context"
	"fmt"
	"io"

	"mcfs/spool"
	"mcfs/volume/fetch"
	"mcfs/volume/upload"
)

// draftView is a frozen draft whose absent bytes come from the version it replaces.
type draftView struct {
	c    *Content
	z    *spool.Frozen
	from *Origin
}

// ReadAt implements upload.View.
func (w *draftView) ReadAt(p []byte, off int64) (int, error) {
	k, err := w.z.ReadAt(p, off)
	if _, absent := absentRange(err); !absent {
		return k, err
	}
	ctx, cancel := context.WithTimeout(w.c.shared.Context, w.c.shared.CloseTimeout)
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
func (w *draftView) base(ctx context.Context, p []byte, off int64) (int, error) {
	for looks := 0; ; looks++ {
		s, reader, err := w.stream(ctx)
		if err != nil {
			return 0, err
		}
		if !w.from.note(reader) && looks < maxRetries {
			s.Close()
			continue // it has been replaced just now
		}
		k, err := w.c.readAgain(ctx, s, p, off)
		s.Close()
		switch {
		case err == nil, err == io.EOF && k == len(p):
			return k, nil
		case w.c.replaced(reader) && !w.left() && looks < maxRetries:
			continue
		}
		return k, fmt.Errorf("unchanged bytes of %s: %w: %w", w.c.host.Path(), ErrUnproven, AsIO(FromFetch(err)))
	}
}

// stream reads the base: through the file's own reader, or one apart where the file
// has been emptied since, and needs none.
func (w *draftView) stream(ctx context.Context) (*fetch.Stream, *fetch.Reader, error) {
	if w.left() {
		r, err := w.from.apart(ctx, w.c)
		if err != nil {
			return nil, nil, err
		}
		return r.NewStream(), r, nil
	}
	if err := w.c.prepareBase(ctx); err != nil {
		return nil, nil, err
	}
	return w.c.streamFor(ctx, nil)
}

// left reports whether the file's content has left the base since the freeze.
func (w *draftView) left() bool { return w.c.hasLeft(w.from.gen) }

// Release implements upload.View.
func (w *draftView) Release() {
	w.z.Release()
	w.from.release()
}

// emptyView is a file without bytes.
type emptyView struct{}

func (emptyView) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

func (emptyView) Release() {}

// again implements frozenView.
func (w *draftView) again() View {
	return &draftView{c: w.c, z: w.z.Again(), from: w.from.again()}
}

// Origin implements frozenView.
func (w *draftView) Origin() *Origin { return w.from }

func (w emptyView) again() View { return w }

func (emptyView) Origin() *Origin { return nil }

// View is a View that can be had once more, to be released by itself.
type View interface {
	upload.View
	again() View
	Origin() *Origin // of bytes of the base in it; nil: there are none
}

// freezeLocked is the content as it is now.
func (c *Content) freezeLocked() (View, error) {
	if c.sealed != nil {
		z, err := c.sealed.Freeze(0, -1)
		if err != nil {
			return nil, FromSpool(fmt.Errorf("freeze: %w", err))
		}
		return &draftView{c: c, z: z, from: c.originLocked()}, nil
	}
	if c.blank || c.Base == nil {
		return emptyView{}, nil
	}
	return nil, fmt.Errorf("freeze: no content: %w", ErrIO)
}

// frozenOf is the spool's view below a view; nil if there is none.
func frozenOf(f View) *spool.Frozen {
	if w, ok := f.(*draftView); ok {
		return w.z
	}
	return nil
}
