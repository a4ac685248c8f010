package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Stream is one handle's position, by which going straight on is seen. One goroutine per kernel request may use it at once.
type Stream struct {
	r *Reader
	window
}

// NewStream begins at no position: the first read is taken for a seek.
func (r *Reader) NewStream() *Stream {
	s := &Stream{r: r}
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	if r.usable() == nil {
		r.streams[s] = struct{}{}
	}
	return s
}

// Close stops the stream's read-ahead.
func (s *Stream) Close() {
	e := s.r.e
	e.mu.Lock()
	defer e.leave()
	delete(s.r.streams, s)
	s.window = window{}
	s.r.sweep()
}

// ReadAt reads plaintext; io.EOF at the end as io.ReaderAt. Never mixes
// versions. ctx ends the wait, not what others wait for. The end of an empty
// object that has padding or a tag is reached only once that was checked.
func (s *Stream) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	r := s.r
	if off < 0 {
		return 0, fmt.Errorf("read at %d: negative offset", off)
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("read at %d: %w", off, err)
	}
	if err := r.fault(); err != nil {
		return 0, fmt.Errorf("read at %d: %w", off, err)
	}
	if r.lay.plain == 0 {
		if err := s.checkEmpty(ctx); err != nil {
			return 0, fmt.Errorf("read at %d: %w", off, err)
		}
	}
	if off >= r.lay.plain {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	short := int64(len(p)) > r.lay.plain-off
	if short {
		p = p[:r.lay.plain-off]
	}
	n, err := s.read(ctx, p, off)
	if err == nil {
		err = r.fault() // what is known to be false by now is not given out
	}
	switch {
	case errors.Is(err, ErrTampered):
		clear(p)
		return 0, fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)
	case err != nil:
		return n, fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)
	case short:
		return n, io.EOF
	}
	return n, nil
}

// read is ReadAt of a range that lies in the file.
func (s *Stream) read(ctx context.Context, p []byte, off int64) (n int, err error) {
	q := request{s: s, p: p, off: off}
	s.enter(off, int64(len(p)))
	defer s.exit(off, int64(len(p)))
	defer q.drop()
	for q.n < len(p) && err == nil {
		err = q.step(ctx)
	}
	if err == nil {
		s.topUp()
	}
	return q.n, err
}

// checkEmpty fetches the tail of an object without content, once.
func (s *Stream) checkEmpty(ctx context.Context) error {
	r := s.r
	if r.lay.blocks() == 0 || r.passed() {
		return nil
	}
	if r.gated {
		return r.awaitPass(ctx, 0, false)
	}
	q := request{s: s}
	defer q.drop()
	err := errAgain
	for errors.Is(err, errAgain) {
		if err = q.await(ctx); err == nil {
			q.pop(true)
		}
	}
	return err
}

// request is one ReadAt under way.
type request struct {
	s    *Stream
	p    []byte
	off  int64
	n    int      // bytes read so far
	held []*block // referred to, in order, the next one first
	plan bool     // read-ahead has been looked after
}

// block is the one that has the next byte.
func (q *request) block() int64 { return (q.off + int64(q.n)) / blockSize }

// end is the first block that is not wanted.
func (q *request) end() int64 { return max(q.block()+1, blocksIn(q.off+int64(len(q.p)))) }

// step reads what the next block has of the wanted bytes.
func (q *request) step(ctx context.Context) error {
	at := q.off + int64(q.n)
	i := q.block()
	from := int(at - i*blockSize)
	size := q.s.r.lay.plainLen(i)
	want := q.p[q.n:min(len(q.p), q.n+size-from)]
	if q.look() == nil && q.s.r.fromCache(want, at) {
		q.n += len(want)
		return nil
	}
	err := q.await(ctx)
	if errors.Is(err, errAgain) {
		return nil
	}
	if err != nil {
		return err
	}
	q.n += copy(want, q.held[0].data[from:])
	q.pop(from+len(want) == size)
	return nil
}

// look finds the next block in memory or on its way, and refers to those that
// follow it as well, so that another reader's being done with them does not
// make them go.
func (q *request) look() *block {
	if len(q.held) == 0 {
		r := q.s.r
		r.e.mu.Lock()
		for i := q.block(); i < q.end() && q.steady(i); i++ {
			b := r.take(i)
			if b == nil {
				break
			}
			q.held = append(q.held, b)
		}
		r.e.mu.Unlock()
	}
	if len(q.held) == 0 {
		return nil
	}
	return q.held[0]
}

// steady says that block i may be held while those before it are waited for: they
// come without waiting for memory, which block i may be holding. e.mu is held.
func (q *request) steady(i int64) bool {
	if len(q.held) == 0 {
		return true
	}
	f := q.held[len(q.held)-1].flight
	b := q.s.r.blocks[i]
	return f == nil || f.running || b != nil && b.flight == f
}

// await waits until the next block is in memory, fetching it if nobody does yet.
func (q *request) await(ctx context.Context) error {
	r := q.s.r
	if q.look() == nil {
		if r.gated {
			if err := r.awaitPass(ctx, q.block(), true); err != nil {
				return err
			}
		}
		var err error
		if q.held, err = q.s.demand(q.block(), q.end()); err != nil {
			return err
		}
	}
	if !q.plan {
		q.plan = true
		q.s.topUp()
	}
	b := q.held[0]
	if err := r.e.awaitBlock(ctx, b); err != nil {
		return err
	}
	if b.err != nil {
		q.drop()
		return b.err
	}
	return nil
}

// awaitBlock waits for a block that is on its way.
func (e *Engine) awaitBlock(ctx context.Context, b *block) error {
	select {
	case <-b.done:
		return nil
	default:
	}
	ctx, stop := e.patient(ctx)
	defer stop()
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// pop is done with the next block; read says that it was read to its end.
func (q *request) pop(read bool) {
	e := q.s.r.e
	b := q.held[0]
	q.held = q.held[1:]
	e.mu.Lock()
	defer e.leave()
	b.read = b.read || read
	b.release()
}

// drop is done with all blocks that are held.
func (q *request) drop() {
	if len(q.held) == 0 {
		return
	}
	e := q.s.r.e
	e.mu.Lock()
	defer e.leave()
	for _, b := range q.held {
		b.release()
	}
	q.held = nil
}
