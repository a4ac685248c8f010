package crypt

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFieldAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) []byte {
			return rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name)
		}
		a, b := draw("a"), draw("b")
		got := elementOf([16]byte(a)).mul(elementOf([16]byte(b))).bytes()
		if want := polynomialBytes(refMul(polynomial(a), polynomial(b))); !bytes.Equal(got[:], want) {
			t.Fatalf("%x · %x = %x, want %x", a, b, got, want)
		}
		if same := one.mul(elementOf([16]byte(a))).bytes(); !bytes.Equal(same[:], a) {
			t.Fatalf("1 · %x = %x", a, same)
		}
	})
}

func testHasher(t testing.TB, key []byte) *Hasher {
	t.Helper()
	return mustCipher(t, GCM, key, make([]byte, 12)).Hasher()
}

// A Partial is GHASH times H, in the reference's arithmetic.
func TestSumAgainstReference(t *testing.T) {
	key := noise(20, 32)
	h, ref := testHasher(t, key), refHashKey(key)
	for _, n := range []int{0, 1, 15, 16, 17, 255, 256, 1000, 4096} {
		run := noise(21, n)
		p := h.Sum(run)
		want := polynomialBytes(refMul(refGHASH(ref, run), ref))
		if !bytes.Equal(p.sum[:], want) || p.Len() != int64(n) {
			t.Errorf("%d bytes: %x (%d), want %x", n, p.sum, p.n, want)
		}
	}
	if h.Sum(nil) != (Partial{}) {
		t.Error("the hash of nothing is not the zero Partial")
	}
}

// Every power that Join may need, single squares and mixed exponents.
func TestPowers(t *testing.T) {
	key := noise(22, 16)
	h := testHasher(t, key)
	want, blocks := one, uint64(0)
	for range 600 {
		for range 2 { // the second time from memory
			if got := h.power(blocks); got != want {
				t.Fatalf("H^%d = %x, want %x", blocks, got, want)
			}
		}
		want, blocks = want.mul(h.key), blocks+1
	}
	high := h.power(1 << 58)
	if got := h.power(1<<59 - 1).mul(h.key); got != high.mul(high) {
		t.Error("H^(2^59-1) · H is not H^(2^59)")
	}
	if got := h.power(1 << 59); got != high.mul(high) {
		t.Error("H^(2^58) squared is not H^(2^59)")
	}
}

// However a run is cut, and in whatever order neighbours are joined, the hash is that of the whole.
func TestJoinIsAssociative(t *testing.T) {
	h := testHasher(t, noise(23, 32))
	data := noise(24, 1<<16)
	rapid.Check(t, func(t *rapid.T) {
		var parts []Partial
		rest := data
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			n := 16 * rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(0, 300)).Draw(t, "blocks")
			parts = append(parts, h.Sum(rest[:n]))
			rest = rest[n:]
		}
		n := rapid.IntRange(0, 100).Draw(t, "last")
		parts = append(parts, h.Sum(rest[:n]))
		whole := h.Sum(data[:len(data)-len(rest)+n])
		for len(parts) > 1 {
			i := rapid.IntRange(0, len(parts)-2).Draw(t, "join")
			parts[i] = h.Join(parts[i], parts[i+1])
			parts = append(parts[:i+1], parts[i+2:]...)
		}
		if parts[0] != whole {
			t.Fatalf("%+v, want %+v", parts[0], whole)
		}
	})
}

func TestJoinRefusesTornRun(t *testing.T) {
	h := testHasher(t, noise(23, 32))
	torn, next := h.Sum(make([]byte, 17)), h.Sum(make([]byte, 16))
	mustPanic(t, "join after a torn run", func() { h.Join(torn, next) })
	if h.Join(torn, Partial{}) != torn {
		t.Error("nothing may follow a torn run")
	}
}

func TestRunInAnyPieces(t *testing.T) {
	h := testHasher(t, noise(25, 16))
	data := noise(26, 5000)
	rapid.Check(t, func(t *rapid.T) {
		r, at := h.NewRun(), 0
		for at < len(data) && !rapid.Bool().Draw(t, "stop") {
			n := min(len(data)-at, rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 3000)).Draw(t, "n"))
			if took, err := r.Write(data[at : at+n]); took != n || err != nil {
				t.Fatalf("Write: %d, %v", took, err)
			}
			at += n
			if got, want := r.Partial(), h.Sum(data[:at]); got != want {
				t.Fatalf("after %d bytes: %+v, want %+v", at, got, want)
			}
		}
	})
}

func TestPartialMarshals(t *testing.T) {
	h := testHasher(t, noise(27, 16))
	for _, n := range []int{0, 1, 16, 5000} {
		p := h.Sum(noise(28, n))
		b, err := p.MarshalBinary()
		if err != nil || len(b) != 25 {
			t.Fatalf("MarshalBinary: %x, %v", b, err)
		}
		back := Partial{n: 1}
		if err := back.UnmarshalBinary(b); err != nil || back != p {
			t.Errorf("%d bytes: %+v, %v; want %+v", n, back, err, p)
		}
		if n == 0 {
			continue
		}
		kept := back
		if err := back.UnmarshalBinary(b[:24]); err == nil || back != kept {
			t.Errorf("UnmarshalBinary of a short value: %+v, %v", back, err)
		}
	}
}

func TestParsePartialRefuses(t *testing.T) {
	good := append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 16}, noise(28, 16)...)
	if _, err := ParsePartial(good); err != nil {
		t.Fatal(err)
	}
	change := func(i int, to byte) []byte {
		b := bytes.Clone(good)
		b[i] = to
		return b
	}
	for what, b := range map[string][]byte{
		"nothing":          nil,
		"short":            good[:24],
		"long":             append(bytes.Clone(good), 0),
		"another version":  change(0, 2),
		"negative length":  change(1, 0x80),
		"a sum of nothing": change(8, 0),
	} {
		if p, err := ParsePartial(b); err == nil || p != (Partial{}) {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
}

func TestHasherOnlyInGCM(t *testing.T) {
	for _, f := range forms {
		if has := mustCipher(t, f.mode, noise(1, 16), noise(2, f.ivSize)).Hasher() != nil; has != (f.mode == GCM) {
			t.Errorf("%v has a Hasher: %v", f.mode, has)
		}
	}
}

func TestEveryBitOfATagCounts(t *testing.T) {
	for _, ivSize := range []int{12, 16} {
		c := mustCipher(t, GCM, noise(29, 32), noise(30, ivSize))
		object := c.Encrypt(noise(31, 100))
		text, tag := object[:100], object[100:]
		if err := c.VerifyTag(c.Hasher().Sum(text), tag); err != nil {
			t.Fatal(err)
		}
		for bit := range len(object) * 8 {
			object[bit/8] ^= 1 << (bit % 8)
			if c.VerifyTag(c.Hasher().Sum(text), tag) == nil {
				t.Errorf("flipping bit %d went unnoticed", bit)
			}
			object[bit/8] ^= 1 << (bit % 8)
		}
		for _, wrong := range [][]byte{nil, tag[:15], append(bytes.Clone(tag), 0)} {
			if c.VerifyTag(c.Hasher().Sum(text), wrong) == nil {
				t.Errorf("a tag of %d bytes passed", len(wrong))
			}
		}
		if c.VerifyTag(c.Hasher().Sum(text[:99]), tag) == nil {
			t.Error("a shorter text passed")
		}
	}
}

func TestWipeZeroesHashKeys(t *testing.T) {
	c := mustCipher(t, GCM, noise(1, 16), noise(2, 16))
	h := c.Hasher()
	h.Join(h.Sum(make([]byte, 16)), h.Sum(make([]byte, 48)))
	recent := h.recent.Load()
	c.Wipe()
	if h.key != (element{}) || h.mask != (element{}) || h.squares != [maxDoublings]element{} || recent.value != (element{}) ||
		c.mask != [16]byte{} || c.start != [16]byte{} || c.block != nil || h.aead != nil {
		t.Error("Wipe left something of the hash key")
	}
	g := mustIntegrity(t, CTR, noise(1, 16), noise(2, 16))
	check, seal, link := g.check, g.seal, g.link
	g.Wipe()
	if !bytes.Equal(slices.Concat(check, seal, link), make([]byte, 96)) || g.hasher.key != (element{}) {
		t.Error("Wipe left a subkey")
	}
	s, err := NewSealer(noise(1, 16), [16]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Wipe(); s.aead != nil {
		t.Error("Wipe left the sealing key")
	}
}
