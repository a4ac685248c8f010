package crypt

import (
	"crypto/cipher"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Hasher is GHASH under one key, computed by the standard library's GCM.
//
// The library gives no GHASH as such, but the tag of an empty plaintext with a
// chunk as additional data (SP 800-38D, section 7.1, step 5 on) is
//
//	tag = (Y ⊕ L)·H ⊕ E(J0)
//
// Y being the chunk's GHASH and L the block that holds its length. E(J0) is
// the same every time, since the nonce is: it is taken off once and for all,
// and so is L·H, which leaves Y·H. That is what a Partial holds: one factor H
// ahead of GHASH, which spares the division. Joining is linear and does not
// mind, and the tag of the whole needs that factor anyway.
type Hasher struct {
	aead cipher.AEAD
	key  element // H = E(0)
	mask element // E(J0) for the zero nonce

	squared sync.Once
	squares [maxDoublings]element // H^(2^i), once squared; see square
	recent  atomic.Pointer[power] // the last one that took multiplications
}

// maxDoublings covers every run of up to 2^63 bytes, which is 2^59 blocks.
const maxDoublings = 60

// power is H^blocks.
type power struct {
	blocks uint64
	value  element
}

// zeroNonce is never used to encrypt: only to hash, and to tag what Integrity hashes.
var zeroNonce = make([]byte, 12)

func newHasher(block cipher.Block) (*Hasher, error) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("GHASH: %w", err)
	}
	h := &Hasher{aead: aead}
	var zero [blockLen]byte
	block.Encrypt(zero[:], zero[:])
	h.key = elementOf(zero)
	// The GHASH of nothing is 0, so its tag is the mask.
	h.mask = h.seal(nil)
	return h, nil
}

// seal is the standard library's tag of chunk as additional data.
func (h *Hasher) seal(chunk []byte) element {
	return elementOf([blockLen]byte(h.aead.Seal(nil, zeroNonce, nil, chunk)))
}

// square fills squares. It is put off to the first Join: a small file never needs it.
func (h *Hasher) square() {
	h.squares[0] = h.key
	for i := 1; i < len(h.squares); i++ {
		h.squares[i] = h.squares[i-1].mul(h.squares[i-1])
	}
}

// Sum hashes one run. Safe for concurrent use. The run should be some KiB
// long, or the multiplication that each Sum costs will show.
func (h *Hasher) Sum(chunk []byte) Partial {
	if len(chunk) == 0 {
		return Partial{}
	}
	length := element{hi: uint64(len(chunk)) * 8}
	sum := h.seal(chunk).add(h.mask).add(length.mul(h.key))
	return Partial{sum: sum.bytes(), n: int64(len(chunk))}
}

// Join is the hash of a's run followed by b's. The zero Partial is the empty
// run. Safe for concurrent use. It panics when a's run ends within a block and
// b's is not empty: no run can follow such a one.
func (h *Hasher) Join(a, b Partial) Partial {
	switch {
	case b.n == 0:
		return a
	case a.n == 0:
		return b
	case a.n%blockLen != 0:
		panic(fmt.Sprintf("crypt: Join after a run of %d bytes, not a multiple of %d", a.n, blockLen))
	}
	moved := elementOf(a.sum).mul(h.power(uint64(b.n+blockLen-1) / blockLen))
	return Partial{sum: moved.add(elementOf(b.sum)).bytes(), n: a.n + b.n}
}

// power is H^blocks, by square and multiply. Lengths are public, so branching
// on them gives nothing away. Chunks and parts are mostly a power of two long,
// which is a look-up, or else all of one length, which is remembered.
func (h *Hasher) power(blocks uint64) element {
	h.squared.Do(h.square)
	if bits.OnesCount64(blocks) == 1 {
		return h.squares[bits.TrailingZeros64(blocks)]
	}
	if p := h.recent.Load(); p != nil && p.blocks == blocks {
		return p.value
	}
	value := one
	for rest := blocks; rest != 0; rest &= rest - 1 {
		value = value.mul(h.squares[bits.TrailingZeros64(rest)])
	}
	h.recent.Store(&power{blocks, value})
	return value
}

// tag ends a hash as GCM does: the block of lengths is mixed in, and the
// result hidden under mask. Lengths are in bytes.
func (h *Hasher) tag(p Partial, mask element, additional, text int64) [tagLen]byte {
	lengths := element{uint64(additional) * 8, uint64(text) * 8}
	return elementOf(p.sum).add(lengths.mul(h.key)).add(mask).bytes()
}

// firstCounter is J0 (SP 800-38D, section 7.1, step 2).
func (h *Hasher) firstCounter(iv []byte) (j0 [blockLen]byte) {
	copy(j0[:], iv)
	if len(iv) == 12 {
		j0[15] = 1
		return j0
	}
	length := element{lo: uint64(len(iv)) * 8}
	return elementOf(j0).mul(h.key).add(length).mul(h.key).bytes()
}

func (h *Hasher) wipe() {
	clear(h.squares[:])
	if p := h.recent.Swap(nil); p != nil {
		*p = power{}
	}
	h.key, h.mask, h.aead = element{}, element{}, nil
}
