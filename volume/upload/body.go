package upload

import (
	"context"
	"errors"
	"io"
	"sync"

	"mcfs/crypt"
	"mcfs/store"
)

// errRevoked is what a store meets that reads a body after its call has returned.
var errRevoked = errors.New("body read after the call it was for")

// guarded is a body that can be taken back. HTTP clients are known to go on
// reading a request's body for a moment after the request has failed; by then
// its buffer may hold the next part's plaintext. revoke waits for a Read under
// way and makes every later one fail.
type guarded struct {
	mu   sync.Mutex
	r    io.ReadSeeker // nil once revoked
	pos  int64
	note func(pos int64) // told how far the store has read; may be nil
}

func (g *guarded) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.r == nil {
		return 0, errRevoked
	}
	n, err := g.r.Read(p)
	g.pos += int64(n)
	if g.note != nil && n > 0 {
		g.note(g.pos)
	}
	return n, err
}

func (g *guarded) Seek(offset int64, whence int) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.r == nil {
		return 0, errRevoked
	}
	pos, err := g.r.Seek(offset, whence)
	if err == nil {
		g.pos = pos
	}
	return pos, err
}

func (g *guarded) revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.r = nil
}

// content is one part's ciphertext on its way: in memory, or a stream.
type content struct {
	size   int64
	crc    uint32
	guard  guarded
	stream *stream // nil if in memory
}

func (c *content) body() store.Body {
	return store.Body{ReadSeeker: &c.guard, Size: c.size, CRC32C: c.crc}
}

// revoke takes the content back after a call of the store that ended with err.
// If the call failed because the draft could not be read, that is the error.
func (c *content) revoke(err error) error {
	c.guard.revoke()
	if err != nil && c.stream != nil && c.stream.err != nil {
		return c.stream.err
	}
	return err
}

// stream is the ciphertext of a part too large to be held: each chunk is made
// when it is read. Not for concurrent use (guarded sees to it).
type stream struct {
	ctx  context.Context
	w    *work
	size int64  // ciphertext, tail included
	buf  []byte // room for one chunk and the tail
	pos  int64

	chunk []byte   // made last; nil if none
	at    int64    // its offset
	chain [16]byte // CBC: the block before the chunk at next
	next  int64    // CBC: the chunk that can be made next
	err   error    // the view's; kept, since a store may report it as something else
}

func newStream(ctx context.Context, w *work, size int64, buf []byte) *stream {
	return &stream{ctx: ctx, w: w, size: size, buf: buf, chain: w.start}
}

func (s *stream) Read(p []byte) (int, error) {
	if s.pos >= s.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	// The tail may begin where a chunk would: it belongs to the last one.
	at := min(s.pos, max(s.w.n-1, 0)) / chunkSize * chunkSize
	if s.chunk == nil || s.at != at {
		if err := s.load(at); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.chunk[s.pos-at:])
	s.pos += int64(n)
	return n, nil
}

// load makes the chunk at at. In CBC those before it come first.
func (s *stream) load(at int64) error {
	s.chunk = nil
	from := at
	if s.w.cipher.Mode() == crypt.CBC {
		if s.next > at {
			s.next, s.chain = 0, s.w.start
		}
		from = s.next
	}
	for ; from <= at; from += chunkSize {
		chunk, err := s.w.again(s.ctx, s.buf, from, &s.chain)
		if err != nil {
			s.err = err
			return err
		}
		s.chunk, s.at, s.next = chunk, from, from+chunkSize
	}
	return nil
}

func (s *stream) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a part")
	}
	s.pos = offset
	return offset, nil
}
