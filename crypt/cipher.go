package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"slices"
)

// Cipher is one data key with one IV. Its methods may be called by several
// goroutines at once, except Wipe, after which none may be called.
type Cipher struct {
	mode   Mode
	iv     []byte
	block  cipher.Block
	start  [blockLen]byte // CTR: the counter of block 0. CBC: the IV. GCM: J0, secret only if the IV has 16 bytes
	mask   [tagLen]byte   // GCM: E(J0), which hides the hash in the tag
	hasher *Hasher        // GCM only
}

// NewCipher copies what it needs of key and iv. Key: 16, 24 or 32 bytes.
func NewCipher(m Mode, key, iv []byte) (*Cipher, error) {
	if err := m.CheckIV(len(iv)); err != nil {
		return nil, err
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	c := &Cipher{mode: m, iv: slices.Clone(iv), block: block}
	copy(c.start[:], iv) // a 12-byte IV is followed by a counter of zero
	if m != GCM {
		return c, nil
	}
	if c.hasher, err = newHasher(block); err != nil {
		return nil, err
	}
	c.start = c.hasher.firstCounter(iv)
	block.Encrypt(c.mask[:], c.start[:])
	return c, nil
}

// checkKey takes the three key sizes of AES (FIPS 197).
func checkKey(key []byte) error {
	switch len(key) {
	case 16, 24, 32:
		return nil
	}
	return fmt.Errorf("data key of %d bytes: want 16, 24 or 32", len(key))
}

// Mode is the mode given to NewCipher.
func (c *Cipher) Mode() Mode { return c.mode }

// IV is a copy of the IV.
func (c *Cipher) IV() []byte { return slices.Clone(c.iv) }

// Wipe zeroes what can be zeroed, the hash key and the tag's mask, and drops
// the key schedule, which only the garbage collector can reach.
func (c *Cipher) Wipe() {
	if c.hasher != nil {
		c.hasher.wipe()
	}
	clear(c.start[:])
	clear(c.mask[:])
	c.block = nil
}

// Encrypt returns the object that a whole plaintext makes: in CBC with its padding, in GCM with its
// tag. plain stays as it is; content that may be long is for EncryptStream, or for parts.
func (c *Cipher) Encrypt(plain []byte) []byte {
	body := slices.Grow(slices.Clone(plain), blockLen) // the padding's room, or the tag's
	if c.mode == CBC {
		body = Pad(body)
		chain := c.CBCStart()
		c.EncryptCBC(body, body, &chain)
		return body
	}
	c.XORAt(body, body, 0)
	if c.mode == GCM {
		tag := c.Tag(c.Hasher().Sum(body))
		body = append(body, tag[:]...)
	}
	return body
}

// DecryptSpan decrypts, in place, the ciphertext that Mode.Span(off, n, plain)
// names, and returns the plaintext [off, off+n), cut at the file's end: a slice
// of span. Nothing is authenticated. A span of another length is
// io.ErrUnexpectedEOF (a range that came back short).
func (c *Cipher) DecryptSpan(span []byte, off, n, plain int64) ([]byte, error) {
	cOff, cLen := c.mode.Span(off, n, plain)
	if int64(len(span)) != cLen {
		return nil, fmt.Errorf("decrypt %d bytes at %d: %d bytes of ciphertext, want %d: %w",
			n, off, len(span), cLen, io.ErrUnexpectedEOF)
	}
	if c.mode != CBC {
		c.XORAt(span, span, cOff)
		return span, nil
	}
	if cLen == 0 {
		return span, nil
	}
	start, end := clip(off, n, plain)
	prev, body := c.start[:], span
	if alignDown(start) > 0 {
		prev, body = span[:blockLen], span[blockLen:]
	}
	c.DecryptCBC(body, body, prev)
	from := start - alignDown(start)
	return body[from : from+end-start], nil
}

// PlainSize is the exact plaintext size of an object of cipher bytes. In CBC
// tail holds the bytes that Mode.TailSpan names and is left as it is; in the
// other modes it is not looked at. ErrTampered if length or padding are wrong.
func (c *Cipher) PlainSize(cipher int64, tail []byte) (int64, error) {
	size, exact, err := c.mode.PlainSize(cipher)
	if err != nil || exact {
		return size, err
	}
	_, n := c.mode.TailSpan(cipher)
	if int64(len(tail)) != n {
		return 0, fmt.Errorf("size from the last block: %d bytes of ciphertext, want %d: %w", len(tail), n, io.ErrUnexpectedEOF)
	}
	prev := c.start[:]
	if len(tail) > blockLen {
		prev = tail[:blockLen]
	}
	last := make([]byte, blockLen)
	defer clear(last)
	c.DecryptCBC(last, tail[len(tail)-blockLen:], prev)
	kept, err := Unpad(last)
	if err != nil {
		return 0, err
	}
	return cipher - blockLen + int64(kept), nil
}
