package upload

import (
	"fmt"
	"math/bits"
	"sync"
)

// tailRoom is what each buffer has beyond its class for the tail: one page, so
// that buffers stay whole pages.
const tailRoom = 4 << 10

// smallest is the least class of buffer, in bytes.
const smallest = 64 << 10

// bufferSize is the length of the buffer for n bytes and a tail: n rounded up
// to a quarter of its power of two (so that few sizes exist and little is
// wasted), and the tail's room.
func bufferSize(n int64) int64 {
	if n <= smallest {
		return smallest + tailRoom
	}
	step := int64(1) << max(bits.Len64(uint64(n-1))-3, 0)
	return (n+step-1)/step*step + tailRoom
}

// pool lends buffers and keeps those given back, up to limit bytes in all,
// lent and kept. The borrower has been granted the bytes before, so that a
// buffer asked for always fits once kept ones have made room.
//
// Buffers are pages of their own rather than the collector's: as heap they
// would double the process (the collector lets garbage grow in proportion to
// what lives), and they could not be returned to the system at once.
type pool struct {
	limit int64

	mu    sync.Mutex
	total int64 // bytes lent and kept
	kept  map[int64][][]byte
}

func newPool(limit int64) *pool { return &pool{limit: limit, kept: map[int64][][]byte{}} }

// get lends a buffer of size bytes, a value of bufferSize. What it holds is undefined.
func (p *pool) get(size int64) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if list := p.kept[size]; len(list) > 0 {
		p.kept[size] = list[:len(list)-1]
		return list[len(list)-1], nil
	}
	p.shrink(p.limit - size)
	b, err := newPages(int(size))
	if err != nil {
		return nil, fmt.Errorf("part buffer of %d bytes: %w", size, err)
	}
	p.total += size
	return b, nil
}

// put takes a buffer back.
func (p *pool) put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := int64(cap(b))
	p.kept[size] = append(p.kept[size], b[:size])
}

// trim returns every kept buffer to the system.
func (p *pool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shrink(0)
}

// shrink frees kept buffers until at most total bytes are left, or none is kept.
func (p *pool) shrink(total int64) {
	for size, list := range p.kept {
		for len(list) > 0 && p.total > total {
			freePages(list[len(list)-1])
			list = list[:len(list)-1]
			p.total -= size
		}
		p.kept[size] = list
		if len(list) == 0 {
			delete(p.kept, size)
		}
	}
}

// held is bytes lent and kept.
func (p *pool) held() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}
