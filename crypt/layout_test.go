package crypt

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestCipherSize(t *testing.T) {
	for _, v := range []struct {
		mode          Mode
		plain, cipher int64
	}{
		{CTR, 0, 0}, {CTR, 17, 17}, {CTR, math.MaxInt64 - 16, math.MaxInt64 - 16},
		{CBC, 0, 16}, {CBC, 1, 16}, {CBC, 15, 16}, {CBC, 16, 32}, {CBC, 17, 32}, {CBC, math.MaxInt64 - 16, math.MaxInt64 - 15},
		{GCM, 0, 16}, {GCM, 1, 17}, {GCM, 1<<36 - 32, 1<<36 - 16},
	} {
		if got := v.mode.CipherSize(v.plain); got != v.cipher {
			t.Errorf("%v: CipherSize(%d) = %d, want %d", v.mode, v.plain, got, v.cipher)
		}
		size, exact, err := v.mode.PlainSize(v.cipher)
		if v.mode == CBC {
			if err != nil || exact || size != v.cipher-1 || size < v.plain {
				t.Errorf("CBC: PlainSize(%d) = %d, %v, %v", v.cipher, size, exact, err)
			}
		} else if err != nil || !exact || size != v.plain {
			t.Errorf("%v: PlainSize(%d) = %d, %v, %v; want %d", v.mode, v.cipher, size, exact, err, v.plain)
		}
	}
}

func TestPlainSizeImpossible(t *testing.T) {
	for _, v := range []struct {
		mode   Mode
		cipher int64
	}{
		{CTR, -1}, {CTR, math.MaxInt64}, {CBC, -16}, {CBC, 0}, {CBC, 15}, {CBC, 17},
		{GCM, -1}, {GCM, 0}, {GCM, 15}, {GCM, 1<<36 - 15}, {GCM, math.MinInt64},
	} {
		if size, _, err := v.mode.PlainSize(v.cipher); !errors.Is(err, ErrTampered) {
			t.Errorf("%v: PlainSize(%d) = %d, %v; want ErrTampered", v.mode, v.cipher, size, err)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, v := range []struct {
		mode               Mode
		off, n, plain      int64
		wantOff, wantBytes int64
	}{
		{CTR, 5, 7, 100, 5, 7},
		{CTR, 90, 20, 100, 90, 10},
		{CTR, 200, 20, 100, 100, 0},
		{GCM, 0, math.MaxInt64, 100, 0, 100},
		{GCM, 99, 1, 100, 99, 1},
		{CBC, 0, 1, 100, 0, 16},
		{CBC, 15, 2, 100, 0, 32},
		{CBC, 16, 16, 100, 0, 32},
		{CBC, 40, 1, 100, 16, 32},
		{CBC, 40, 100, 100, 16, 96}, // up to the end of the last block, 112
		{CBC, 80, 16, 96, 64, 32},   // the padding's own block is not needed
		{CBC, 40, 0, 100, 40, 0},
		{CBC, 100, 1, 100, 100, 0},
		{CBC, 0, 0, 0, 0, 0},
		{CBC, math.MaxInt64 - 17, 1, math.MaxInt64 - 16, math.MaxInt64 - 47, 32},
	} {
		off, n := v.mode.Span(v.off, v.n, v.plain)
		if off != v.wantOff || n != v.wantBytes {
			t.Errorf("%v: Span(%d, %d, %d) = %d, %d; want %d, %d", v.mode, v.off, v.n, v.plain, off, n, v.wantOff, v.wantBytes)
		}
	}
}

// Any range of any file can be decrypted from its span alone.
func TestDecryptAnywhere(t *testing.T) {
	type file struct {
		c             *Cipher
		plain, object []byte
	}
	files := map[form]file{}
	for i, f := range forms {
		key, iv := noise(uint64(i), 32), noise(uint64(i)+50, f.ivSize)
		plain := noise(3, 70_000)
		files[f] = file{mustCipher(t, f.mode, key, iv), plain, stdObject(f.mode, key, iv, plain)}
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(forms).Draw(t, "form")
		file := files[f]
		size := int64(rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(65_530, 65_540), rapid.Just(70_000)).Draw(t, "size"))
		if f.mode == CBC {
			file.object = file.c.Encrypt(file.plain[:size])
		}
		off := int64(rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 70_010)).Draw(t, "off"))
		n := int64(rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 70_010)).Draw(t, "n"))

		cOff, cLen := f.mode.Span(off, n, size)
		if cOff < 0 || cLen < 0 || cLen > n+3*16 || cLen > 0 && cOff+cLen > f.mode.CipherSize(size) {
			t.Fatalf("span %d, %d", cOff, cLen)
		}
		span := bytes.Clone(file.object[cOff : cOff+cLen])
		got, err := file.c.DecryptSpan(span, off, n, size)
		if err != nil {
			t.Fatal(err)
		}
		start := min(off, size)
		if want := file.plain[start:min(size, start+n)]; !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes %.40x, want %d bytes %.40x", len(got), got, len(want), want)
		}
	})
}

func TestDecryptSpanOfWrongLength(t *testing.T) {
	for _, f := range forms {
		c := mustCipher(t, f.mode, noise(1, 32), noise(2, f.ivSize))
		if _, err := c.DecryptSpan(make([]byte, 47), 0, 48, 100); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

func TestExactSize(t *testing.T) {
	for _, f := range forms {
		c := mustCipher(t, f.mode, noise(1, 16), noise(2, f.ivSize))
		for n := range 70 {
			object := c.Encrypt(noise(3, n))
			off, length := f.mode.TailSpan(int64(len(object)))
			got, err := c.PlainSize(int64(len(object)), object[off:off+length])
			if err != nil || got != int64(n) {
				t.Errorf("%v: size of %d bytes: %d, %v", f, n, got, err)
			}
		}
	}
	c := mustCipher(t, CBC, noise(1, 16), noise(2, 16))
	object := c.Encrypt(noise(3, 40))
	if _, err := c.PlainSize(48, object[32:]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short tail: %v", err)
	}
	if _, err := c.PlainSize(47, object[16:47]); !errors.Is(err, ErrTampered) {
		t.Errorf("impossible size: %v", err)
	}
	object[31] ^= 1 // turns the last byte of the padding into another number
	if _, err := c.PlainSize(48, object[16:]); !errors.Is(err, ErrTampered) {
		t.Errorf("wrong padding: %v", err)
	}
}
