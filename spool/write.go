package spool

import (
	"errors"
	"fmt"
	"slices"

	"mcfs/crypt"
)

// ErrTooBig is returned if a write would end behind the last offset that a file can have.
var ErrTooBig = errors.New("file too large")

// WriteAt writes p at off, and grows the file if need be, with a hole between. The error is
// an *AbsentError if only a part of an absent block would be written (Fill that block, and
// write again), a *SentError if only an upload has the rest of it. It writes all of p or
// nothing, but for ErrFull, with which it returns how much.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off < 0 {
		return 0, fmt.Errorf("write %s at %d: %w", f.id, off, errNegative)
	}
	if off > maxFile-int64(len(p)) {
		return 0, fmt.Errorf("write %s at %d: %w", f.id, off, ErrTooBig)
	}
	f.use()
	w := writer{f: f, p: p, off: off, tickets: tickets{s: f.s}}
	defer w.tickets.done()
	full := w.plan()
	defer func() { f.s.release(w.reserved) }()
	if len(w.p) == 0 {
		return 0, full
	}
	if err := w.sealWhole(); err != nil {
		return 0, err
	}
	if err := w.commit(); err != nil {
		if errors.Is(err, ErrFull) {
			return 0, fmt.Errorf("write %s: %w", f.id, err)
		}
		return 0, err
	}
	return len(w.p), full
}

// writer is one WriteAt under way. Blocks that it writes in part, at most two, go through
// memory; whole ones between go to their slots without any lock.
type writer struct {
	f        *File
	p        []byte
	off      int64
	tickets  tickets
	reserved int64 // blocks, for the whole ones
	lo, hi   int64 // the whole blocks
	entries  []entry
}

// plan finds the whole blocks and reserves their space. If there is not enough, it shortens
// p and returns ErrFull.
func (w *writer) plan() error {
	end := w.off + int64(len(w.p))
	w.lo, w.hi = (w.off+crypt.BlockSize-1)/crypt.BlockSize, end/crypt.BlockSize
	if w.lo >= w.hi {
		w.hi = w.lo
		return nil
	}
	var err error
	w.reserved, err = w.f.s.reserveSome(w.hi - w.lo)
	if err == nil {
		return nil
	}
	w.hi = w.lo + w.reserved
	w.p = w.p[:max(0, w.hi*crypt.BlockSize-w.off)]
	if w.reserved == 0 && w.lo*crypt.BlockSize > w.off {
		w.p = w.p[:w.lo*crypt.BlockSize-w.off]
	}
	return fmt.Errorf("write %s: %w", w.f.id, err)
}

// block returns the part of p that lies in block i, and where in the block it begins.
func (w *writer) block(i int64) (part []byte, from int) {
	start := i * crypt.BlockSize
	lo := max(w.off, start)
	hi := min(w.off+int64(len(w.p)), start+crypt.BlockSize)
	return w.p[lo-w.off : hi-w.off], int(lo - start)
}

// sealWhole seals the whole blocks into free slots, to which nothing refers yet.
func (w *writer) sealWhole() error {
	if w.lo == w.hi {
		return nil
	}
	taken, err := w.f.takeSlots(w.hi - w.lo)
	if err != nil {
		return err
	}
	for k := 0; k < len(taken); {
		n := neighbours(taken[k:])
		from := (w.lo+int64(k))*crypt.BlockSize - w.off
		w.entries, err = w.f.sealRetry(w.entries, w.p[from:from+int64(n)*crypt.BlockSize], w.lo+int64(k), taken[k])
		if err != nil {
			w.f.returnSlots(taken)
			return err
		}
		k += n
	}
	return nil
}

// sealRetry is sealRun, and tries once more, after dropping other blocks, if the disk is
// full. The caller holds no lock.
func (f *File) sealRetry(list []entry, plain []byte, i int64, n uint32) ([]entry, error) {
	more, err := f.sealRun(list, plain, i, n)
	if err == nil || !errors.Is(err, ErrFull) {
		return more, err
	}
	f.s.reclaiming.Lock()
	freed := f.s.reclaim(f.s.batch())
	f.s.reclaiming.Unlock()
	if freed == 0 {
		return more, err
	}
	return f.sealRun(list, plain, i, n)
}

func (f *File) takeSlots(n int64) ([]uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, f.closedError()
	}
	f.pin()
	list := make([]uint32, n)
	for k := range list {
		list[k] = f.slots.take()
	}
	slices.Sort(list) // so that neighbours stand beside each other
	return list, nil
}

func (f *File) returnSlots(list []uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range list {
		f.spoil(n)
	}
	f.unpin() // its error is of close(2), on a file that was closed by its user before
}

// commit puts all blocks into the file's table and memory, under the lock.
func (w *writer) commit() error {
	f := w.f
	f.mu.Lock()
	defer f.mu.Unlock()
	err := w.commitLocked()
	if err != nil {
		for _, e := range w.entries {
			f.spoil(e.slot)
		}
	}
	if w.lo < w.hi {
		err = errors.Join(err, f.unpin())
	}
	return err
}

func (w *writer) commitLocked() error {
	f := w.f
	parts := w.parts()
	blocks, err := f.prepare(parts, &w.tickets)
	if err != nil {
		return err
	}
	for k, e := range w.entries {
		f.occupy(e)
		f.install(w.lo+int64(k), e)
	}
	end := w.off + int64(len(w.p))
	f.size, f.written = max(f.size, end), max(f.written, end)
	for k, part := range parts {
		f.modify(blocks[k], part)
	}
	f.unmark(w.off/crypt.BlockSize, (end-1)/crypt.BlockSize+1)
	f.punchIdle(maxIdle)
	return nil
}

// parts returns the parts of p that do not fill a block: none, one or two.
func (w *writer) parts() (list []change) {
	first, last := w.off/crypt.BlockSize, (w.off+int64(len(w.p))-1)/crypt.BlockSize
	for i := first; i <= last; i++ {
		if w.lo <= i && i < w.hi {
			i = w.hi - 1
			continue
		}
		part, from := w.block(i)
		list = append(list, change{i: i, from: from, n: len(part), bytes: part})
	}
	return list
}

// change is new bytes for a part of one block: zeros if bytes is nil.
type change struct {
	i       int64
	from, n int
	bytes   []byte
}

// prepare brings the blocks to be changed into memory, with their present bytes. After an
// error the file is as before. The caller holds f.mu, which is unlocked meanwhile when a
// ticket is needed.
func (f *File) prepare(parts []change, t *tickets) ([]*dirtyBlock, error) {
	for {
		need, err := f.check(parts)
		if err != nil {
			return nil, err
		}
		if need <= t.n {
			break
		}
		f.mu.Unlock()
		err = t.take()
		f.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	// All are read before any is kept, since the second read may fail.
	blocks := make([]*dirtyBlock, len(parts))
	for k, c := range parts {
		b, err := f.bring(c)
		if err != nil {
			return nil, err
		}
		blocks[k] = b
	}
	for _, b := range blocks {
		if f.dirty[b.i] != b {
			t.n-- // the block has the ticket now
			f.dirty[b.i] = b
			if f.table.absent.has(b.i) { // check has seen that nothing of the base stays
				f.clearTable(b.i, b.i+1)
			}
		}
		f.s.dirty.touch(b)
	}
	return blocks, nil
}

// check returns how many of the blocks to be changed are not in memory yet; an error if one
// of them cannot be. The caller holds f.mu.
func (f *File) check(parts []change) (need int64, err error) {
	if f.closed {
		return 0, f.closedError()
	}
	for _, c := range parts {
		if f.dirty[c.i] != nil {
			continue
		}
		need++
		if n := f.table.valid(c.i); f.table.absent.has(c.i) && !(c.from == 0 && c.n >= n) {
			return 0, f.table.missing(c.i, int64(n))
		}
	}
	return need, nil
}

// bring returns the dirty block of c. If there is none, it makes one of what is stored.
func (f *File) bring(c change) (*dirtyBlock, error) {
	if b := f.dirty[c.i]; b != nil {
		return b, nil
	}
	b := &dirtyBlock{f: f, i: c.i, buf: blockPool.Get().(*block)}
	valid := f.table.valid(c.i)
	if valid == 0 || c.from == 0 && c.n >= valid {
		return b, nil // all of it is overwritten
	}
	e, _ := f.table.get(c.i)
	if err := f.unseal(b.buf[:], c.i, e); err != nil {
		putBlock(b.buf)
		return nil, err
	}
	clear(b.buf[valid:])
	return b, nil
}

// modify changes a block in memory, and seals it at once if it was written in order from
// its start to its end. The caller holds f.mu and has set f.size.
func (f *File) modify(b *dirtyBlock, c change) {
	if c.bytes == nil {
		clear(b.buf[c.from : c.from+c.n])
	} else {
		copy(b.buf[c.from:], c.bytes)
	}
	f.touched.add(c.i, c.i+1)
	if c.from <= b.run {
		b.run = max(b.run, c.from+c.n)
	}
	if b.run < crypt.BlockSize {
		return
	}
	// If this fails, the block stays in memory, and the next call that seals it reports why.
	if err := f.sealDirty(b); err != nil {
		b.run = 0
		f.s.log.Warn("a block could not be sealed yet", "id", f.id.String(), "err", err)
	}
}
