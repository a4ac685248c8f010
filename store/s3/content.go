package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mcfs/store"
)

// content shows the SDK exactly Size bytes of a caller's body, from its start.
// The SDK takes its reader away from the connection before a call returns or
// is tried again, so the caller has the body back then.
type content struct {
	rs   io.ReadSeeker
	size int64
	off  int64
}

// newContent refuses a body that is too short before anything leaves: a server
// may keep what it got of an upload that breaks off, if the checksum fits.
func newContent(b store.Body) (*content, error) {
	end, err := b.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if end < b.Size || b.Size < 0 {
		return nil, fmt.Errorf("%w: %d bytes, not %d", errShortBody, end, b.Size)
	}
	return &content{rs: b.ReadSeeker, size: b.Size, off: -1}, nil
}

func (c *content) Read(p []byte) (int, error) {
	if c.off < 0 {
		if _, err := c.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
	}
	if c.off >= c.size {
		return 0, io.EOF
	}
	n, err := c.rs.Read(p[:min(int64(len(p)), c.size-c.off)])
	c.off += int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if c.off < c.size {
			err = errShortBody
		}
	}
	return n, err
}

func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += max(c.off, 0)
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 || offset > c.size {
		return 0, fmt.Errorf("seek to %d of %d bytes", offset, c.size)
	}
	if offset == c.size { // only to learn the size: nothing to read there
		c.off = offset
		return offset, nil
	}
	if _, err := c.rs.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	c.off = offset
	return offset, nil
}

// download is the body of a Get: it ends with io.EOF only after all the bytes
// that the answer promised.
type download struct {
	s    *Store
	ctx  context.Context // of the Get, to tell its end from a network's failure
	key  string
	body io.ReadCloser
	left int64
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && d.left == 0:
		return n, io.EOF
	case d.ctx.Err() != nil:
		return n, d.s.failure(d.ctx, "read", d.key, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, fmt.Errorf("read %s: %w: %d bytes missing: %w", d.s.Address(d.key), store.ErrUnavailable, d.left, io.ErrUnexpectedEOF)
	}
	return n, fmt.Errorf("read %s: %w: %w", d.s.Address(d.key), store.ErrUnavailable, err)
}

func (d *download) Close() error { return d.body.Close() }
