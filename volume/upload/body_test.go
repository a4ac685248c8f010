package upload

import (
	"bytes"
	"hash/crc32"
	"io"
	"testing"

	"mcfs/crypt"

	"pgregory.net/rapid"
)

// A streamed part, read from any place any number of times, is the part made whole.
func TestStreamIsTheWholePart(t *testing.T) {
	key := dataKey()
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(forms).Draw(t, "form")
		iv := make([]byte, f.iv)
		c, err := crypt.NewCipher(f.mode, key.Plain, iv)
		if err != nil {
			t.Fatal(err)
		}
		g, err := crypt.NewIntegrity(f.mode, key.Plain, iv)
		if err != nil {
			t.Fatal(err)
		}
		last := rapid.Bool().Draw(t, "last")
		n := rapid.SampledFrom([]int{16, chunkSize - 16, chunkSize, chunkSize + 16, 2 * chunkSize, 2*chunkSize + 4096}).Draw(t, "n")
		if last {
			n += rapid.IntRange(-16, 16).Draw(t, "more")
		}
		const off = 3 << 20
		d := &draft{data: randomBytes(n)}
		w := &work{
			cipher: c, integrity: g, cpu: make(chan struct{}, 1), last: last, off: off, n: int64(n),
			view: &frozen{d: d, off: off, data: d.data}, start: [16]byte(randomBytes(16)),
		}
		whole := make([]byte, n+maxTail)
		s, err := w.pass(t.Context(), whole, true)
		if err != nil {
			t.Fatal(err)
		}
		whole = whole[:s.size]
		if s.crc != crc32.Checksum(whole, castagnoli) || s.mac != g.Hasher().Sum(whole) {
			t.Fatal("the sums are not those of the bytes")
		}
		buf := make([]byte, chunkSize+maxTail)
		again, err := w.pass(t.Context(), buf, false)
		if err != nil || again != s {
			t.Fatalf("the second pass comes to something else, or %v", err)
		}
		st := newStream(t.Context(), w, s.size, buf)
		for range 4 {
			at := rapid.Int64Range(0, s.size).Draw(t, "at")
			if _, err := st.Seek(at, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.LimitReader(st, rapid.Int64Range(0, s.size).Draw(t, "length")))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, whole[at:int(at)+len(got)]) {
				t.Fatalf("%d bytes at %d differ", len(got), at)
			}
		}
		if end, err := st.Seek(0, io.SeekEnd); err != nil || end != s.size {
			t.Fatalf("the end is at %d, %v; want %d", end, err, s.size)
		}
		if _, err := st.Seek(-1, io.SeekStart); err == nil {
			t.Fatal("seek before the start")
		}
	})
}
