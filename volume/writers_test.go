package volume

import (
	"os"
	"slices"
	"testing"

	"mcfs/crypt"
)

// namedProcess is a program that is alive and has a name.
type namedProcess struct{ killed }

func (namedProcess) Fate() Fate     { return Alive }
func (namedProcess) String() string { return "ffmpeg (1234)" }

// TestWriters: who has a file open for writing is named until the close that commits it
// has begun, and again when more is written through a copy of the descriptor.
func TestWriters(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("b", []byte("b"))
	expect := func(when string, want ...string) {
		t.Helper()
		var got []string
		for _, w := range r.v.Writers() {
			got = append(got, w.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	expect("at rest")
	_, h, err := r.v.Root().Create(t.Context(), "a", os.O_CREATE|os.O_RDWR, 0o644, 1, 2, namedProcess{})
	if err != nil {
		t.Fatal(err)
	}
	reader, unknown := r.openFile("b", os.O_RDONLY), r.openFile("b", os.O_RDWR)
	expect("open", "ffmpeg (1234): a", "a program: b")
	r.write(h, []byte("content"), 0)
	r.mustRename("a", "c", 0)
	expect("renamed", "a program: b", "ffmpeg (1234): c")
	unknown.Release()
	if err := h.Flush(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	expect("closed")
	r.write(h, []byte("more"), 0)
	expect("written again", "ffmpeg (1234): c")
	gone := make(chan []Writer)
	go func() { gone <- r.v.AwaitWriters(nil, nil) }()
	h.Release()
	if left := <-gone; left != nil {
		t.Errorf("left: %v", left)
	}
	reader.Release()
	size := int64(0)
	if _, err := r.node("b").SetAttr(t.Context(), nil, SetAttr{Size: &size}); err != nil {
		t.Fatal(err)
	}
	expect("a truncation by path")
}
