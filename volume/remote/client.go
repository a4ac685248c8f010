package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"mcfs/keys"
	"mcfs/store"
	"mcfs/volume/fetch"
	"mcfs/volume/metacache"
)

const (
	typeBits    = 0o170000
	fileBits    = 0o100000
	symlinkBits = 0o120000
)

// MaxLooks is how often a request under a condition is tried again after a look: every
// failure means that another machine was faster.
const MaxLooks = 5

const (
	// sameTime is how long after a change of an object another one may bear the same
	// time: stores tell it to the second. A sidecar has an ETag of its own each time it is
	// put; a marker and a symlink that are put again with other attributes are known by
	// their time alone.
	sameTime = 2 * time.Second
	// RecheckSoon and RecheckLate are when a description that was kept within that time is
	// compared with the store once more: in the mount that made it, and, if that one had
	// ended before, in the next.
	RecheckSoon = sameTime + time.Second
	RecheckLate = time.Minute
)

// errKeepsChanging: other machines were faster each time. It is tried again later.
var errKeepsChanging = fmt.Errorf("it keeps changing: %w", store.ErrConflict)

// Config is what a Client works with. It closes none of it.
type Config struct {
	Store store.Store
	Cache *metacache.Cache
	Fetch *fetch.Engine
	// Unwrap gives a data key, which the Client wipes.
	Unwrap   func(ctx context.Context, wrapped []byte, keyID string) ([]byte, error)
	Log      *slog.Logger
	UID, GID uint32 // of what has no owner recorded
	// LocalOnly reports whether nobody means an object by a name: what is renamed to one has no
	// sidecar, where its own metadata has room for what that states. nil: no name is.
	LocalOnly func(key string) bool
	// UncheckedSymlinks has symlinks followed that have no check of their own.
	UncheckedSymlinks bool
}

// Client looks at what keys have in the store, and changes it. Its methods may be called
// by several goroutines, for one key by one at a time.
type Client struct {
	o     Config
	store store.Store
	cache *metacache.Cache
	log   *slog.Logger

	elsewhere atomic.Bool // a sidecar has named another place, as the log has said
}

// New makes a Client.
func New(o Config) *Client { return &Client{o: o, store: o.Store, cache: o.Cache, log: o.Log} }

// Refused reports whether a condition did not hold: look, and try again.
func Refused(err error) bool {
	return errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotExist)
}

// IsTransient reports whether another try may give another answer.
func IsTransient(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrChecksum) ||
		errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrNoBucket) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrDenied) || errors.Is(err, keys.ErrKeyState) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bodyOf is a small body in memory.
func bodyOf(b []byte) store.Body {
	return store.Body{ReadSeeker: bytes.NewReader(b), Size: int64(len(b)), CRC32C: crc32.Checksum(b, castagnoli)}
}

// readSmall reads an object of at most limit bytes. The store repeats a request by
// itself, but not one whose answer breaks off in its body: readSmall does, once.
func (c *Client) readSmall(ctx context.Context, key string, limit int64) (p []byte, info store.Info, err error) {
	for range 2 {
		var body io.ReadCloser
		if body, info, err = c.store.Get(ctx, key, store.Range{}, ""); err != nil {
			return nil, info, err
		}
		p, err = io.ReadAll(io.LimitReader(body, limit))
		_ = body.Close()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return p, info, err
}

// deleteIfThere deletes an object, whichever.
func (c *Client) deleteIfThere(ctx context.Context, key string) error {
	if err := c.store.Delete(ctx, key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}
