package crypt

import (
	"fmt"
	"testing"
)

var benchSizes = []int{4 << 10, BlockSize, 8 << 20}

func bench(b *testing.B, f func(b *testing.B, buf []byte)) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("%dKiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			f(b, make([]byte, n))
		})
	}
}

func BenchmarkCTR(b *testing.B) {
	c := mustCipher(b, CTR, noise(1, 32), noise(2, 16))
	bench(b, func(b *testing.B, buf []byte) {
		for b.Loop() {
			c.XORAt(buf, buf, 5<<20)
		}
	})
}

// An offset within a block costs a little more.
func BenchmarkCTRUnaligned(b *testing.B) {
	c := mustCipher(b, GCM, noise(1, 32), noise(2, 12))
	bench(b, func(b *testing.B, buf []byte) {
		for b.Loop() {
			c.XORAt(buf, buf, 5<<20+3)
		}
	})
}

func BenchmarkGMAC(b *testing.B) {
	h := mustCipher(b, GCM, noise(1, 32), noise(2, 12)).Hasher()
	bench(b, func(b *testing.B, buf []byte) {
		for b.Loop() {
			h.Sum(buf)
		}
	})
}

// BenchmarkCTRandGMAC is what CTR costs: encrypt, and hash for mcfs-mac.
func BenchmarkCTRandGMAC(b *testing.B) {
	c, g := mustCipher(b, CTR, noise(1, 32), noise(2, 16)), mustIntegrity(b, CTR, noise(1, 32), noise(2, 16))
	bench(b, func(b *testing.B, buf []byte) {
		for b.Loop() {
			pass := Partial{}
			for off := 0; off < len(buf); off += BlockSize {
				chunk := buf[off:min(len(buf), off+BlockSize)]
				c.XORAt(chunk, chunk, int64(off))
				pass = g.Hasher().Join(pass, g.Hasher().Sum(chunk))
			}
		}
	})
}

// BenchmarkGCM is what GCM costs: encrypt, and hash twice, for the tag and for mcfs-mac.
func BenchmarkGCM(b *testing.B) {
	c, g := mustCipher(b, GCM, noise(1, 32), noise(2, 12)), mustIntegrity(b, GCM, noise(1, 32), noise(2, 12))
	bench(b, func(b *testing.B, buf []byte) {
		for b.Loop() {
			var tag, mac Partial
			for off := 0; off < len(buf); off += BlockSize {
				chunk := buf[off:min(len(buf), off+BlockSize)]
				c.XORAt(chunk, chunk, int64(off))
				tag = c.Hasher().Join(tag, c.Hasher().Sum(chunk))
				mac = g.Hasher().Join(mac, g.Hasher().Sum(chunk))
			}
		}
	})
}

func BenchmarkJoin(b *testing.B) {
	h := testHasher(b, noise(1, 32))
	for name, n := range map[string]int{"64KiB": BlockSize, "odd": 1_234_560} {
		p := h.Sum(make([]byte, n))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h.Join(p, p)
			}
		})
	}
}

func BenchmarkCBCEncrypt(b *testing.B) {
	c := mustCipher(b, CBC, noise(1, 32), noise(2, 16))
	bench(b, func(b *testing.B, buf []byte) {
		chain := c.CBCStart()
		for b.Loop() {
			c.EncryptCBC(buf, buf, &chain)
		}
	})
}

func BenchmarkCBCDecrypt(b *testing.B) {
	c := mustCipher(b, CBC, noise(1, 32), noise(2, 16))
	bench(b, func(b *testing.B, buf []byte) {
		chain := c.CBCStart()
		for b.Loop() {
			c.DecryptCBC(buf, buf, chain[:])
		}
	})
}

func BenchmarkSealBlock(b *testing.B) {
	s := mustSealer(b, noise(1, 32), [16]byte{})
	plain, out := make([]byte, BlockSize), make([]byte, 0, BlockSize+SealOverhead)
	b.SetBytes(BlockSize)
	b.ReportAllocs()
	for b.Loop() {
		s.SealBlock(out, plain, 1, 2)
	}
}

func BenchmarkOpenBlock(b *testing.B) {
	s := mustSealer(b, noise(1, 32), [16]byte{})
	sealed, out := s.SealBlock(nil, make([]byte, BlockSize), 1, 2), make([]byte, 0, BlockSize)
	b.SetBytes(BlockSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.OpenBlock(out, sealed, 1, 2); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenFile is what opening a version costs before its first byte.
func BenchmarkOpenFile(b *testing.B) {
	key, iv := noise(1, 32), noise(2, 12)
	b.ReportAllocs()
	for b.Loop() {
		c, g := mustCipher(b, GCM, key, iv), mustIntegrity(b, GCM, key, iv)
		g.Check()
		c.Wipe()
		g.Wipe()
	}
}
