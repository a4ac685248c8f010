package crypt

import (
	"bytes"
	"testing"
)

func TestParseMode(t *testing.T) {
	for s, want := range map[string]Mode{
		"CTR": CTR, "CBC": CBC, "GCM": GCM, "AES_CTR": CTR, "AES_CBC": CBC, "AES_GCM": GCM,
		"": 0, "ctr": 0, "AES_": 0, "AES_AES_CTR": 0, "ECB": 0, "CTR ": 0,
	} {
		got, err := ParseMode(s)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("ParseMode(%q) = %v, %v; want %v", s, got, err, want)
		}
		if err == nil {
			if again, err := ParseMode(got.String()); again != got || err != nil {
				t.Errorf("ParseMode(%q) = %v, %v", got.String(), again, err)
			}
		}
	}
	if got := Mode(9).String(); got != "Mode(9)" {
		t.Errorf("Mode(9) is %q", got)
	}
}

func TestCheckIV(t *testing.T) {
	for m := range Mode(5) {
		for n := range 20 {
			want := m >= CTR && m <= GCM && (n == 16 || n == 12 && m != CBC)
			if err := m.CheckIV(n); (err == nil) != want {
				t.Errorf("%v: CheckIV(%d): %v", m, n, err)
			}
			iv, err := NewIV(m, n)
			if (err == nil) != want || want && len(iv) != n {
				t.Errorf("NewIV(%v, %d): %x, %v", m, n, iv, err)
			}
		}
		if err := m.CheckIV(m.DefaultIVSize()); (err == nil) != (m >= CTR && m <= GCM) {
			t.Errorf("%v: default IV: %v", m, err)
		}
	}
}

func TestNewIVIsFresh(t *testing.T) {
	for _, f := range forms {
		seen := map[string]bool{}
		var any [16]byte // bits that were ever set
		for range 200 {
			iv, err := NewIV(f.mode, f.ivSize)
			if err != nil || seen[string(iv)] {
				t.Fatalf("%v: %x again, or %v", f, iv, err)
			}
			seen[string(iv)] = true
			for i, b := range iv {
				any[i] |= b
			}
		}
		want := bytes.Repeat([]byte{0xff}, f.ivSize)
		if f.mode == CTR {
			want = want[:12] // the counter starts at 0
		}
		if !bytes.Equal(any[:], pad16(want)) {
			t.Errorf("%v: random bits %x, want %x", f, any, want)
		}
	}
}

func TestNewCipherRefuses(t *testing.T) {
	for n := range 40 {
		want := n == 16 || n == 24 || n == 32
		_, err := NewCipher(CTR, make([]byte, n), make([]byte, 16))
		_, err2 := NewIntegrity(CTR, make([]byte, n), make([]byte, 16))
		_, err3 := NewSealer(make([]byte, n), [16]byte{})
		if (err == nil) != want || (err2 == nil) != want || (err3 == nil) != want {
			t.Errorf("key of %d bytes: %v, %v, %v", n, err, err2, err3)
		}
	}
	if _, err := NewCipher(CBC, make([]byte, 16), make([]byte, 12)); err == nil {
		t.Error("CBC took an IV of 12 bytes")
	}
	if _, err := NewIntegrity(CBC, make([]byte, 16), make([]byte, 12)); err == nil {
		t.Error("NewIntegrity took an IV of 12 bytes for CBC")
	}
}

// The caller may wipe key and IV as soon as the constructor returns.
func TestCipherCopies(t *testing.T) {
	for _, f := range forms {
		key, iv := noise(1, 32), noise(2, f.ivSize)
		want := stdObject(f.mode, key, iv, []byte("twenty-one plain bytes"))
		c := mustCipher(t, f.mode, key, iv)
		clear(key)
		clear(iv)
		c.IV()[0]++
		if got := c.Encrypt([]byte("twenty-one plain bytes")); !bytes.Equal(got, want) {
			t.Errorf("%v: depends on the caller's key or IV", f)
		}
		if c.Mode() != f.mode || !bytes.Equal(c.IV(), noise(2, f.ivSize)) {
			t.Errorf("%v: mode %v, IV %x", f, c.Mode(), c.IV())
		}
	}
}
