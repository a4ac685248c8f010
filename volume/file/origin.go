package file

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"mcfs/volume/fetch"
	"mcfs/volume/remote"
)

// A draft that changes a committed version takes over what it does not change. The
// commit puts all of it under a fresh MAC: what somebody has altered in the store
// would be vouched for from then on. So whatever has brought bytes of the base into a
// draft is noted, and none is published before the base has been checked as a whole
// by the same hashes: those of a fetch.Reader, which each byte that it gives passes.

// Origin is where bytes of its base have come to a frozen draft from.
type Origin struct {
	gen     uint64 // of the content
	earlier bool   // an earlier mount has fetched some, and nobody has checked them

	opening sync.Mutex // over apart; before mu
	mu      sync.Mutex
	readers []*fetch.Reader // held
	ended   bool
}

// note adds a reader of which bytes are used, or may have been. It reports whether the
// reader can be checked later: it may have been closed just now.
func (o *Origin) note(r *fetch.Reader) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if slices.Contains(o.readers, r) {
		return true
	}
	if o.ended || !r.Hold() {
		return false
	}
	o.readers = append(o.readers, r)
	return true
}

func (o *Origin) list() []*fetch.Reader {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.readers)
}

// again is the same origin for another view of the same content, to be released by itself.
func (o *Origin) again() *Origin {
	another := &Origin{gen: o.gen, earlier: o.earlier}
	for _, r := range o.list() {
		another.note(r)
	}
	return another
}

func (o *Origin) release() {
	o.mu.Lock()
	list := o.readers
	o.readers, o.ended = nil, true
	o.mu.Unlock()
	for _, r := range list {
		r.Release()
	}
}

// apart is a reader of the base that is not the file's: the last that was noted, or a new one.
func (o *Origin) apart(ctx context.Context, c *Content) (*fetch.Reader, error) {
	o.opening.Lock()
	defer o.opening.Unlock()
	if list := o.list(); len(list) > 0 {
		return list[len(list)-1], nil
	}
	r, err := c.openApart(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close() // once it is not held any more
	if !o.note(r) {
		return nil, fetch.ErrClosed
	}
	return r, nil
}

// openApart opens another reader of the file's version, without a cache.
func (c *Content) openApart(ctx context.Context) (*fetch.Reader, error) {
	c.Lock()
	ver := c.Base
	c.Unlock()
	switch {
	case ver == nil:
		return nil, ErrStale
	case ver.Damage != nil:
		return nil, AsIO(ver.Damage)
	case ver.Foreign():
		return c.shared.Fetches.Open(ver.Fetchable(), nil, nil)
	}
	wrapped, keyID := ver.DataKey()
	key, err := c.shared.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", c.host.Path(), AsIO(err))
	}
	defer clear(key)
	return c.shared.Fetches.Open(ver.Fetchable(), key, nil)
}

// Fetched is how many bytes have come from the store, to tell that something moves.
func (o *Origin) Fetched() (sum int64) {
	if o == nil {
		return 0
	}
	for _, r := range o.list() {
		sum += r.Fetched()
	}
	return sum
}

// originLocked is the origin of the content as it is now.
func (c *Content) originLocked() *Origin {
	o := &Origin{gen: c.Gen, earlier: c.unchecked}
	if c.reader != nil {
		o.note(c.reader)
	}
	return o
}

// carriesUncheckedLocked reports whether the sealed file may have bytes of the base that
// nobody has checked.
func (c *Content) carriesUncheckedLocked() bool {
	return c.unchecked || c.reader != nil && c.reader.Unchecked()
}

// needsBaseLocked reports whether the content has bytes of the base that are still to be read,
// or to be checked.
func (c *Content) needsBaseLocked() bool {
	if c.carriesUncheckedLocked() {
		return true
	}
	if c.sealed == nil || c.Base == nil {
		return false
	}
	_, _, absent := c.sealed.Absent(0)
	return absent
}

// leaveBaseLocked notes that the content has no byte of the base any more. needed says whether
// it had: what was promised before may still need them. Gen is about to grow.
func (c *Content) leaveBaseLocked(needed bool) {
	if needed {
		c.leftBase = c.Gen + 1
	}
	c.unchecked = false
	c.CloseReaderLocked()
}

// hasLeft reports whether the content has left the base since gen.
func (c *Content) hasLeft(gen uint64) bool {
	c.Lock()
	defer c.Unlock()
	return c.leftBase > gen
}

// PromisesUncheckedLocked reports whether what the journal promises as of gen kept may have
// bytes of the base that nobody has checked.
func (c *Content) PromisesUncheckedLocked(kept uint64) bool {
	return c.carriesUncheckedLocked() || c.Committed < kept && kept < c.leftBase
}

// ErrUnproven: the version that a draft changes is not what was committed, or is gone
// before that could be checked.
var ErrUnproven = errors.New("the version underneath cannot be relied on")

// unproven gives the error of a check the path and the words of this package.
func (c *Content) unproven(err error) error {
	return fmt.Errorf("check what %s takes over: %w: %w", c.host.Path(), ErrUnproven, AsIO(FromFetch(err)))
}

// ProveBase returns once every version of which bytes are in the draft has been checked
// as a whole. What states nothing to be checked by goes on: a foreign object, and one
// of which the sidecar is gone.
func (c *Content) ProveBase(ctx context.Context, o *Origin) error {
	if o.earlier {
		if err := c.noteBase(ctx, o); err != nil {
			return c.unproven(err)
		}
	}
	for _, r := range o.list() {
		if !o.earlier && r.Fetched() == 0 {
			continue
		}
		if err := c.verify(ctx, r); err != nil {
			return c.unproven(err)
		}
	}
	c.Lock()
	defer c.Unlock()
	if o.earlier {
		c.unchecked = false
	}
	return nil
}

// noteBase notes a reader of the base where only an earlier mount had one.
func (c *Content) noteBase(ctx context.Context, o *Origin) error {
	for range remote.MaxLooks {
		if c.hasLeft(o.gen) {
			_, err := o.apart(ctx, c)
			return err
		}
		if err := c.prepareBase(ctx); err != nil {
			return err
		}
		c.Lock()
		r := c.reader
		c.Unlock()
		if r == nil || o.note(r) {
			return nil
		}
	}
	return fetch.ErrClosed
}

// verify checks the whole of a version, which may be on its way.
func (c *Content) verify(ctx context.Context, r *fetch.Reader) error {
	err := r.Verify(ctx)
	for range remote.MaxLooks {
		if !errors.Is(err, fetch.ErrStale) || !c.Relocate(ctx) {
			break
		}
		err = r.Verify(ctx)
	}
	if errors.Is(err, fetch.ErrUnprotected) {
		return nil
	}
	return err
}
