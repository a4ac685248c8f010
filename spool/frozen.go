package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"mcfs/crypt"
)

// Frozen is an immutable view of a file, with the file's offsets. Several goroutines may
// read it at once.
type Frozen struct {
	f        *File
	size     int64
	off, end int64

	mu    sync.RWMutex
	table table
	done  bool
}

var errOutside = errors.New("outside of the frozen range")

// ErrShort is returned if the file ends before the end of the range that a view is to have.
var ErrShort = errors.New("file is shorter")

// Freeze returns an immutable view of [off, off+n) as it is now; n of -1 is to the end.
// The error is ErrShort if the file is shorter. It takes time in proportion to n; later
// writes go to other slots.
func (f *File) Freeze(off, n int64) (*Frozen, error) {
	if off < 0 || n < -1 {
		return nil, fmt.Errorf("freeze %s at %d+%d: %w", f.id, off, n, errNegative)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, f.closedError()
	}
	end := f.size
	if off > end || n > end-off {
		return nil, fmt.Errorf("freeze %s at %d+%d of %d bytes: %w", f.id, off, n, end, ErrShort)
	}
	if n >= 0 {
		end = off + n
	}
	lo, hi := off/crypt.BlockSize, (end+crypt.BlockSize-1)/crypt.BlockSize
	if err := f.sealAll(lo, hi); err != nil {
		return nil, fmt.Errorf("freeze %s: %w", f.id, err)
	}
	z := &Frozen{f: f, size: f.size, off: off, end: end, table: f.table.copyRange(lo, hi)}
	z.table.each(lo, hi, func(_ int64, e entry) bool {
		f.slots.all[e.slot].refs++
		return true
	})
	f.pin()
	f.views[z] = struct{}{}
	return z, nil
}

// Again returns the same view once more. Each has to be released.
func (z *Frozen) Again() *Frozen {
	z.mu.RLock()
	defer z.mu.RUnlock()
	f := z.f
	f.mu.Lock()
	defer f.mu.Unlock()
	lo, hi := z.off/crypt.BlockSize, (z.end+crypt.BlockSize-1)/crypt.BlockSize
	y := &Frozen{f: f, size: z.size, off: z.off, end: z.end, table: z.table.copyRange(lo, hi), done: z.done}
	y.table.each(lo, hi, func(_ int64, e entry) bool {
		f.slots.all[e.slot].refs++
		return true
	})
	if !y.done {
		f.pin()
		f.views[y] = struct{}{}
	}
	return y
}

// Size returns the file's size at the freeze, in bytes.
func (z *Frozen) Size() int64 { return z.size }

// ReadAt is File.ReadAt of the view; it reads nothing outside of its range.
// io.EOF is the file's end, not the range's.
func (z *Frozen) ReadAt(p []byte, off int64) (int, error) {
	z.mu.RLock()
	defer z.mu.RUnlock()
	switch {
	case z.done:
		return 0, fmt.Errorf("frozen view of %s: %w", z.f.id, fs.ErrClosed)
	case off >= z.size:
		return 0, io.EOF
	case off < z.off || off > z.end || min(int64(len(p)), z.size-off) > z.end-off:
		return 0, fmt.Errorf("read %s at %d+%d: %w", z.f.id, off, len(p), errOutside)
	}
	z.f.use()
	return z.f.readTable(&z.table, nil, z.size, p, off)
}

// Absent is File.Absent within the view's range.
func (z *Frozen) Absent(off int64) (start, n int64, ok bool) {
	z.mu.RLock()
	defer z.mu.RUnlock()
	return z.table.absentRange(max(off, z.off), z.end)
}

// Release ends the view, whose slots may then be used again. It may be called more than
// once.
func (z *Frozen) Release() {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.done {
		return
	}
	z.done = true
	f := z.f
	f.mu.Lock()
	defer f.mu.Unlock()
	z.table.each(0, endOfBlocks, func(_ int64, e entry) bool {
		f.slots.unref(e.slot)
		return true
	})
	z.table = table{}
	delete(f.views, z)
	if !f.closed {
		f.punchIdle(maxIdle)
	}
	if err := f.unpin(); err != nil {
		f.s.log.Warn("a sealed file could not be closed", "id", f.id.String(), "err", err)
	}
}
