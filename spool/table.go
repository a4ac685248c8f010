package spool

import (
	"maps"
	"slices"

	"mcfs/crypt"
)

// entry is where a stored block is, and what authenticates it.
type entry struct {
	slot  uint32
	n     uint32 // plaintext bytes sealed, 1 to BlockSize; those after are zeros
	nonce [nonceSize]byte
	tag   [tagSize]byte
}

// The lengths of what crypt.Sealer puts before and after the ciphertext.
const (
	nonceSize = 12
	tagSize   = crypt.SealOverhead - nonceSize
)

// pageBlocks is how many entries a page has at most: 16 MiB of the file, 9 KiB of memory.
const pageBlocks = 256

type page struct {
	e    []entry // by block within the page; n of 0: none
	used int
}

// table is the state of every block of a file: stored, absent, or else a hole. Only stored
// blocks take memory, about 36 bytes each.
type table struct {
	pages  map[int64]*page
	stored int64   // how many blocks are
	absent ranges  // blocks that only the base or an upload has
	sent   sentSet // which of them only an upload has
	// cuts are the blocks, absent or stored, of which only the first bytes count, and the
	// rest is zeros, after a truncation or at the base's end.
	cuts map[int64]int
}

func newTable() table { return table{pages: map[int64]*page{}, cuts: map[int64]int{}} }

func (t *table) get(i int64) (entry, bool) {
	p := t.pages[i/pageBlocks]
	k := int(i % pageBlocks)
	if p == nil || k >= len(p.e) || p.e[k].n == 0 {
		return entry{}, false
	}
	return p.e[k], true
}

// put makes block i stored and whole.
func (t *table) put(i int64, e entry) {
	t.absent.remove(i, i+1)
	t.sent.remove(i, i+1)
	delete(t.cuts, i)
	p := t.pages[i/pageBlocks]
	if p == nil {
		p = &page{}
		t.pages[i/pageBlocks] = p
	}
	k := int(i % pageBlocks)
	if k >= len(p.e) {
		p.e = slices.Grow(p.e, k+1-len(p.e))[:k+1]
	}
	if p.e[k].n == 0 {
		p.used++
		t.stored++
	}
	p.e[k] = e
}

// clear makes the blocks holes, and calls drop for those that were stored.
func (t *table) clear(lo, hi int64, drop func(i int64, e entry)) {
	t.absent.remove(lo, hi)
	t.sent.remove(lo, hi)
	maps.DeleteFunc(t.cuts, func(i int64, _ int) bool { return lo <= i && i < hi })
	for _, key := range t.keys(lo, hi) {
		p := t.pages[key]
		for k := range p.e {
			i := key*pageBlocks + int64(k)
			if i < lo || i >= hi || p.e[k].n == 0 {
				continue
			}
			drop(i, p.e[k])
			p.e[k] = entry{}
			p.used--
			t.stored--
		}
		if p.used == 0 {
			delete(t.pages, key)
		}
	}
}

// setAbsent makes the blocks absent: the base has all their bytes.
func (t *table) setAbsent(lo, hi int64, drop func(i int64, e entry)) {
	t.clear(lo, hi, drop)
	t.absent.add(lo, hi)
}

// evict makes one stored block absent and remembers how many of its bytes count. Only the
// upload has them or, if that is nil, the base.
func (t *table) evict(i int64, to *upload) {
	n := t.valid(i)
	t.setAbsent(i, i+1, func(int64, entry) {})
	t.cut(i, n)
	if to != nil {
		t.sent.add(to, i, i+1)
	}
}

// inBase returns the first span at or after block i that only the base has.
func (t *table) inBase(i int64) (s span, ok bool) {
	for {
		if s, ok = t.absent.next(i); !ok {
			return s, false
		}
		alone, _, some := t.sent.next(s.lo, ID{})
		switch {
		case !some || alone.lo >= s.hi:
			return s, true
		case alone.lo > s.lo:
			return span{s.lo, alone.lo}, true
		}
		i = alone.hi
	}
}

// valid returns how many bytes of a block count; 0 for a hole. The rest is zeros.
func (t *table) valid(i int64) int {
	n := 0
	if e, ok := t.get(i); ok {
		n = int(e.n)
	} else if t.absent.has(i) {
		n = crypt.BlockSize
	}
	if c, ok := t.cuts[i]; ok {
		n = min(n, c)
	}
	return n
}

// cut makes the bytes of block i from n on zeros.
func (t *table) cut(i int64, n int) {
	if n < t.valid(i) {
		t.cuts[i] = n
	}
}

// keys returns the numbers of the pages with a block in [lo, hi), in order.
func (t *table) keys(lo, hi int64) []int64 {
	if lo >= hi {
		return nil
	}
	first, last := lo/pageBlocks, (hi-1)/pageBlocks
	var keys []int64
	if last-first < int64(len(t.pages)) {
		for k := first; k <= last; k++ {
			if t.pages[k] != nil {
				keys = append(keys, k)
			}
		}
		return keys
	}
	for k := range t.pages {
		if first <= k && k <= last {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// each calls f for the stored blocks in [lo, hi), in order, until f returns false.
func (t *table) each(lo, hi int64, f func(i int64, e entry) bool) {
	for _, key := range t.keys(lo, hi) {
		for k, e := range t.pages[key].e {
			i := key*pageBlocks + int64(k)
			if e.n == 0 || i < lo || i >= hi {
				continue
			}
			if !f(i, e) {
				return
			}
		}
	}
}

// copyRange returns a table of [lo, hi) that shares nothing with t.
func (t *table) copyRange(lo, hi int64) table {
	out := newTable()
	for _, key := range t.keys(lo, hi) {
		p := &page{e: slices.Clone(t.pages[key].e)} // whole pages, so that 20 GiB are frozen quickly
		for k := range p.e {
			if i := key*pageBlocks + int64(k); i < lo || i >= hi {
				p.e[k] = entry{}
			} else if p.e[k].n > 0 {
				p.used++
			}
		}
		if p.used > 0 {
			out.pages[key] = p
			out.stored += int64(p.used)
		}
	}
	out.absent = t.absent.clip(lo, hi)
	out.sent = t.sent.clip(lo, hi)
	for i, n := range t.cuts {
		if lo <= i && i < hi {
			out.cuts[i] = n
		}
	}
	return out
}

// absentRange returns the first range of bytes at or after off, and before limit, that only
// the base has. It begins at a block's start, at most a block before off, and ends where
// the absent blocks do, or at the first cut.
func (t *table) absentRange(off, limit int64) (start, n int64, ok bool) {
	if off < 0 || off >= limit {
		return 0, 0, false
	}
	i := off / crypt.BlockSize
	if t.absent.has(i) && off-i*crypt.BlockSize >= int64(t.valid(i)) {
		i++ // off lies in the zeros after a cut
	}
	s, ok := t.inBase(i)
	if !ok || s.lo*crypt.BlockSize >= limit {
		return 0, 0, false
	}
	hi := s.hi
	hi = min(hi, blocksOf(limit))
	// The first cut ends the range. Most files have none.
	end := hi * crypt.BlockSize
	for b, c := range t.cuts {
		if s.lo <= b && b < hi {
			end = min(end, b*crypt.BlockSize+int64(c))
		}
	}
	return s.lo * crypt.BlockSize, end - s.lo*crypt.BlockSize, true
}

// isBase reports whether only the base has block i's bytes.
func (t *table) isBase(i int64) bool {
	s, ok := t.inBase(i)
	return ok && s.lo == i
}

// missing returns the error for an absent block i of which n bytes are wanted.
func (t *table) missing(i, n int64) error {
	if b, up, ok := t.sent.next(i, ID{}); ok && b.lo == i {
		return sentError(span{i, i + 1}, up)
	}
	return &AbsentError{i * crypt.BlockSize, n}
}

// missingUntil returns the error for an absent block i if all bytes before limit are wanted.
func (t *table) missingUntil(i, limit int64) error {
	if b, up, ok := t.sent.next(i, ID{}); ok && b.lo == i {
		return sentError(b, up)
	}
	start, n, _ := t.absentRange(i*crypt.BlockSize, limit)
	return &AbsentError{start, n}
}
