package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"mcfs/volume/fetch"
)

// copyStep is how much plaintext is in memory at once, for each file.
const copyStep = 1 << 20

// copyPlain writes what a version decrypts to, which has size bytes. What is wrong in it is found
// before the end (fetch).
func copyPlain(ctx context.Context, w io.Writer, r *fetch.Reader, size int64) error {
	s := r.NewStream()
	defer s.Close()
	buf := make([]byte, min(copyStep, max(size, 1)))
	defer clear(buf)
	var off int64
	for {
		n, err := s.ReadAt(ctx, buf, off)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			off += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF) && off == size:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("it ends at %d of %d bytes: %w", off, size, io.ErrUnexpectedEOF)
		case err != nil:
			return err
		}
	}
}

// errDiffers: two contents are not the same.
var errDiffers = errors.New("it is another content")

// comparing is written what a content is to be, to the end.
type comparing struct {
	content io.Reader
	buf     []byte
}

func (c *comparing) Write(p []byte) (int, error) {
	if len(c.buf) < len(p) {
		c.buf = make([]byte, len(p))
	}
	_, err := io.ReadFull(c.content, c.buf[:len(p)])
	defer clear(c.buf)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, errDiffers
	case err != nil:
		return 0, err
	case !bytes.Equal(p, c.buf[:len(p)]):
		return 0, errDiffers
	}
	return len(p), nil
}

// reading is a reader that ends with its context.
type reading struct {
	ctx context.Context
	io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}
