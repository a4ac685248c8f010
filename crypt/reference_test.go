package crypt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// This file holds what the code is measured against: a slow implementation of
// SP 800-38A and 38D that works on single blocks and big integers and shares
// nothing with the package, and the standard library's whole-message forms.

// field is GF(2^128) over polynomials in their ordinary order, bit i of the
// integer being the coefficient of x^i.
var field = func() *big.Int {
	p := new(big.Int).SetBit(new(big.Int), 128, 1)
	return p.Or(p, big.NewInt(1<<7|1<<2|1<<1|1))
}()

func polynomial(block []byte) *big.Int {
	p := new(big.Int)
	for i := range 128 {
		if block[i/8]>>(7-i%8)&1 == 1 {
			p.SetBit(p, i, 1)
		}
	}
	return p
}

func polynomialBytes(p *big.Int) []byte {
	block := make([]byte, 16)
	for i := range 128 {
		block[i/8] |= byte(p.Bit(i)) << (7 - i%8)
	}
	return block
}

func refMul(x, y *big.Int) *big.Int {
	z := new(big.Int)
	for i := range x.BitLen() {
		if x.Bit(i) == 1 {
			z.Xor(z, new(big.Int).Lsh(y, uint(i)))
		}
	}
	for n := z.BitLen(); n > 128; n = z.BitLen() {
		z.Xor(z, new(big.Int).Lsh(field, uint(n-129)))
	}
	return z
}

// refInverse is x^(2^128-2), by Fermat.
func refInverse(x *big.Int) *big.Int {
	inverse := big.NewInt(1)
	for range 127 {
		x = refMul(x, x)
		inverse = refMul(inverse, x)
	}
	return inverse
}

func refBlock(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	return block
}

func refHashKey(key []byte) *big.Int {
	h := make([]byte, 16)
	refBlock(key).Encrypt(h, h)
	return polynomial(h)
}

// refGHASH is definition 7.1's GHASH of text padded with zeros to whole blocks.
func refGHASH(h *big.Int, text []byte) *big.Int {
	y := new(big.Int)
	for chunk := range slices.Chunk(text, 16) {
		block := make([]byte, 16)
		copy(block, chunk)
		y = refMul(y.Xor(y, polynomial(block)), h)
	}
	return y
}

func lengthsBlock(additional, text int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(additional)*8)
	return binary.BigEndian.AppendUint64(b, uint64(text)*8)
}

func pad16(b []byte) []byte { return append(slices.Clone(b), make([]byte, -len(b)&15)...) }

func refJ0(key, iv []byte) []byte {
	if len(iv) == 12 {
		return append(slices.Clone(iv), 0, 0, 0, 1)
	}
	return polynomialBytes(refGHASH(refHashKey(key), append(pad16(iv), lengthsBlock(0, len(iv))...)))
}

// refCounterXOR is CTR with a counter of width bytes at the end of the block.
func refCounterXOR(key, first []byte, width int, text []byte) []byte {
	block, counter, out := refBlock(key), slices.Clone(first), slices.Clone(text)
	for chunk := range slices.Chunk(out, 16) {
		var stream [16]byte
		block.Encrypt(stream[:], counter)
		for i := range chunk {
			chunk[i] ^= stream[i]
		}
		for i := 15; i >= 16-width; i-- {
			if counter[i]++; counter[i] != 0 {
				break
			}
		}
	}
	return out
}

func refGCM(key, iv, plain []byte) []byte {
	j0 := refJ0(key, iv)
	first := slices.Clone(j0)
	binary.BigEndian.PutUint32(first[12:], binary.BigEndian.Uint32(first[12:])+1)
	text := refCounterXOR(key, first, 4, plain)
	hash := polynomialBytes(refGHASH(refHashKey(key), append(pad16(text), lengthsBlock(0, len(text))...)))
	return append(text, refCounterXOR(key, j0, 4, hash)...)
}

func refCBC(key, iv, plain []byte) []byte {
	n := 16 - len(plain)%16
	out := append(slices.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	block, prev := refBlock(key), iv
	for chunk := range slices.Chunk(out, 16) {
		for i := range chunk {
			chunk[i] ^= prev[i]
		}
		block.Encrypt(chunk, chunk)
		prev = chunk
	}
	return out
}

// stdObject is the whole object by the standard library's own forms.
func stdObject(m Mode, key, iv, plain []byte) []byte {
	block, out := refBlock(key), slices.Clone(plain)
	switch m {
	case CTR:
		cipher.NewCTR(block, pad16(iv)).XORKeyStream(out, out)
	case CBC:
		return refCBC(key, iv, plain)
	case GCM:
		aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
		if err != nil {
			panic(err)
		}
		return aead.Seal(nil, iv, plain, nil)
	}
	return out
}

// craftIV finds the 16-byte IV whose J0 is the one wanted.
func craftIV(key, j0 []byte) []byte {
	inverse := refInverse(refHashKey(key))
	y := refMul(polynomial(j0), inverse)
	y.Xor(y, polynomial(lengthsBlock(0, 16)))
	return polynomialBytes(refMul(y, inverse))
}

// form is one of the shapes that an object can have.
type form struct {
	mode   Mode
	ivSize int
}

var forms = []form{{CTR, 16}, {CTR, 12}, {CBC, 16}, {GCM, 12}, {GCM, 16}}

// noise gives the same bytes for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], seed)
	rand.NewChaCha8(s).Read(b)
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustCipher(t testing.TB, m Mode, key, iv []byte) *Cipher {
	t.Helper()
	c, err := NewCipher(m, key, iv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustIntegrity(t testing.TB, m Mode, key, iv []byte) *Integrity {
	t.Helper()
	g, err := NewIntegrity(m, key, iv)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// mustPanic says that f panics.
func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}
