package crypt

import "fmt"

// All arithmetic between plaintext and ciphertext offsets is in this file. It
// is pure. Offsets and lengths are in bytes.

const (
	blockLen = 16 // of AES, in every key size
	tagLen   = 16 // of GCM, at the end of the object
)

// CipherSize is the ciphertext's length for plain bytes (0 to MaxPlain):
// plain, padded, or plain+16.
func (m Mode) CipherSize(plain int64) int64 {
	switch m {
	case CBC:
		return plain - plain%blockLen + blockLen
	case GCM:
		return plain + tagLen
	}
	return plain
}

// PlainSize is the inverse; for CBC it is the largest possible one and exact is
// false: the last block tells (see TailSpan and Cipher.PlainSize). A size that
// no plaintext gives is an error that wraps ErrTampered.
func (m Mode) PlainSize(cipher int64) (size int64, exact bool, err error) {
	size, exact = cipher, true
	switch m {
	case CBC:
		size, exact = cipher-1, false
		if cipher%blockLen != 0 {
			size = -1
		}
	case GCM:
		size = cipher - tagLen
	}
	if size < 0 || size > m.MaxPlain() {
		return 0, false, fmt.Errorf("%d bytes are no possible length of %v ciphertext: %w", cipher, m, ErrTampered)
	}
	return size, exact, nil
}

// Span is the range of ciphertext needed to decrypt plaintext [off, off+n) of a
// file of plain bytes; for CBC it is block aligned and starts one block early
// unless at 0 (at 0 the IV is the previous block). Never includes the GCM tag.
// What lies past the end of the file is left out; nothing left gives cLen 0.
// Requires off, n and plain not to be negative.
func (m Mode) Span(off, n, plain int64) (cOff, cLen int64) {
	off, end := clip(off, n, plain)
	if m != CBC || off == end {
		return off, end - off
	}
	cOff = alignDown(off)
	cEnd := alignDown(end-1) + blockLen
	if cOff > 0 {
		cOff -= blockLen
	}
	return cOff, cEnd - cOff
}

// TailSpan is the range of a CBC object of cipher bytes from which its exact
// plaintext size can be told (see Cipher.PlainSize): the last block and the
// one before it, if there is one. Empty in the other modes, where the size is arithmetic.
func (m Mode) TailSpan(cipher int64) (cOff, cLen int64) {
	if m != CBC {
		return cipher, 0
	}
	cOff = max(0, cipher-2*blockLen)
	return cOff, cipher - cOff
}

// clip cuts [off, off+n) at the end of the file, without overflow.
func clip(off, n, plain int64) (start, end int64) {
	start = min(off, plain)
	return start, start + min(n, plain-start)
}

func alignDown(off int64) int64 { return off - off%blockLen }
