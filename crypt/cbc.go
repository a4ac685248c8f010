package crypt

import (
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
)

// EncryptCBC encrypts whole blocks in order; chain holds the previous
// ciphertext block (the IV at first: see CBCStart) and is advanced. dst and
// src may be the same slice, else must not overlap.
func (c *Cipher) EncryptCBC(dst, src []byte, chain *[16]byte) {
	c.needCBC("EncryptCBC")
	if len(src) == 0 {
		return
	}
	cipher.NewCBCEncrypter(c.block, chain[:]).CryptBlocks(dst, src)
	copy(chain[:], dst[len(src)-blockLen:len(src)])
}

// CBCStart is the chain value of offset 0.
func (c *Cipher) CBCStart() [16]byte {
	c.needCBC("CBCStart")
	return c.start
}

// DecryptCBC decrypts whole blocks, prev being the ciphertext block before src
// (for the first: the IV, see CBCStart). dst and src may be the same slice,
// else must not overlap; prev must not lie within dst.
func (c *Cipher) DecryptCBC(dst, src, prev []byte) {
	c.needCBC("DecryptCBC")
	cipher.NewCBCDecrypter(c.block, prev).CryptBlocks(dst, src)
}

func (c *Cipher) needCBC(method string) {
	if c.mode != CBC {
		panic("crypt: " + method + " in " + c.mode.String() + " mode")
	}
}

// Pad appends PKCS#7 padding (1 to 16 bytes; RFC 5652, section 6.3) to the
// last plaintext bytes, as append does: the result may share tail's memory.
func Pad(tail []byte) []byte {
	n := blockLen - len(tail)%blockLen
	for range n {
		tail = append(tail, byte(n))
	}
	return tail
}

// Unpad checks the padding of the last block and returns how many plaintext
// bytes it holds (0 to 15). ErrTampered if the padding is wrong; how it is
// wrong does not show in the time taken.
func Unpad(block []byte) (int, error) {
	if len(block) != blockLen {
		return 0, fmt.Errorf("padding: last block has %d bytes, want %d: %w", len(block), blockLen, ErrTampered)
	}
	n := int(block[blockLen-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, blockLen)
	for i, b := range block {
		plaintext := subtle.ConstantTimeLessOrEq(i+1, blockLen-n)
		good &= plaintext | subtle.ConstantTimeByteEq(b, byte(n))
	}
	if good != 1 {
		return 0, fmt.Errorf("padding: %w", ErrTampered)
	}
	return blockLen - n, nil
}
