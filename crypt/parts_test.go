package crypt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

const testPart = 1 << 20

// testSizes are the lengths at which something changes.
var testSizes = []int{
	0, 1, 15, 16, 17,
	BlockSize - 1, BlockSize, BlockSize + 1,
	testPart - 1, testPart, testPart + 1,
	3*testPart + 12_345,
}

// TestEncrypt: a whole object is the standard's, and its plaintext is left as it was, whatever
// memory lies behind it.
func TestEncrypt(t *testing.T) {
	for _, f := range forms {
		for _, n := range testSizes {
			key, iv, memory := noise(90, 24), noise(91, f.ivSize), noise(92, n+64)
			before := bytes.Clone(memory)
			got := mustCipher(t, f.mode, key, iv).Encrypt(memory[:n])
			if !bytes.Equal(got, stdObject(f.mode, key, iv, before[:n])) {
				t.Errorf("%v, %d bytes: not the standard's", f, n)
			}
			if !bytes.Equal(memory, before) {
				t.Errorf("%v, %d bytes: it has changed its plaintext, or what lies behind", f, n)
			}
		}
	}
}

// Parts are encrypted and hashed in a shuffled order by several goroutines,
// joined in order, and give the object that the standard library gives.
func TestPartsInAnyOrder(t *testing.T) {
	for _, f := range forms {
		if f.mode == CBC {
			continue // a chain has one order: TestOddSteps, TestStreams
		}
		for _, n := range testSizes {
			for _, size := range []int{testPart, BlockSize, 48_000} {
				t.Run(fmt.Sprintf("%v/%d/%d in parts of %d", f.mode, f.ivSize, n, size), func(t *testing.T) {
					key, iv, plain := noise(uint64(n), 32), noise(7, f.ivSize), noise(8, n)
					want := stdObject(f.mode, key, iv, plain)
					got := encryptParts(mustCipher(t, f.mode, key, iv), plain, size)
					if !bytes.Equal(got, want) {
						t.Error("wrong object")
					}
				})
			}
		}
	}
}

func encryptParts(c *Cipher, plain []byte, size int) []byte {
	out := make([]byte, len(plain))
	count := (len(plain) + size - 1) / size
	sums := make([]Partial, count)
	var g sync.WaitGroup
	for _, i := range rand.Perm(count) {
		g.Go(func() {
			from, to := i*size, min(len(plain), (i+1)*size)
			c.XORAt(out[from:to], plain[from:to], int64(from))
			if c.Mode() == GCM {
				sums[i] = c.Hasher().Sum(out[from:to])
			}
		})
	}
	g.Wait()
	if c.Mode() != GCM {
		return out
	}
	var whole Partial
	for _, sum := range sums {
		whole = c.Hasher().Join(whole, sum)
	}
	tag := c.Tag(whole)
	return append(out, tag[:]...)
}

// Steps of any length give what one call gives.
func TestOddSteps(t *testing.T) {
	const n = 2*BlockSize + 77
	plain := noise(4, n)
	for _, f := range forms {
		key, iv := noise(5, 24), noise(6, f.ivSize)
		c := mustCipher(t, f.mode, key, iv)
		want := stdObject(f.mode, key, iv, plain)
		for _, step := range []int{1, 13, 16, 4099, BlockSize - 1, BlockSize, n} {
			if f.mode == CBC {
				if step%16 == 0 {
					testCBCSteps(t, c, plain, want, step)
				}
				continue
			}
			out := make([]byte, n)
			for off := 0; off < n; off += step {
				end := min(n, off+step)
				c.XORAt(out[off:end], plain[off:end], int64(off))
			}
			if !bytes.Equal(out, want[:n]) {
				t.Errorf("%v: wrong in steps of %d", f, step)
			}
		}
	}
}

func testCBCSteps(t *testing.T, c *Cipher, plain, want []byte, step int) {
	t.Helper()
	padded := Pad(bytes.Clone(plain))
	got := make([]byte, len(padded))
	chain := c.CBCStart()
	for off := 0; off < len(padded); off += step {
		end := min(len(padded), off+step)
		c.EncryptCBC(got[off:end], padded[off:end], &chain)
	}
	if !bytes.Equal(got, want) || !bytes.Equal(chain[:], want[len(want)-16:]) {
		t.Errorf("CBC: wrong in steps of %d", step)
	}
	c.EncryptCBC(nil, nil, &chain)
	if !bytes.Equal(chain[:], want[len(want)-16:]) {
		t.Error("CBC: encrypting nothing moved the chain")
	}
	start := c.CBCStart()
	for off := 0; off < len(got); off += step {
		end, prev := min(len(got), off+step), start[:]
		if off > 0 {
			prev = want[off-16 : off]
		}
		c.DecryptCBC(got[off:end], got[off:end], prev)
	}
	if !bytes.Equal(got, padded) {
		t.Errorf("CBC: wrong when decrypted in steps of %d", step)
	}
}

// Offsets far beyond what a test can encrypt, against counters added byte by byte.
func TestFarOffsets(t *testing.T) {
	key := noise(9, 16)
	for _, f := range []struct {
		mode Mode
		iv   []byte
		offs []int64
	}{
		{CTR, noise(10, 12), []int64{1<<36 - 5, 1 << 40, CTR.MaxPlain() - 40}},
		{CTR, bytes.Repeat([]byte{0xff}, 16), []int64{0, 1, 1<<36 - 16, 1<<62 + 3}},
		{CTR, unhex(t, "00000000000000000fffffffffffffff"), []int64{0, 15, CTR.MaxPlain() - 40}},
		{CTR, unhex(t, "0000000000000000ffffffffffffffff"), []int64{0, 15, 16}},
		{GCM, noise(11, 12), []int64{1<<36 - 32 - 40, 1 << 35}},
		{GCM, noise(11, 16), []int64{1<<36 - 32 - 40, 1 << 35, 1<<32 - 3}},
	} {
		c := mustCipher(t, f.mode, key, f.iv)
		first, width := pad16(f.iv), 16
		if f.mode == GCM {
			first, width = refJ0(key, f.iv), 4
		}
		for _, off := range f.offs {
			index := uint64(off / 16)
			if f.mode == GCM {
				index++
			}
			counter := addBytes(first, index, width)
			into := int(off % 16)
			want := refCounterXOR(key, counter, width, make([]byte, 56))[into : into+40]
			got := make([]byte, 40)
			c.XORAt(got, got, off)
			if !bytes.Equal(got, want) {
				t.Errorf("%v, IV %x, offset %d:\n got %x\nwant %x", f.mode, f.iv, off, got, want)
			}
		}
	}
}

// addBytes adds n to the last width bytes of b as one big-endian number.
func addBytes(b []byte, n uint64, width int) []byte {
	sum, add := bytes.Clone(b), make([]byte, 16)
	binary.BigEndian.PutUint64(add[8:], n)
	carry := 0
	for i := 15; i >= 16-width; i-- {
		carry += int(sum[i]) + int(add[i])
		sum[i] = byte(carry)
		carry >>= 8
	}
	return sum
}

// The counter must not come round, nor an offset be misread.
func TestXORAtRefuses(t *testing.T) {
	gcm, ctr, cbc := mustCipher(t, GCM, noise(1, 16), noise(2, 12)), mustCipher(t, CTR, noise(1, 16), noise(2, 12)), mustCipher(t, CBC, noise(1, 16), noise(2, 16))
	buf := make([]byte, 32)
	mustPanic(t, "GCM past its end", func() { gcm.XORAt(buf, buf, GCM.MaxPlain()-31) })
	mustPanic(t, "CTR past its end", func() { ctr.XORAt(buf, buf, CTR.MaxPlain()-31) })
	mustPanic(t, "negative offset", func() { ctr.XORAt(buf, buf, -1) })
	mustPanic(t, "short dst", func() { ctr.XORAt(make([]byte, 64)[:31], buf, 0) })
	mustPanic(t, "CBC", func() { cbc.XORAt(buf, buf, 0) })
	mustPanic(t, "EncryptCBC in CTR", func() { ctr.EncryptCBC(buf, buf, new([16]byte)) })
	mustPanic(t, "DecryptCBC in GCM", func() { gcm.DecryptCBC(buf, buf, buf[:16]) })
	mustPanic(t, "CBCStart in GCM", func() { gcm.CBCStart() })
	mustPanic(t, "Tag in CTR", func() { ctr.Tag(Partial{}) })
	gcm.XORAt(buf, buf, GCM.MaxPlain()-32)
	ctr.XORAt(buf, buf, CTR.MaxPlain()-32)
}

// Only len(src) bytes are written.
func TestXORAtKeepsRest(t *testing.T) {
	for _, m := range []Mode{CTR, GCM} {
		c := mustCipher(t, m, noise(1, 16), noise(2, 16))
		dst := bytes.Repeat([]byte{7}, 40)
		c.XORAt(dst, make([]byte, 21), 5)
		if !bytes.Equal(dst[21:], bytes.Repeat([]byte{7}, 19)) {
			t.Errorf("%v: wrote past len(src): %x", m, dst)
		}
		c.XORAt(dst, nil, 5)
	}
}
