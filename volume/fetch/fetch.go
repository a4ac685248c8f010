package fetch

import (
	"errors"
	"log/slog"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

var (
	// ErrTampered: the bytes are not those that were committed. Sticky for the version.
	ErrTampered = errors.New("object does not match its integrity check")
	// ErrStale: the version is no longer in the store.
	ErrStale = errors.New("version is no longer in the store")
	// ErrUnprotected: there is neither mcfs-mac nor a tag to verify.
	ErrUnprotected = errors.New("version has no integrity check")
	// ErrClosed: the Reader or its Engine has been closed.
	ErrClosed = errors.New("reader is closed")
)

// Cache keeps fetched plaintext; *spool.File is one. A Fill that fails is no
// error of the read (the quota may be full). Any error of ReadAt but io.EOF
// means that the bytes must be fetched.
//
// A cache that also has Absent, as *spool.File has, is asked before blocks are
// fetched ahead of need, so that those it holds are left out.
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
	// It must not call back into this package.
	Locate func() (key, etag string)
	// Bears says whether an object with that metadata is this version, as far as
	// metadata tells; each GET shows it. nil: nothing tells.
	Bears func(metadata map[string]string) bool
}

// Config of an Engine.
type Config struct {
	Store       store.Store
	Concurrency int   // GETs under way at once over the engine; 0: 8
	Memory      int64 // bytes of buffers over the engine; 0: 64 MiB. At least one block is always allowed
	Streaming   bool  // gcm_reads = "streaming"
	// Timeout is how long a read waits without a byte from the store; 30 s if zero.
	Timeout time.Duration
	Log     *slog.Logger
}

const (
	defaultConcurrency = 8
	defaultMemory      = 64 << 20
	defaultTimeout     = 30 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Concurrency <= 0 {
		c.Concurrency = defaultConcurrency
	}
	if c.Memory <= 0 {
		c.Memory = defaultMemory
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
