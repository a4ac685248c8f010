package volume

import (
	"context"
)

// The mode bits of fallocate(2).
const (
	keepSize  = 0x01
	punchHole = 0x02
	zeroRange = 0x10
)

// The whence values of lseek(2) that reach a file system.
const (
	seekData = 3
	seekHole = 4
)

// Allocate is fallocate(2): the size grows unless mode keeps it, a punched or
// zeroed range reads as zeros. No room is reserved: the spool's quota decides at write.
func (h *Handle) Allocate(ctx context.Context, off, length int64, mode uint32) error {
	if !h.writable() {
		return ErrReadOnly
	}
	if h.document != nil || mode&^(keepSize|punchHole|zeroRange) != 0 {
		return ErrNotSupported
	}
	if off < 0 || length <= 0 {
		return ErrInvalid
	}
	end := off + length
	if end < 0 {
		return ErrTooBig
	}
	if err := h.n.v.shared.CheckSize(end); err != nil {
		return err
	}
	if mode&(punchHole|zeroRange) != 0 {
		if err := h.n.punch(ctx, off, length); err != nil {
			h.failed(off, off+length, err)
			return err
		}
	}
	if mode&keepSize != 0 {
		h.touch()
		return nil
	}
	h.n.content.Lock()
	size := h.n.content.SizeLocked()
	h.n.content.Unlock()
	if end > size {
		if err := h.n.truncate(ctx, h, end); err != nil {
			h.failed(size, end, err)
			return err
		}
	}
	h.touch()
	return nil
}

// touch notes a change through this handle that its close is to commit.
func (h *Handle) touch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written, h.done = true, false
}

// Seek is lseek's SEEK_DATA and SEEK_HOLE; ErrNoData where there is none.
func (h *Handle) Seek(ctx context.Context, off int64, whence int) (int64, error) {
	n := h.n
	n.content.Lock()
	defer n.content.Unlock()
	size := n.content.SizeLocked()
	if h.document != nil {
		size = h.document.Size()
	}
	switch {
	case off < 0 || off >= size:
		return 0, ErrNoData
	case whence != seekData && whence != seekHole:
		return 0, ErrInvalid
	case h.document == nil:
		at, ok := n.content.SeekLocked(off, whence == seekData)
		if !ok {
			return 0, ErrNoData
		}
		return at, nil
	case whence == seekData:
		return off, nil
	}
	return size, nil
}
