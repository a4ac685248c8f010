package document

import (
	"errors"
	"io"
	"testing"

	"mcfs/volume/file"
)

// TestWriteAt: what may still become a settings document is taken, in any order, and nothing else.
func TestWriteAt(t *testing.T) {
	d := Emptied()
	for _, c := range []struct {
		text string
		off  int64
		want error
	}{
		{"{", 0, nil},
		{"   }", 8, nil}, // the middle is still to come
		{"echo", 0, nil}, // of which the end is not
		{"no document!", 0, file.ErrPermission},
		{"x", Most, file.ErrPermission},
		{"x", -1, file.ErrPermission},
	} {
		if _, err := d.WriteAt([]byte(c.text), c.off); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%q at %d: %v, want %v", c.text, c.off, err, c.want)
		}
	}
}

// TestTruncate: to any size that a settings document may have.
func TestTruncate(t *testing.T) {
	d := New([]byte("text"))
	for _, size := range []int64{-1, Most + 1} {
		if err := d.Truncate(size); !errors.Is(err, file.ErrPermission) {
			t.Errorf("to %d: %v", size, err)
		}
	}
	if d.Take() != nil {
		t.Error("a document that was only read was written")
	}
	if err := errors.Join(d.Truncate(2), d.Truncate(3)); err != nil || d.Size() != 3 {
		t.Errorf("%d bytes, %v", d.Size(), err)
	}
	if got := string(d.Take()); got != "te\x00" {
		t.Errorf("%q", got)
	}
	if d.Take() != nil {
		t.Error("what was written is taken twice")
	}
}

// TestReadAt: as io.ReaderAt, and nothing after Wipe.
func TestReadAt(t *testing.T) {
	d, p := New([]byte("text")), make([]byte, 3)
	if k, err := d.ReadAt(p, 0); k != 3 || err != nil {
		t.Errorf("%d, %v", k, err)
	}
	if k, err := d.ReadAt(p, 2); k != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", k, err)
	}
	d.Wipe()
	if k, err := d.ReadAt(p, 0); k != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", k, err)
	}
}
