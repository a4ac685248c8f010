// Package upload is the commit pipeline: it turns the plaintext of one draft
// into one object in the store, under one data key and one IV, eagerly while
// the draft is still being written.
//
// It promises that each part's ciphertext comes from an immutable view, and
// that a retry sends the same bytes or none (P2); that memory is bounded over
// all uploads of an Engine, whatever the sizes; that nothing is visible in the
// store before Finish completes it.
//
// May import: crypt, keys, sidecar, store, volume/queue.
//
// How it works: an upload's file is cut into parts (layout.go). A part that is
// due becomes a job; one dispatcher per Engine (engine.go) grants jobs a place
// and memory, in turn over the uploads; a granted job makes the part's
// ciphertext (seal.go), sends it (jobs.go) and lets go of everything, whatever
// the answer was. A job never waits for another job while it holds something.
// What is written in order is encrypted before its part is due (ahead.go), in up to
// half of the memory; it only saves a job the work.
package upload

import (
	"context"
	"errors"
	"time"

	"mcfs/store"
)

var (
	// ErrLost: the multipart upload is gone. Start over with a fresh data key.
	ErrLost = errors.New("upload lost")
	// ErrConflict: the store holds somebody else's version: Last.Condition did not hold.
	ErrConflict = errors.New("another version was stored meanwhile")
	// ErrTooLarge: the file is longer than the mode, or 10,000 parts, allow.
	ErrTooLarge = errors.New("file too large to upload")
	// ErrShort: the draft, or a view of it, ends before it should. Nothing helps but another view.
	ErrShort = errors.New("draft is shorter than it was said to be")
	// ErrAborted: Abort was called.
	ErrAborted = errors.New("upload aborted")
	// ErrClosed: the Engine was closed. What it has sent is worth nothing to another process.
	ErrClosed = errors.New("upload engine closed")
)

// View is an immutable stretch of plaintext; *spool.Frozen is one. Offsets are
// those of the file. ReadAt may be called by several goroutines at once.
type View interface {
	ReadAt(p []byte, off int64) (int, error)
	Release()
}

// Source gives views of a draft that is still being written: of the whole range, or an error.
type Source interface {
	Freeze(off, n int64) (View, error)
}

// Target is where an upload goes and what must happen around it.
//
// The callbacks run on the upload's goroutines, and Abort waits for those: a
// callback must neither call Abort or Finish nor wait for a lock that is held
// by a caller of them. None runs after Abort, or a Finish that succeeded, has returned.
type Target struct {
	Key string
	// Begun is called once, before the first byte leaves, with the upload id ("" for a
	// single put): the volume makes it durable. An error ends the upload. May be nil.
	Begun func(ctx context.Context, uploadID string) error
	// Acked, if not nil, is called after parts are acknowledged (plaintext range): as long
	// as this upload is not given up, their blocks may be dropped. Calls may overlap. CBC reports parts in their order only, since a part can be
	// encrypted again only if those before it can.
	Acked func(off, n int64)
}

// Last is what Finish needs to know at the end.
type Last struct {
	Condition store.Condition
	// Ready is called when all that remains is the request that makes the object visible
	// (the old sidecar is deleted here). An error leaves the upload as it is. It is called
	// once in each Finish that comes so far; not where that request was sent by an earlier
	// Finish and turns out to have succeeded. May be nil.
	Ready func(ctx context.Context) error
}

// Result describes the object that Finish made.
type Result struct {
	ETag     string
	Plain    int64     // bytes of plaintext
	Cipher   int64     // bytes of the object
	MAC      string    // crypt.Integrity.MAC
	Requests int       // calls of the store: one put, or parts + begin + complete; and the retries and looks
	Modified time.Time // as far as the store's answer tells; may be zero
}
