package crypt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

var streamSizes = append([]int{streamChunk - 16, streamChunk - 1, streamChunk, streamChunk + 1, streamChunk + 15, streamChunk + 16, 2 * streamChunk}, testSizes...)

func TestStreams(t *testing.T) {
	for _, f := range forms {
		for _, n := range streamSizes {
			t.Run(fmt.Sprintf("%v/%d/%d", f.mode, f.ivSize, n), func(t *testing.T) {
				key, iv, plain := noise(70, 32), noise(71, f.ivSize), noise(72, n)
				var object, back bytes.Buffer
				size, mac, err := EncryptStream(&object, iotest.HalfReader(bytes.NewReader(plain)), f.mode, key, iv)
				if err != nil || size != int64(n) || !bytes.Equal(object.Bytes(), stdObject(f.mode, key, iv, plain)) {
					t.Fatalf("EncryptStream: %d bytes, %v", size, err)
				}
				g := mustIntegrity(t, f.mode, key, iv)
				if err := g.VerifyMAC(mac, g.Hasher().Sum(object.Bytes()), size); err != nil {
					t.Errorf("MAC of what was encrypted: %v", err)
				}
				size, mac2, err := DecryptStream(&back, iotest.HalfReader(&object), f.mode, key, iv, int64(object.Len()))
				if err != nil || size != int64(n) || !bytes.Equal(back.Bytes(), plain) {
					t.Fatalf("DecryptStream: %d bytes, %v", size, err)
				}
				if err := SameMAC(mac, mac2); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Any change of the object is found: by the tag, the padding, or at the latest by mcfs-mac.
func TestStreamTampering(t *testing.T) {
	for _, f := range forms {
		key, iv := noise(80, 16), noise(81, f.ivSize)
		var object bytes.Buffer
		_, mac, err := EncryptStream(&object, bytes.NewReader(noise(82, 50)), f.mode, key, iv)
		if err != nil {
			t.Fatal(err)
		}
		for i := range object.Len() {
			changed := bytes.Clone(object.Bytes())
			changed[i] ^= 0x40
			_, got, err := DecryptStream(io.Discard, bytes.NewReader(changed), f.mode, key, iv, int64(len(changed)))
			if f.mode == GCM && !errors.Is(err, ErrTampered) {
				t.Errorf("GCM: byte %d: %v", i, err)
			}
			if err == nil {
				err = SameMAC(mac, got)
			}
			if !errors.Is(err, ErrTampered) {
				t.Errorf("%v: byte %d went unnoticed: %v", f, i, err)
			}
		}
		size := int64(object.Len())
		if _, _, err := DecryptStream(io.Discard, bytes.NewReader(object.Bytes()[:size-1]), f.mode, key, iv, size); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: ends early: %v", f, err)
		}
		if _, _, err := DecryptStream(io.Discard, bytes.NewReader(nil), f.mode, key, iv, size); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: empty: %v", f, err)
		}
		if _, _, err := DecryptStream(io.Discard, bytes.NewReader(append(object.Bytes(), 0)), f.mode, key, iv, size); !errors.Is(err, ErrTampered) {
			t.Errorf("%v: goes on: %v", f, err)
		}
	}
	for _, v := range []struct {
		mode Mode
		size int64
	}{{CBC, 0}, {CBC, 17}, {GCM, 15}, {CTR, -1}} {
		if _, _, err := DecryptStream(io.Discard, bytes.NewReader(make([]byte, 20)), v.mode, noise(1, 16), noise(2, 16), v.size); !errors.Is(err, ErrTampered) {
			t.Errorf("%v of %d bytes: %v", v.mode, v.size, err)
		}
	}
}

// failingWriter fails, or falls short, after some bytes.
type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

func TestStreamErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, f := range forms {
		key, iv, plain := noise(90, 16), noise(91, f.ivSize), noise(92, 2*streamChunk+5)
		object := stdObject(f.mode, key, iv, plain)
		src := func(b []byte) io.Reader {
			return io.MultiReader(bytes.NewReader(b[:streamChunk+9]), iotest.ErrReader(broken))
		}
		if _, _, err := EncryptStream(io.Discard, src(plain), f.mode, key, iv); !errors.Is(err, broken) {
			t.Errorf("%v: encrypt from a broken source: %v", f, err)
		}
		if _, _, err := DecryptStream(io.Discard, src(object), f.mode, key, iv, int64(len(object))); !errors.Is(err, broken) {
			t.Errorf("%v: decrypt from a broken source: %v", f, err)
		}
		end := io.MultiReader(bytes.NewReader(object), iotest.ErrReader(broken))
		if _, _, err := DecryptStream(io.Discard, end, f.mode, key, iv, int64(len(object))); !errors.Is(err, broken) {
			t.Errorf("%v: source broken at its end: %v", f, err)
		}
		for _, left := range []int{0, streamChunk + 1, 2*streamChunk + 4} {
			for _, want := range []error{broken, io.ErrShortWrite} {
				w := func() io.Writer {
					if want == broken {
						return &failingWriter{left, broken}
					}
					return &failingWriter{left, nil}
				}
				if _, _, err := EncryptStream(w(), bytes.NewReader(plain), f.mode, key, iv); !errors.Is(err, want) {
					t.Errorf("%v: encrypt to a writer of %d bytes: %v", f, left, err)
				}
				if _, _, err := DecryptStream(w(), bytes.NewReader(object), f.mode, key, iv, int64(len(object))); !errors.Is(err, want) {
					t.Errorf("%v: decrypt to a writer of %d bytes: %v", f, left, err)
				}
			}
		}
		if _, _, err := EncryptStream(io.Discard, bytes.NewReader(nil), f.mode, key[:5], iv); err == nil {
			t.Errorf("%v: took a key of 5 bytes", f)
		}
		if _, _, err := DecryptStream(io.Discard, bytes.NewReader(nil), f.mode, key, iv[:5], 16); err == nil {
			t.Errorf("%v: took an IV of 5 bytes", f)
		}
	}
}

// Not a byte past the limit is encrypted. The limit is lowered here: GCM's own takes 64 GiB to reach.
func TestStreamTooLong(t *testing.T) {
	for _, f := range forms {
		for over := range 2 {
			limit := 2*streamChunk + 10
			var object bytes.Buffer
			p, err := newPass(&object, f.mode, noise(1, 32), noise(2, f.ivSize))
			if err != nil || p.limit != f.mode.MaxPlain() {
				t.Fatalf("%v: limit %d, %v", f, p.limit, err)
			}
			p.limit = int64(limit)
			n, err := p.encrypt(bytes.NewReader(make([]byte, limit+over)))
			switch {
			case over == 0 && (err != nil || n != int64(limit)):
				t.Errorf("%v: at the limit: %d, %v", f, n, err)
			case over == 1 && (!errors.Is(err, ErrTooLong) || object.Len() != 2*streamChunk):
				t.Errorf("%v: past the limit: %d bytes written, %v", f, object.Len(), err)
			}
		}
	}
}
