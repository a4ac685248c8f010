package spool

import (
	"slices"
	"sort"

	"mcfs/crypt"
)

// maxFile is the greatest size of a file, 4 EiB: more than any store takes, and so little
// that no sum of an offset and a length overflows. endOfBlocks is one past its last block.
const (
	maxFile     = 1 << 62
	endOfBlocks = maxFile / crypt.BlockSize
)

// blocksOf returns how many blocks a file of a size has, including a last one in part.
func blocksOf(size int64) int64 { return (size + crypt.BlockSize - 1) / crypt.BlockSize }

// span is the blocks lo to hi-1.
type span struct{ lo, hi int64 }

// ranges is a set of blocks: spans in order, neither empty nor touching each other. The
// set of all blocks of a long file takes no more memory than that of one.
type ranges []span

// find returns the index of the first span that ends after block i.
func (r ranges) find(i int64) int {
	return sort.Search(len(r), func(k int) bool { return r[k].hi > i })
}

func (r ranges) has(i int64) bool {
	k := r.find(i)
	return k < len(r) && r[k].lo <= i
}

// next returns the first span that has a block at or after i, without what is before i.
func (r ranges) next(i int64) (span, bool) {
	k := r.find(i)
	if k == len(r) {
		return span{}, false
	}
	return span{max(r[k].lo, i), r[k].hi}, true
}

// clip returns the part of the set within [lo, hi), in new memory.
func (r ranges) clip(lo, hi int64) ranges {
	var out ranges
	for k := r.find(lo); k < len(r) && r[k].lo < hi; k++ {
		out = append(out, span{max(r[k].lo, lo), min(r[k].hi, hi)})
	}
	return out
}

func (r *ranges) add(lo, hi int64) {
	if lo >= hi {
		return
	}
	// All spans from the first that reaches lo to the last that begins by hi become one.
	from := r.find(lo - 1)
	to := from
	for to < len(*r) && (*r)[to].lo <= hi {
		lo, hi = min(lo, (*r)[to].lo), max(hi, (*r)[to].hi)
		to++
	}
	if to == from+1 { // the usual case: a span grows
		(*r)[from] = span{lo, hi}
		return
	}
	*r = slices.Replace(*r, from, to, span{lo, hi})
}

func (r *ranges) remove(lo, hi int64) {
	if lo >= hi {
		return
	}
	from := r.find(lo)
	to := from
	var keep []span
	for to < len(*r) && (*r)[to].lo < hi {
		if s := (*r)[to]; s.lo < lo {
			keep = append(keep, span{s.lo, lo})
		}
		if s := (*r)[to]; s.hi > hi {
			keep = append(keep, span{hi, s.hi})
		}
		to++
	}
	if from != to {
		*r = slices.Replace(*r, from, to, keep...)
	}
}

func (r *ranges) addAll(other ranges) {
	for _, s := range other {
		r.add(s.lo, s.hi)
	}
}
