package crypt

import "encoding/binary"

// element is a member of GF(2^128) in GCM's representation (SP 800-38D,
// section 6.3): the first bit of the block, the top one of hi, is the
// coefficient of x^0.
type element struct{ hi, lo uint64 }

// one is the neutral element of mul.
var one = element{hi: 1 << 63}

// reduction is x^128 written as a lower polynomial, 1 + x + x^2 + x^7.
const reduction = 0xe1 << 56

func elementOf(block [blockLen]byte) element {
	return element{binary.BigEndian.Uint64(block[:8]), binary.BigEndian.Uint64(block[8:])}
}

func (x element) bytes() (block [blockLen]byte) {
	binary.BigEndian.PutUint64(block[:8], x.hi)
	binary.BigEndian.PutUint64(block[8:], x.lo)
	return block
}

func (x element) add(y element) element { return element{x.hi ^ y.hi, x.lo ^ y.lo} }

// mul multiplies bit by bit, without branches or tables that depend on the
// values: both may be secret. It is needed a few times per chunk, never per block.
func (x element) mul(y element) (z element) {
	for _, word := range [2]uint64{x.hi, x.lo} {
		for range 64 {
			take := uint64(int64(word) >> 63)
			word <<= 1
			z.hi ^= y.hi & take
			z.lo ^= y.lo & take
			// y becomes y·x.
			over := -(y.lo & 1)
			y.lo = y.lo>>1 | y.hi<<63
			y.hi = y.hi>>1 ^ over&reduction
		}
	}
	return z
}
