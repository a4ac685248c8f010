package crypt

import (
	"crypto/subtle"
	"fmt"
)

// Hasher is the GHASH of GCM's tag under the data key (GCM only; nil otherwise).
func (c *Cipher) Hasher() *Hasher { return c.hasher }

// Tag is the GCM tag of a file whose whole ciphertext (without tag) hashes to
// p. It panics in the other modes.
func (c *Cipher) Tag(p Partial) [16]byte {
	if c.mode != GCM {
		panic("crypt: Tag in " + c.mode.String() + " mode")
	}
	return c.hasher.tag(p, elementOf(c.mask), 0, p.n)
}

// VerifyTag compares in constant time; ErrTampered if it differs.
func (c *Cipher) VerifyTag(p Partial, tag []byte) error {
	want := c.Tag(p)
	if subtle.ConstantTimeCompare(want[:], tag) != 1 {
		return fmt.Errorf("GCM tag: %w", ErrTampered)
	}
	return nil
}
