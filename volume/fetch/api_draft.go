// Package fetch is the read pipeline: ranged GETs of one version, pinned to its
// ETag, decrypted, checked, and kept in a cache. Small for random reads; a
// growing window of parallel GETs once a reader goes straight on.
//
// It promises that a reader sees one version or an error (P8), that GCM
// plaintext is released only after the tag was checked unless streaming was
// asked for, that a whole pass checks mcfs-mac (P9), and that memory is bounded
// over all readers of an Engine. It imports store and crypt only.
package fetch

import (
	"context"
	"errors"
	"log/slog"

	"mcfs/crypt"
	"mcfs/store"
)

var (
	// ErrTampered: the bytes are not those that were committed. Sticky for the version.
	ErrTampered = errors.New("object does not match its integrity check")
	// ErrStale: the version is no longer in the store.
	ErrStale = errors.New("version is no longer in the store")
)

// Cache keeps fetched plaintext; *spool.File is one. A Fill that fails is no
// error of the read (the quota may be full).
type Cache interface {
	ReadAt(p []byte, off int64) (int, error) // *spool.AbsentError (any error with errors.As-able Offset) where absent
	Fill(p []byte, off int64) error          // whole blocks of crypt.BlockSize, or up to the end
}

// Version is what to decrypt.
type Version struct {
	Mode   crypt.Mode // 0: a foreign object, read as it is
	IV     []byte
	Plain  int64  // plaintext bytes
	Cipher int64  // object bytes
	MAC    string // mcfs-mac, or empty: then GCM's tag, or nothing, protects the whole
	Check  string // mcfs-check, or empty
	// Locate says where the version is now. A rename moves it, so it is asked for each request,
	// and once more after ErrNotExist or ErrPrecondition: if it gives the same place again, ErrStale.
	Locate func() (key, etag string)
}

// Config of an Engine.
type Config struct {
	Store       store.Store
	Concurrency int   // GETs under way at once over the engine
	Memory      int64 // bytes of buffers over the engine
	Streaming   bool  // gcm_reads = "streaming"
	Log         *slog.Logger
}

type Engine struct{}

func NewEngine(c Config) *Engine { panic("draft") }
func (e *Engine) Close()         { panic("draft") } // cancels and waits

// Reader reads one version; shared by all handles that have it open.
type Reader struct{}

// Open checks mcfs-check and sizes, without the network. dataKey is copied. cache may be nil.
func (e *Engine) Open(v Version, dataKey []byte, cache Cache) (*Reader, error) { panic("draft") }

// Stream is one handle's position, by which going straight on is seen. One goroutine per kernel request may use it at once.
type Stream struct{}

func (r *Reader) NewStream() *Stream { panic("draft") }

// ReadAt reads plaintext; io.EOF at the end as io.ReaderAt. Never mixes versions.
func (s *Stream) ReadAt(ctx context.Context, p []byte, off int64) (int, error) { panic("draft") }

// Close stops the stream's read-ahead.
func (s *Stream) Close() { panic("draft") }

// Close wipes the key and waits for what is under way.
func (r *Reader) Close() { panic("draft") }

// PlainSize finds a CBC object's plaintext size from its last block (others: by arithmetic).
func (e *Engine) PlainSize(ctx context.Context, v Version, dataKey []byte) (int64, error) {
	panic("draft")
}
