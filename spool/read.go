package spool

import (
	"errors"
	"fmt"
	"io"

	"mcfs/crypt"
)

var errNegative = errors.New("negative offset or length")

// ReadAt is io.ReaderAt. The error is an *AbsentError if the base has one of the bytes, a
// *SentError if only an upload has it; p may then be filled in part.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.use()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return 0, f.closedError()
	}
	return f.readTable(&f.table, f.dirty, f.size, p, off)
}

// ReadBase is ReadAt for bytes that the base has, too (SetClean). The error is an
// *AbsentError if the file has none, or others.
func (f *File) ReadBase(p []byte, off int64) (int, error) {
	f.use()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return 0, f.closedError()
	}
	for i := off / crypt.BlockSize; i < blocksOf(min(off+int64(len(p)), f.size)); {
		s, ok := f.clean.next(i)
		if !ok || s.lo > i {
			return 0, &AbsentError{off, int64(len(p))}
		}
		i = s.hi
	}
	return f.readTable(&f.table, f.dirty, f.size, p, off)
}

// readTable is ReadAt for a state of the file: its dirty blocks, and for the others its
// table.
func (f *File) readTable(t *table, dirty map[int64]*dirtyBlock, size int64, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s at %d: %w", f.id, off, errNegative)
	}
	if off >= size {
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), size-off))
	for done := 0; done < want; {
		at := off + int64(done)
		i, from := at/crypt.BlockSize, int(at%crypt.BlockSize)
		if from == 0 {
			if run := runAt(t, dirty, i, want-done); run != nil {
				n := len(run) * crypt.BlockSize
				if err := f.unsealRun(p[done:done+n], i, run); err != nil {
					return 0, err
				}
				done += n
				continue
			}
		}
		out := p[done:min(want, done+crypt.BlockSize-from)]
		if b := dirty[i]; b != nil {
			copy(out, b.buf[from:])
		} else if err := f.readBlock(t, i, from, out, off+int64(want)); err != nil {
			return 0, err
		}
		done += len(out)
	}
	if want < len(p) {
		return want, io.EOF
	}
	return want, nil
}

// readBlock fills out with block i from byte from on. limit is where the whole read ends,
// which the error tells.
func (f *File) readBlock(t *table, i int64, from int, out []byte, limit int64) error {
	valid := t.valid(i)
	if from >= valid {
		clear(out)
		return nil
	}
	e, ok := t.get(i)
	if !ok {
		return t.missingUntil(i, limit)
	}
	if from == 0 && len(out) >= int(e.n) { // straight into the caller's buffer
		if err := f.unseal(out, i, e); err != nil {
			clear(out)
			return err
		}
		clear(out[valid:])
		return nil
	}
	buf := blockPool.Get().(*block)
	defer putBlock(buf)
	if err := f.unseal(buf[:], i, e); err != nil {
		return err
	}
	n := 0
	if from < valid {
		n = copy(out, buf[from:valid])
	}
	clear(out[n:])
	return nil
}

// Absent returns the first range at or after off that only the base has; ok is false if
// there is none. It can be fetched and given to Fill as it is: start is a block's, at most
// a block before off, and the range ends with a block or with the base.
func (f *File) Absent(off int64) (start, n int64, ok bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.table.absentRange(off, f.size)
}

// Data returns the first data at or after off, as SEEK_DATA of lseek(2), by whole blocks;
// ok is false if none follows. Absent blocks count as data.
func (f *File) Data(off int64) (at int64, ok bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if off < 0 || off >= f.size {
		return 0, false
	}
	i := off / crypt.BlockSize
	next := int64(endOfBlocks)
	if s, ok := f.table.absent.next(i); ok {
		next = min(next, s.lo)
	}
	f.table.each(i, next, func(k int64, _ entry) bool {
		next = k
		return false
	})
	for k := range f.dirty {
		if k >= i {
			next = min(next, k)
		}
	}
	if next == endOfBlocks {
		return 0, false
	}
	return max(off, next*crypt.BlockSize), true
}

// Hole returns the first hole at or after off, as SEEK_HOLE of lseek(2). The file's end is
// one.
func (f *File) Hole(off int64) (at int64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	off = max(off, 0)
	i := off / crypt.BlockSize
	for i*crypt.BlockSize < f.size && i < endOfBlocks {
		if s, ok := f.table.absent.next(i); ok && s.lo == i {
			i = s.hi
			continue
		}
		_, stored := f.table.get(i)
		if !stored && f.dirty[i] == nil {
			return max(off, i*crypt.BlockSize)
		}
		i++
	}
	return f.size
}
