package crypt

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// The seeds of each parser's fuzzer: some that it accepts and some that it must not.
var (
	unpadSeeds = [][]byte{
		Pad(nil), Pad([]byte("fifteen bytes..")), Pad([]byte("half of it")),
		{}, make([]byte, 16), bytes.Repeat([]byte{17}, 16), bytes.Repeat([]byte{255}, 16),
		append(make([]byte, 13), 3, 2, 3), bytes.Repeat([]byte{16}, 32),
	}
	partialSeeds = [][]byte{
		append([]byte{1}, make([]byte, 24)...),
		append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 16}, bytes.Repeat([]byte{9}, 16)...),
		append([]byte{1, 127, 255, 255, 255, 255, 255, 255, 255}, bytes.Repeat([]byte{9}, 16)...),
		{}, append([]byte{2}, make([]byte, 24)...), bytes.Repeat([]byte{255}, 25),
		append([]byte{1}, bytes.Repeat([]byte{255}, 24)...),
		append([]byte{1}, append(make([]byte, 23), 1)...), // a sum of nothing
	}
)

// naiveUnpad is Unpad with ifs.
func naiveUnpad(block []byte) (int, bool) {
	if len(block) != 16 {
		return 0, false
	}
	n := int(block[15])
	if n < 1 || n > 16 || !bytes.Equal(block[16-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return 0, false
	}
	return 16 - n, true
}

func checkUnpad(t *testing.T, block []byte) bool {
	t.Helper()
	got, err := Unpad(block)
	want, ok := naiveUnpad(block)
	if got != want || (err == nil) != ok || err != nil && !errors.Is(err, ErrTampered) {
		t.Fatalf("Unpad(%x) = %d, %v; want %d, %v", block, got, err, want, ok)
	}
	if ok && !bytes.Equal(Pad(bytes.Clone(block[:got])), block) {
		t.Fatalf("Pad(%x) is not %x", block[:got], block)
	}
	return ok
}

func FuzzUnpad(f *testing.F) {
	for _, s := range unpadSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, block []byte) { checkUnpad(t, block) })
}

func checkPartial(t *testing.T, b []byte) bool {
	t.Helper()
	p, err := ParsePartial(b)
	if err != nil {
		if p != (Partial{}) {
			t.Fatalf("ParsePartial(%x) = %+v with %v", b, p, err)
		}
		return false
	}
	again, err := p.MarshalBinary()
	if err != nil || !bytes.Equal(again, b) || p.Len() < 0 {
		t.Fatalf("%x became %x, %v", b, again, err)
	}
	// Whatever parses can be joined.
	h := testHasher(t, make([]byte, 16))
	h.Join(h.Sum(make([]byte, 16)), Partial{sum: p.sum, n: p.n / 2})
	return true
}

func FuzzParsePartial(f *testing.F) {
	for _, s := range partialSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkPartial(t, b) })
}

// checkOpen says that nothing but what was sealed opens, and only in its place.
func checkOpen(t *testing.T, s *Sealer, genuine, sealed []byte, index uint64, slot uint32) bool {
	t.Helper()
	plain, err := s.OpenBlock(nil, sealed, index, slot)
	if err == nil {
		if !bytes.Equal(sealed, genuine) || index != 3 || slot != 4 || string(plain) != "genuine" {
			t.Fatalf("a forged block opened: %x at %d, %d", sealed, index, slot)
		}
		return true
	}
	if plain != nil || !errors.Is(err, ErrTampered) {
		t.Fatalf("%x with %v", plain, err)
	}
	if got, err := s.OpenRecord(nil, sealed, "label"); err == nil {
		t.Fatalf("a forged record opened: %x", got)
	}
	return false
}

// openSeeds has one genuine block, the same in each of the fuzzer's processes.
func openSeeds(t testing.TB) (s *Sealer, genuine []byte, seeds [][]byte) {
	s = mustSealer(t, make([]byte, 32), [16]byte{1})
	genuine = unhex(t, goldenBlock)
	changed := bytes.Clone(genuine)
	changed[20] ^= 1
	return s, genuine, [][]byte{genuine, changed, genuine[:28], genuine[:27], {}, make([]byte, 100)}
}

func FuzzOpenBlock(f *testing.F) {
	s, genuine, seeds := openSeeds(f)
	for _, b := range seeds {
		f.Add(b, uint64(3), uint32(4))
		f.Add(b, uint64(4), uint32(3))
	}
	f.Fuzz(func(t *testing.T, sealed []byte, index uint64, slot uint32) {
		checkOpen(t, s, genuine, sealed, index, slot)
	})
}

// A fuzzer without good and bad seeds finds little.
func TestFuzzSeeds(t *testing.T) {
	s, genuine, seeds := openSeeds(t)
	for name, parser := range map[string]struct {
		seeds [][]byte
		check func(*testing.T, []byte) bool
	}{
		"Unpad":        {unpadSeeds, checkUnpad},
		"ParsePartial": {partialSeeds, checkPartial},
		"OpenBlock":    {seeds, func(t *testing.T, b []byte) bool { return checkOpen(t, s, genuine, b, 3, 4) }},
	} {
		var good, bad int
		for _, b := range parser.seeds {
			if parser.check(t, b) {
				good++
			} else {
				bad++
			}
		}
		if good == 0 || bad == 0 {
			t.Errorf("%s: %d seeds accepted, %d refused", name, good, bad)
		}
	}
}

// Every last byte, with every number of bytes before it that agree.
func TestUnpadExhaustively(t *testing.T) {
	for last := range 256 {
		for same := range 16 {
			block := bytes.Repeat([]byte{byte(last)}, 16)
			for i := range 15 - same {
				block[i] ^= 0x55
			}
			checkUnpad(t, block)
		}
	}
	for n := range 40 {
		padded := Pad(make([]byte, n))
		if len(padded)%16 != 0 || len(padded) <= n || len(padded) > n+16 {
			t.Errorf("Pad of %d bytes has %d", n, len(padded))
		}
	}
}

// FuzzVerify: mcfs-check and mcfs-mac of anybody's making are not believed, for any size.
func FuzzVerify(f *testing.F) {
	key, iv := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, 16)
	g, err := NewIntegrity(CTR, key, iv)
	if err != nil {
		f.Fatal(err)
	}
	var none Partial
	f.Add(g.Check(), g.MAC(none, 0), int64(0))
	f.Add(g.Check()+" ", g.MAC(none, 5), int64(4))
	f.Add("", strings.Repeat("A", 64), int64(-1))
	f.Fuzz(func(t *testing.T, check, mac string, size int64) {
		if err := g.VerifyCheck(check); (err == nil) != (check == g.Check()) {
			t.Fatalf("check %q: %v", check, err)
		}
		if err := g.VerifyMAC(mac, none, size); (err == nil) != (mac == g.MAC(none, size)) {
			t.Fatalf("MAC %q: %v", mac, err)
		}
		if g.VerifyMAC(mac, none, size) == nil && g.VerifySize(mac, size) != nil {
			t.Fatalf("MAC %q: its size is not believed", mac)
		}
	})
}
