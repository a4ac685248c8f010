// Package upload is the commit pipeline: it turns the plaintext of one draft
// into one object in the store, under one data key and one IV, eagerly while
// the draft is still being written.
//
// It promises that each part's ciphertext is made once, from an immutable view,
// and that a retry sends the same bytes (P2); that memory is bounded over all
// uploads of an Engine, whatever the sizes; that nothing is visible in the
// store before Finish completes it. It imports store, keys, crypt and sidecar,
// nothing of the volume's.
package upload

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/store"
)

var (
	// ErrLost: the multipart upload is gone. Start over with a fresh data key.
	ErrLost = errors.New("upload lost")
	// ErrConflict: the store holds somebody else's version: Target.Condition did not hold.
	ErrConflict = errors.New("another version was stored meanwhile")
)

// View is an immutable stretch of plaintext; *spool.Frozen is one.
type View interface {
	ReadAt(p []byte, off int64) (int, error)
	Release()
}

// Source gives views of a draft that is still being written.
type Source interface {
	Freeze(off, n int64) (View, error)
}

// Config of an Engine.
type Config struct {
	Store       store.Store
	PartSize    int64 // of the first parts, at least 5 MiB; see Layout for how it grows
	Concurrency int   // parts under way at once over the engine
	Memory      int64 // bytes of part buffers over the engine; at least Concurrency... see doc
	Log         *slog.Logger
}

// Engine runs uploads and owns their goroutines, buffers and limits.
type Engine struct{}

func NewEngine(c Config) *Engine { panic("draft") }

// Close aborts what is under way in this process (not in the store) and waits for all goroutines.
func (e *Engine) Close() { panic("draft") }

// Target is where an upload goes and what must happen around it.
type Target struct {
	Key string
	// Begun is called once, before the first byte leaves, with the upload id ("" for a
	// single put): the volume makes it durable. An error ends the upload.
	Begun func(ctx context.Context, uploadID string) error
	// Acked, if not nil, is called after parts are acknowledged (plaintext range): their blocks may be dropped.
	Acked func(off, n int64)
}

// Last is what Finish needs to know at the end.
type Last struct {
	Condition store.Condition
	// Ready is called when all that remains is the request that makes the object visible
	// (the old sidecar is deleted here). An error leaves the upload as it is.
	Ready func(ctx context.Context) error
}

// Result describes the object that Finish made.
type Result struct {
	ETag     string
	Plain    int64
	Cipher   int64
	MAC      string // crypt.Integrity.MAC
	Requests int    // PUT or parts + begin + complete
	Modified time.Time
}

// Upload is one attempt: one key, one IV.
type Upload struct{}

// Start makes an upload that has sent nothing. key is copied; iv too. Nothing touches the network yet.
func (e *Engine) Start(t Target, key keys.DataKey, m crypt.Mode, iv []byte, src Source) (*Upload, error) {
	panic("draft")
}

// Advance says that the writer has written up to high (bytes): parts that are
// whole and not held back are sent in the background. It never blocks on the network.
// Held back: the first part (not in CBC) and the last two.
func (u *Upload) Advance(high int64) { panic("draft") }

// Touches says whether any byte of the range belongs to a part that has left or is leaving: then
// the caller must Abort before it changes the draft.
func (u *Upload) Touches(off, n int64) bool { panic("draft") }

// Finish sends the rest from view (the whole frozen draft of size bytes), and completes. A small file is one put.
// After an error other than ErrLost and ErrConflict it may be called again with the same view and
// size: what was sent is not sent again. An unclear answer is settled by looking (Head: our IV means success).
func (u *Upload) Finish(ctx context.Context, view View, size int64, last Last) (Result, error) {
	panic("draft")
}

// Progress is bytes of ciphertext acknowledged so far.
func (u *Upload) Progress() int64 { panic("draft") }

// Abort stops the goroutines, waits for them (no network), then aborts the upload in the store in the background,
// with retries; idempotent. Not after a Finish that returned nil.
func (u *Upload) Abort() { panic("draft") }
