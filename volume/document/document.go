package document

import (
	"bytes"
	"io"
	"sync"

	"mcfs/sidecar"
	"mcfs/volume/file"
)

// Most bounds what is read or taken as a settings document, in bytes.
const Most = 64 << 10

// Document is an open sidecar: the bytes that the store holds, or what a program writes over
// them, which is judged when it closes.
type Document struct {
	mu      sync.Mutex
	text    []byte
	written bool
}

// New is a document of which nothing has been written.
func New(text []byte) *Document { return &Document{text: text} }

// Emptied is one that is to be written anew.
func Emptied() *Document { return &Document{written: true} }

// ReadAt implements io.ReaderAt.
func (d *Document) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off >= int64(len(d.text)) {
		return 0, io.EOF
	}
	k := copy(p, d.text[off:])
	if k < len(p) {
		return k, io.EOF
	}
	return k, nil
}

// WriteAt takes what a program writes over a sidecar. What can never become a settings
// document is refused here already, for a shell does not look at what close says.
func (d *Document) WriteAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	if off < 0 || end > Most {
		return 0, file.ErrPermission
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	gap := off > int64(len(d.text))
	if grow := end - int64(len(d.text)); grow > 0 {
		d.text = append(d.text, make([]byte, grow)...)
	}
	copy(d.text[off:], p)
	d.written = true
	if last := end == int64(len(d.text)); last && !gap && !sidecar.MayBecome(d.text) {
		return 0, file.ErrPermission
	}
	return len(p), nil
}

// Truncate is WriteAt for the size.
func (d *Document) Truncate(size int64) error {
	if size < 0 || size > Most {
		return file.ErrPermission
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written = true
	if grow := size - int64(len(d.text)); grow > 0 {
		d.text = append(d.text, make([]byte, grow)...)
	}
	d.text = d.text[:size]
	return nil
}

// Size returns how many bytes there are.
func (d *Document) Size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.text))
}

// Wipe lets go of the bytes.
func (d *Document) Wipe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = nil
}

// Take returns what was written since the last time; nil: nothing.
func (d *Document) Take() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.written {
		return nil
	}
	d.written = false
	return bytes.Clone(d.text)
}
