package crypt

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func mustSealer(t testing.TB, key []byte, id [16]byte) *Sealer {
	t.Helper()
	s, err := NewSealer(key, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// "genuine" sealed under a data key of 32 zero bytes for the file id 01 00 ... 00,
// as block 3 in slot 4, and as the record "map 17". Made by another
// implementation of RFC 5869 and GCM; a spool of today must open for ever.
const (
	goldenBlock  = "000102030405060708090a0be078fd0da2f3fbc7e47ad6d47646b4309a3335bdc17b4d"
	goldenRecord = "000102030405060708090a0be078fd0da2f3fbca8503b05ed633cfa342442aa93f10f0"
)

func TestSealGolden(t *testing.T) {
	s := mustSealer(t, make([]byte, 32), [16]byte{1})
	if got, err := s.OpenBlock(nil, unhex(t, goldenBlock), 3, 4); err != nil || string(got) != "genuine" {
		t.Errorf("block: %q, %v", got, err)
	}
	if got, err := s.OpenRecord(nil, unhex(t, goldenRecord), "map 17"); err != nil || string(got) != "genuine" {
		t.Errorf("record: %q, %v", got, err)
	}
}

func TestSealedBlockRoundTrip(t *testing.T) {
	s := mustSealer(t, noise(1, 32), [16]byte{1})
	rapid.Check(t, func(t *rapid.T) {
		plain := noise(2, rapid.OneOf(rapid.IntRange(0, 100), rapid.Just(BlockSize)).Draw(t, "n"))
		index, slot := rapid.Uint64().Draw(t, "index"), rapid.Uint32().Draw(t, "slot")
		sealed := s.SealBlock([]byte("head"), plain, index, slot)
		if len(sealed) != 4+len(plain)+SealOverhead || string(sealed[:4]) != "head" {
			t.Fatalf("%d bytes sealed to %d", len(plain), len(sealed))
		}
		got, err := s.OpenBlock([]byte("top"), sealed[4:], index, slot)
		if err != nil || string(got[:3]) != "top" || !bytes.Equal(got[3:], plain) {
			t.Fatalf("opened %d bytes, %v", len(got), err)
		}
	})
}

func TestSealedBlockTampering(t *testing.T) {
	key, id := noise(1, 32), [16]byte{1, 2, 3}
	s := mustSealer(t, key, id)
	plain := noise(2, 50)
	sealed := s.SealBlock(nil, plain, 7, 9)
	found := func(what string, s *Sealer, sealed []byte, index uint64, slot uint32) {
		t.Helper()
		if got, err := s.OpenBlock(nil, sealed, index, slot); !errors.Is(err, ErrTampered) || got != nil {
			t.Errorf("%s: %x, %v", what, got, err)
		}
	}
	found("another index", s, sealed, 8, 9)
	found("index moved up", s, sealed, 7|1<<63, 9)
	found("another slot", s, sealed, 7, 8)
	found("index and slot swapped", s, sealed, 9, 7)
	found("another id", mustSealer(t, key, [16]byte{1, 2, 4}), sealed, 7, 9)
	found("another key", mustSealer(t, noise(3, 32), id), sealed, 7, 9)
	for bit := range len(sealed) * 8 {
		sealed[bit/8] ^= 1 << (bit % 8)
		found("a bit", s, sealed, 7, 9)
		sealed[bit/8] ^= 1 << (bit % 8)
	}
	for n := range sealed {
		found("cut short", s, sealed[:n], 7, 9)
		found("head cut off", s, sealed[n+1:], 7, 9)
	}
	found("longer", s, append(bytes.Clone(sealed), 0), 7, 9)
	if _, err := s.OpenBlock(nil, sealed, 7, 9); err != nil {
		t.Fatalf("the untouched block: %v", err)
	}
}

func TestSealedRecord(t *testing.T) {
	key := noise(1, 16)
	s := mustSealer(t, key, [16]byte{5})
	sealed := s.SealRecord([]byte("x"), []byte("a/b.mp4"), "path")[1:]
	got, err := s.OpenRecord([]byte("y"), sealed, "path")
	if err != nil || string(got) != "ya/b.mp4" {
		t.Fatalf("%q, %v", got, err)
	}
	for _, label := range []string{"", "pat", "path ", "map 17", "Path"} {
		if _, err := s.OpenRecord(nil, sealed, label); !errors.Is(err, ErrTampered) {
			t.Errorf("label %q: %v", label, err)
		}
	}
	if _, err := mustSealer(t, key, [16]byte{6}).OpenRecord(nil, sealed, "path"); !errors.Is(err, ErrTampered) {
		t.Errorf("another id: %v", err)
	}
	if _, err := s.OpenRecord(nil, sealed[:27], "path"); !errors.Is(err, ErrTampered) {
		t.Errorf("too short: %v", err)
	}
}

// A label chosen to look like a block's place does not make a record a block.
func TestRecordIsNoBlock(t *testing.T) {
	s := mustSealer(t, noise(1, 16), [16]byte{5})
	place := string(make([]byte, 12)) // index 0, slot 0
	if _, err := s.OpenBlock(nil, s.SealRecord(nil, []byte("x"), place), 0, 0); !errors.Is(err, ErrTampered) {
		t.Errorf("a record opened as a block: %v", err)
	}
	if _, err := s.OpenRecord(nil, s.SealBlock(nil, []byte("x"), 0, 0), place); !errors.Is(err, ErrTampered) {
		t.Errorf("a block opened as a record: %v", err)
	}
}

func TestNoncesDiffer(t *testing.T) {
	s := mustSealer(t, noise(1, 32), [16]byte{1})
	seen := map[string]bool{}
	for range 1000 {
		block, record := s.SealBlock(nil, []byte("same"), 1, 1), s.SealRecord(nil, []byte("same"), "same")
		for _, nonce := range []string{string(block[:12]), string(record[:12])} {
			if seen[nonce] {
				t.Fatalf("nonce %x twice", nonce)
			}
			seen[nonce] = true
		}
	}
}

// The draft's key must not be the object's, whatever the data key's size.
func TestSealKeyIsDerived(t *testing.T) {
	key := noise(1, 32)
	sealed := mustSealer(t, key, [16]byte{}).SealBlock(nil, []byte("plain"), 0, 0)
	c := mustCipher(t, GCM, key, sealed[:12])
	got := make([]byte, 5)
	if c.XORAt(got, sealed[12:17], 0); string(got) == "plain" {
		t.Error("blocks are sealed under the data key itself")
	}
}
