package spool

import (
	"fmt"

	"mcfs/crypt"
)

// Truncate sets the size. What a file grows by is a hole; a block that is cut has zeros
// after the cut.
func (f *File) Truncate(size int64) error {
	if err := checkSize(size); err != nil {
		return fmt.Errorf("truncate %s to %d: %w", f.id, size, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.closedError()
	}
	if size >= f.size {
		f.size = size // what lies behind the old end is zeros already: see below, and table.cut
		return nil
	}
	f.size, f.written = size, min(f.written, size)
	i, n := size/crypt.BlockSize, int(size%crypt.BlockSize)
	if n > 0 {
		f.cutBlock(i, n)
		i++
	}
	f.clearBlocks(i, endOfBlocks)
	f.punchIdle(maxIdle)
	return nil
}

func checkSize(size int64) error {
	switch {
	case size < 0:
		return errNegative
	case size > maxFile:
		return ErrTooBig
	}
	return nil
}

// cutBlock makes the bytes of a block from n on zeros. The caller holds f.mu.
func (f *File) cutBlock(i int64, n int) {
	if b := f.dirty[i]; b != nil {
		clear(b.buf[n:])
		b.run = min(b.run, n)
	}
	f.table.cut(i, n)
	f.touched.add(i, i+1)
	f.unmark(i, i+1)
}

// clearBlocks makes whole blocks holes. The caller holds f.mu.
func (f *File) clearBlocks(lo, hi int64) {
	if lo >= hi {
		return
	}
	for _, b := range f.dirtyIn(lo, hi) {
		f.forget(b)
	}
	f.clearTable(lo, hi)
}

// clearTable is clearBlocks but for dirty blocks, which stay. The caller holds f.mu.
func (f *File) clearTable(lo, hi int64) {
	f.table.clear(lo, hi, func(_ int64, e entry) { f.drop(e.slot) })
	f.touched.add(lo, hi)
	f.unmark(lo, hi)
}

// PunchHole makes a range read as zeros, and leaves the size. It returns an *AbsentError or
// a *SentError if a part of an absent block lies in the range.
func (f *File) PunchHole(off, n int64) error {
	if off < 0 || n < 0 {
		return fmt.Errorf("punch %s at %d+%d: %w", f.id, off, n, errNegative)
	}
	f.use()
	t := tickets{s: f.s}
	defer t.done()
	for {
		need, err := f.punchWith(&t, off, n)
		if err != nil || need <= t.n {
			return err
		}
		if err := t.take(); err != nil {
			return fmt.Errorf("punch %s: %w", f.id, err)
		}
	}
}

// punchWith punches a range if the tickets suffice, and returns how many that takes.
func (f *File) punchWith(t *tickets, off, n int64) (need int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lo, hi, parts := f.hole(off, n)
	if need, err = f.check(parts); err != nil || need > t.n {
		return need, err
	}
	blocks, err := f.prepare(parts, t)
	if err != nil {
		return 0, err
	}
	for k, c := range parts {
		f.modify(blocks[k], c)
		f.unmark(c.i, c.i+1)
	}
	f.clearBlocks(lo, hi)
	f.punchIdle(maxIdle)
	return 0, nil
}

// hole splits a range within the file into whole blocks and parts of stored or absent
// ones. The last block counts as whole if the range reaches the file's end. The caller
// holds f.mu.
func (f *File) hole(off, n int64) (lo, hi int64, parts []change) {
	if off >= f.size || n == 0 {
		return 0, 0, nil
	}
	end := off + min(n, f.size-off)
	lo, hi = (off+crypt.BlockSize-1)/crypt.BlockSize, end/crypt.BlockSize
	if end == f.size {
		hi = (end-1)/crypt.BlockSize + 1
	}
	for _, i := range []int64{off / crypt.BlockSize, (end - 1) / crypt.BlockSize} {
		start := i * crypt.BlockSize
		from := max(off, start) - start
		c := change{i: i, from: int(from), n: int(min(end-start, crypt.BlockSize) - from)}
		whole := lo <= i && i < hi
		twice := len(parts) > 0 && parts[0].i == i
		if whole || twice || f.dirty[i] == nil && c.from >= f.table.valid(i) {
			continue // also where there are only zeros to begin with
		}
		parts = append(parts, c)
	}
	return lo, hi, parts
}

// SetBase gives an empty file a size, and makes all its blocks absent: it is a version that
// is in the store.
func (f *File) SetBase(size int64) error {
	if err := checkSize(size); err != nil {
		return fmt.Errorf("set base of %s to %d: %w", f.id, size, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return f.closedError()
	case f.size != 0:
		return fmt.Errorf("set base of %s: it has %d bytes already", f.id, f.size)
	case size == 0:
		return nil
	}
	f.size = size
	i, n := size/crypt.BlockSize, int(size%crypt.BlockSize)
	last := blocksOf(size)
	f.table.setAbsent(0, last, func(int64, entry) {})
	if n > 0 {
		f.table.cut(i, n)
	}
	f.touched.add(0, last)
	return nil
}

// Fill stores fetched bytes of the base in those blocks that are still absent, and leaves
// all others. off is a block boundary; so is the end of p, or it is the end of a range
// that Absent returned, or lies at or behind the file's end.
func (f *File) Fill(p []byte, off int64) error {
	if off < 0 || off%crypt.BlockSize != 0 {
		return fmt.Errorf("fill %s at %d: not a block's start", f.id, off)
	}
	for len(p) > 0 {
		// One block at a time, so that in a full spool as many as possible are filled.
		part := p[:min(len(p), crypt.BlockSize)]
		if err := f.fillBlock(part, off/crypt.BlockSize); err != nil {
			return err
		}
		p, off = p[len(part):], off+int64(len(part))
	}
	return nil
}

// wanted returns how many bytes of the base block i lacks; 0 if it is not the base's.
func (f *File) wanted(i int64) (n int, err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return 0, f.closedError()
	}
	if !f.table.isBase(i) || f.dirty[i] != nil {
		return 0, nil
	}
	return f.table.valid(i), nil
}

func (f *File) fillBlock(part []byte, i int64) error {
	n, err := f.wanted(i)
	if err != nil || n == 0 {
		return err
	}
	if len(part) < n {
		return fmt.Errorf("fill block %d of %s: %d of %d bytes", i, f.id, len(part), n)
	}
	if err := f.s.reserve(1); err != nil {
		return fmt.Errorf("fill %s: %w", f.id, err)
	}
	defer f.s.release(1)
	taken, err := f.takeSlots(1)
	if err != nil {
		return err
	}
	sealed, err := f.sealRetry(nil, part[:n], i, taken[0])
	if err != nil {
		f.returnSlots(taken)
		return err
	}
	e := sealed[0]
	f.use()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !f.table.isBase(i) || f.dirty[i] != nil {
		f.spoil(e.slot) // somebody else was faster
		return f.unpin()
	}
	valid := f.table.valid(i)
	f.occupy(e)
	f.install(i, e)
	f.table.cut(i, valid) // a truncation may have come between
	return f.unpin()
}
