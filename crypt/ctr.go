package crypt

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// XORAt encrypts or decrypts (CTR, GCM) the bytes at offset off of the file.
// dst and src may be the same slice, else must not overlap. Any offset; only
// len(src) bytes of dst are written.
//
// It panics in CBC, when dst is shorter than src, and beyond MaxPlain, where
// GCM's counter would come round to bytes that it has covered already.
func (c *Cipher) XORAt(dst, src []byte, off int64) {
	if c.mode == CBC {
		panic("crypt: XORAt in CBC mode")
	}
	if limit := c.mode.MaxPlain(); off < 0 || off > limit || int64(len(src)) > limit-off {
		panic(fmt.Sprintf("crypt: XORAt of %d bytes at %d: outside of a %v file", len(src), off, c.mode))
	}
	if len(dst) < len(src) {
		panic("crypt: XORAt: dst is shorter than src")
	}
	for len(src) > 0 {
		n := c.beforeWrap(off, len(src))
		c.xorRun(dst[:n], src[:n], off)
		dst, src, off = dst[n:], src[n:], off+int64(n)
	}
}

// xorRun does a stretch within which the counter goes up as one 128-bit number.
func (c *Cipher) xorRun(dst, src []byte, off int64) {
	counter := c.counterAt(uint64(off) / blockLen)
	stream := cipher.NewCTR(c.block, counter[:])
	if into := off % blockLen; into > 0 {
		// The standard library begins at a whole block: use up what precedes off.
		var skipped [blockLen]byte
		stream.XORKeyStream(skipped[:into], skipped[:into])
		clear(skipped[:])
	}
	stream.XORKeyStream(dst, src)
}

// beforeWrap is how many of n bytes at off come before GCM's 32-bit counter
// wraps. The standard library counts with 128 bits: right for CTR, but in GCM
// (SP 800-38D, section 6.2) nothing is carried into the upper 96.
func (c *Cipher) beforeWrap(off int64, n int) int {
	if c.mode != GCM {
		return n
	}
	counter := c.lowCounter(uint64(off) / blockLen)
	left := (1<<32-int64(counter))*blockLen - off%blockLen
	return int(min(int64(n), left))
}

// counterAt is the counter block of the file's block number index (from 0).
func (c *Cipher) counterAt(index uint64) [blockLen]byte {
	counter := c.start
	if c.mode == GCM {
		binary.BigEndian.PutUint32(counter[12:], c.lowCounter(index))
		return counter
	}
	low, carry := bits.Add64(binary.BigEndian.Uint64(counter[8:]), index, 0)
	high := binary.BigEndian.Uint64(counter[:8]) + carry
	binary.BigEndian.PutUint64(counter[:8], high)
	binary.BigEndian.PutUint64(counter[8:], low)
	return counter
}

// lowCounter is the last 32 bits of GCM's counter. J0 itself belongs to the
// tag: the first block takes the number after it.
func (c *Cipher) lowCounter(index uint64) uint32 {
	return binary.BigEndian.Uint32(c.start[12:]) + 1 + uint32(index)
}
