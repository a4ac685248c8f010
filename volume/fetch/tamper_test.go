package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"mcfs/crypt"
	"mcfs/store"
)

// damage is one way to change the bytes of an object.
type damage struct {
	name string
	do   func([]byte) []byte
}

func flip(name string, at func(n int) int) damage {
	return damage{name, func(b []byte) []byte {
		b = slices.Clone(b)
		b[at(len(b))] ^= 1
		return b
	}}
}

var damages = []damage{
	flip("first byte", func(int) int { return 0 }),
	flip("end of the first block", func(int) int { return blockSize - 1 }),
	flip("start of the second block", func(int) int { return blockSize }),
	flip("middle", func(n int) int { return n / 2 }),
	flip("before the tail", func(n int) int { return n - 17 }),
	flip("last byte", func(n int) int { return n - 1 }),
	{"one byte less", func(b []byte) []byte { return b[:len(b)-1] }},
	{"sixteen bytes less", func(b []byte) []byte { return b[:len(b)-16] }},
	{"half", func(b []byte) []byte { return b[:len(b)/2] }},
	{"nothing", func([]byte) []byte { return nil }},
	{"one byte more", func(b []byte) []byte { return append(slices.Clone(b), 0) }},
	{"sixteen bytes more", func(b []byte) []byte { return append(slices.Clone(b), b[:16]...) }},
	{"two blocks swapped", func(b []byte) []byte {
		return slices.Concat(b[blockSize:2*blockSize], b[:blockSize], b[2*blockSize:])
	}},
}

func TestDamageIsFound(t *testing.T) {
	const size = 1<<20 + 77
	for _, k := range kinds {
		o := newObject(t, k, size)
		if !o.protected() {
			continue
		}
		for _, d := range damages {
			t.Run(k.name+"/"+d.name, func(t *testing.T) {
				o.put(t, o.at, d.do(o.cipher))
				for _, step := range []int{4 << 10, 128 << 10, size} {
					s := o.reader(t, Config{}, nil).NewStream()
					got, err := readAll(t.Context(), s, step)
					if !errors.Is(err, ErrTampered) {
						t.Fatalf("step %d: %d bytes read, error %v", step, len(got), err)
					}
					released(t, o, got)
					if _, err := s.ReadAt(t.Context(), make([]byte, 1), 0); !errors.Is(err, ErrTampered) {
						t.Fatalf("the error does not stick: %v", err)
					}
					if s.r.Verified() {
						t.Fatal("verified all the same")
					}
				}
				if err := o.reader(t, Config{}, nil).Verify(t.Context()); !errors.Is(err, ErrTampered) {
					t.Fatalf("Verify: %v", err)
				}
			})
		}
	}
}

// released checks what a reader may be given of an object that is not whole.
func released(t *testing.T, o *object, got []byte) {
	t.Helper()
	gated := o.kind.mode == crypt.GCM && !o.kind.streaming
	if gated && len(got) > 0 {
		t.Fatalf("%d bytes released before the tag was checked", len(got))
	}
	if last := (len(o.plain) - 1) / blockSize * blockSize; len(got) > last {
		t.Fatalf("%d bytes released, the last block among them", len(got))
	}
}

func TestDamageToEmptyObjects(t *testing.T) {
	for _, name := range []string{"CBC", "CBC-no-mac", "GCM", "GCM-streaming"} {
		t.Run(name, func(t *testing.T) {
			o := newObject(t, kindNamed(t, name), 0)
			o.put(t, o.at, flip("", func(int) int { return 15 }).do(o.cipher))
			s := o.reader(t, Config{}, nil).NewStream()
			if _, err := s.ReadAt(t.Context(), make([]byte, 1), 0); !errors.Is(err, ErrTampered) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestPaddingIsChecked covers CBC without mcfs-mac, where the padding is all there is.
func TestPaddingIsChecked(t *testing.T) {
	o := newObject(t, kindNamed(t, "CBC-no-mac"), blockSize+3)
	found := 0
	for bit := range 8 {
		b := slices.Clone(o.cipher)
		b[len(b)-17] ^= 1 << bit // of the block before: flips a bit of the padding
		o.put(t, o.at, b)
		_, err := readAll(t.Context(), o.reader(t, Config{}, nil).NewStream(), 4096)
		if errors.Is(err, ErrTampered) {
			found++
		}
	}
	if found != 8 {
		t.Errorf("%d of 8 wrong paddings found", found)
	}
	o = newObject(t, kindNamed(t, "CBC-no-mac"), 100)
	o.version.Plain = 105 // takes as many blocks
	if _, err := readAll(t.Context(), o.reader(t, Config{}, nil).NewStream(), 10); !errors.Is(err, ErrTampered) {
		t.Errorf("padding of another length: %v", err)
	}
}

// TestChangeBetweenFetches has the store give other bytes, under the same ETag,
// when a block is fetched for the second time.
func TestChangeBetweenFetches(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 1<<20+77)
			if !o.protected() {
				return
			}
			r := o.reader(t, Config{Memory: 1}, nil)
			s := r.NewStream()
			if _, err := readAll(t.Context(), s, 64<<10); err != nil {
				t.Fatal(err)
			}
			const bad = 5*blockSize + 100
			o.st.body = func(n int, rg store.Range, b io.ReadCloser) io.ReadCloser {
				return &changed{ReadCloser: b, at: rg.Offset, bad: bad}
			}
			o.check(t, s, 9*blockSize, 100)
			if n, err := s.ReadAt(t.Context(), make([]byte, 10), bad); n != 0 || !errors.Is(err, ErrTampered) {
				t.Errorf("%d bytes, error %v", n, err)
			}
			if r.Verified() {
				t.Error("verified all the same")
			}
		})
	}
}

// TestChangeOfTheChain has the store change only the 16 bytes that a CBC GET
// begins with, which decrypt a block but belong to the one before.
func TestChangeOfTheChain(t *testing.T) {
	for _, first := range []bool{true, false} { // the changed GET comes first, or the right one
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			o := newObject(t, kindNamed(t, "CBC"), 4*blockSize)
			s := o.reader(t, Config{}, nil).NewStream()
			var lie atomic.Bool
			o.st.body = func(n int, rg store.Range, b io.ReadCloser) io.ReadCloser {
				if rg.Offset == 2*blockSize-aesBlock && lie.Load() {
					return &changed{ReadCloser: b, at: rg.Offset, bad: rg.Offset + 3}
				}
				return b
			}
			read := func(block int) error {
				_, err := s.ReadAt(t.Context(), make([]byte, blockSize), int64(block)*blockSize)
				return err
			}
			lie.Store(true)
			order := []int{1, 2}
			if first {
				order = []int{2, 1}
			}
			if err := read(order[0]); err != nil {
				t.Fatal(err)
			}
			if err := read(order[1]); !errors.Is(err, ErrTampered) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOpenChecks(t *testing.T) {
	o := newObject(t, kindNamed(t, "CTR"), 1000)
	other := newObject(t, kindNamed(t, "CTR"), 1000)
	e := o.engine(t, Config{})
	tests := map[string]func(*Version){
		"check of another version": func(v *Version) { v.Check = other.version.Check },
		"malformed check":          func(v *Version) { v.Check = "?" },
		"MAC of another version":   func(v *Version) { v.MAC = other.version.MAC },
		"malformed MAC":            func(v *Version) { v.MAC = "?" },
		"another size":             func(v *Version) { v.Plain, v.Cipher = 999, 999 },
		"sizes that do not agree":  func(v *Version) { v.MAC, v.Cipher = "", 1016 },
		"another mode":             func(v *Version) { v.Mode, v.Cipher = crypt.GCM, 1016 },
		"another IV":               func(v *Version) { v.IV = other.version.IV },
		"a negative size":          func(v *Version) { v.MAC, v.Plain, v.Cipher = "", -1, -1 },
	}
	for name, change := range tests {
		v := o.version
		change(&v)
		if _, err := e.Open(v, o.key, nil); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v := o.version
	v.IV = v.IV[:11]
	if _, err := e.Open(v, o.key, nil); err == nil {
		t.Error("an IV of 11 bytes was taken")
	}
	if _, err := e.Open(o.version, o.key[:5], nil); err == nil {
		t.Error("a key of 5 bytes was taken")
	}
	if _, err := e.Open(Version{Plain: 5, Cipher: 6, Locate: o.locate}, nil, nil); err == nil {
		t.Error("a foreign object of two sizes was taken")
	}
	if gets, _ := o.st.seen(); gets != 0 {
		t.Errorf("Open made %d GETs", gets)
	}
}

func TestVerify(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			o := newObject(t, k, 9<<20+1)
			r := o.reader(t, Config{Memory: 1 << 20}, nil)
			err := r.Verify(t.Context())
			if !o.protected() {
				if !errors.Is(err, ErrUnprotected) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil || !r.Verified() {
				t.Fatalf("error %v, verified %v", err, r.Verified())
			}
			if _, n := o.st.seen(); n > int64(len(o.cipher))+1024 {
				t.Errorf("%d bytes fetched of %d", n, len(o.cipher))
			}
			if err := r.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			if gets, _ := o.st.seen(); gets != 0 {
				t.Errorf("%d GETs to verify again", gets)
			}
		})
	}
}

// TestNothingSecretIsLogged looks for content and key in what a tampered object leaves in the log.
func TestNothingSecretIsLogged(t *testing.T) {
	o := newObject(t, kindNamed(t, "GCM"), 100)
	o.put(t, o.at, damages[0].do(slices.Concat(o.cipher[:90], o.cipher[90:])))
	var log bytes.Buffer
	s := o.reader(t, Config{Log: textLog(&log)}, nil).NewStream()
	if _, err := readAll(t.Context(), s, 10); !errors.Is(err, ErrTampered) {
		t.Fatal(err)
	}
	line := log.String()
	if !strings.Contains(line, "film.mp4") || !strings.Contains(line, "does not match") {
		t.Errorf("the log does not say what: %q", line)
	}
	if bytes.Contains(log.Bytes(), o.key) || bytes.Contains(log.Bytes(), o.plain[:8]) {
		t.Error("a secret is in the log")
	}
}
