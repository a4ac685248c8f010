package spool

import (
	"fmt"
	"slices"
	"sync/atomic"

	"mcfs/crypt"
)

// SentError is returned for bytes that only an unfinished upload has: the spool was full
// and dropped them after they had been sent. Offset is a block boundary.
type SentError struct {
	Upload         ID
	Offset, Length int64
}

func (e *SentError) Error() string {
	return fmt.Sprintf("bytes %d+%d were sent and dropped from the full spool; only the unfinished upload has them", e.Offset, e.Length)
}

// upload is an upload for which blocks may be dropped. The tables of a file and of its
// views share it.
type upload struct {
	id     ID
	landed atomic.Bool // its object is the base now
}

// sentIn has the blocks whose bytes only one upload has.
type sentIn struct {
	up     *upload
	blocks ranges
}

// sentSet has the absent blocks that only an upload has, and not the base. It is empty for
// nearly every file.
type sentSet []sentIn

func (s *sentSet) add(up *upload, lo, hi int64) {
	for k := range *s {
		if (*s)[k].up == up {
			(*s)[k].blocks.add(lo, hi)
			return
		}
	}
	*s = append(*s, sentIn{up, ranges{{lo, hi}}})
}

func (s *sentSet) remove(lo, hi int64) {
	kept := (*s)[:0]
	for _, in := range *s {
		if in.blocks.remove(lo, hi); len(in.blocks) > 0 {
			kept = append(kept, in)
		}
	}
	clear((*s)[len(kept):])
	*s = kept
}

// next returns the first span at or after block i that only the upload of an id has, or
// any upload if the id is zero.
func (s sentSet) next(i int64, id ID) (found span, up *upload, ok bool) {
	for _, in := range s {
		if in.up.landed.Load() || id != (ID{}) && in.up.id != id {
			continue
		}
		if b, there := in.blocks.next(i); there && (!ok || b.lo < found.lo) {
			found, up, ok = b, in.up, true
		}
	}
	return found, up, ok
}

func (s sentSet) clip(lo, hi int64) (out sentSet) {
	for _, in := range s {
		if b := in.blocks.clip(lo, hi); len(b) > 0 {
			out = append(out, sentIn{in.up, b})
		}
	}
	return out
}

// find returns the upload of an id, a new one if the set has none.
func (s sentSet) find(id ID) *upload {
	for _, in := range s {
		if in.up.id == id {
			return in.up
		}
	}
	return &upload{id: id}
}

// LeaveTo allows to drop blocks that an upload has, from now on: of one upload at a time,
// and none while the file is held. Sent tells which blocks those are.
func (f *File) LeaveTo(id ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving, f.left = f.table.sent.find(id), nil
}

// Sent records that an upload has the whole blocks of a range as they are now, so that
// they may be dropped when the quota is reached. It does nothing unless LeaveTo named that
// upload last. n is in bytes.
func (f *File) Sent(id ID, off, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leaving == nil || f.leaving.id != id {
		return
	}
	lo, hi := f.wholeBlocks(off, n)
	f.left.add(lo, hi)
}

// Keep ends what LeaveTo allowed: no more blocks are dropped for the upload.
func (f *File) Keep(id ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(id)
}

func (f *File) keep(id ID) {
	if f.leaving != nil && f.leaving.id == id {
		f.leaving, f.left = nil, nil
	}
}

// GiveUp is Keep for an upload that is about to end without an object. It returns a
// *SentError if only that upload has something of the file, or of a view other than
// dropping.
func (f *File) GiveUp(id ID, dropping *Frozen) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.alone(id, dropping); err != nil {
		return fmt.Errorf("give up the upload of %s: %w", f.id, err)
	}
	f.keep(id)
	return nil
}

// Landed records that the object of an upload is the base now: what only the upload had is
// the base's, in the file and in its views.
func (f *File) Landed(id ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(id)
	for z := range f.views {
		for _, in := range z.table.sent {
			if in.up.id == id {
				in.up.landed.Store(true)
			}
		}
	}
	f.table.sent = slices.DeleteFunc(f.table.sent, func(in sentIn) bool {
		if in.up.id != id {
			return false
		}
		in.up.landed.Store(true)
		f.touched.addAll(in.blocks)
		return true
	})
}

// Whole returns a *SentError if only an upload has bytes of the file as it is now.
func (f *File) Whole() error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.table.whole(ID{})
}

// WholeEverywhere is Whole for the file and all its views.
func (f *File) WholeEverywhere() error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.alone(ID{}, nil)
}

// Hold keeps blocks from being dropped for an upload, until Unhold. If some were dropped
// already, it returns a *SentError and holds nothing. Each Hold needs an Unhold.
func (f *File) Hold() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.table.whole(ID{}); err != nil {
		return fmt.Errorf("hold %s: %w", f.id, err)
	}
	f.holds++
	return nil
}

// Unhold undoes one Hold.
func (f *File) Unhold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holds--
}

// alone returns a *SentError if only the upload of an id, or any if it is zero, has bytes
// of the file or of a view other than dropping. f.mu is held.
func (f *File) alone(id ID, dropping *Frozen) error {
	if err := f.table.whole(id); err != nil {
		return err
	}
	for z := range f.views {
		if z == dropping {
			continue
		}
		if err := z.table.whole(id); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) whole(id ID) error {
	if b, up, ok := t.sent.next(0, id); ok {
		return sentError(b, up)
	}
	return nil
}

func sentError(b span, up *upload) *SentError {
	return &SentError{Upload: up.id, Offset: b.lo * crypt.BlockSize, Length: (b.hi - b.lo) * crypt.BlockSize}
}

// wholeBlocks returns the whole blocks of a range of bytes; n of -1 is to the end. A block
// of which a part lies outside is not among them, unless that part lies behind the file's
// end. f.mu is held.
func (f *File) wholeBlocks(off, n int64) (lo, hi int64) {
	off = max(off, 0)
	lo = (off + crypt.BlockSize - 1) / crypt.BlockSize
	if n < 0 {
		return lo, endOfBlocks
	}
	end := off + min(n, maxFile)
	hi = end / crypt.BlockSize
	if end >= f.size {
		hi = max(hi, blocksOf(f.size))
	}
	return lo, max(lo, hi)
}

// unmark keeps blocks from being dropped, since their bytes are new. f.mu is held.
func (f *File) unmark(lo, hi int64) {
	f.clean.remove(lo, hi)
	f.left.remove(lo, hi)
}
