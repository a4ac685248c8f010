package volume

import (
	"context"
	"fmt"
	"io"

	"mcfs/spool"
)

// view is a frozen draft whose absent bytes come from the version it replaces.
type view struct {
	v *Volume
	n *Node
	z *spool.Frozen
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
			part = part[:min(int64(len(part)), at+length-max(at, start))]
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

func (w *view) base(ctx context.Context, p []byte, off int64) (int, error) {
	s, _, err := w.n.streamFor(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	k, err := w.n.readAgain(ctx, s, p, off)
	if err != nil && (err != io.EOF || k < len(p)) {
		return k, fmt.Errorf("unchanged bytes of %s: %w", w.n.Path(), fromFetch(err))
	}
	return k, nil
}

// Release implements upload.View.
func (w *view) Release() { w.z.Release() }

// blankView is a file without bytes.
type blankView struct{}

func (blankView) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (blankView) Release()                          {}
