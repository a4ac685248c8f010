package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"mcfs/volume/fetch"
)

// A draft that changes a committed version takes over what it does not change. The
// commit puts all of it under a fresh MAC: what somebody has altered in the store
// would be vouched for from then on. So whatever has brought bytes of the base into a
// draft is noted, and none is published before the base has been checked as a whole
// by the same hashes: those of a fetch.Reader, which each byte that it gives passes.

// origin is where bytes of its base have come to a frozen draft from.
type origin struct {
	gen     uint64 // of the content
	earlier bool   // an earlier mount has fetched some, and nobody has checked them

	opening sync.Mutex // over apart; before mu
	mu      sync.Mutex
	readers []*fetch.Reader // held
	ended   bool
}

// note adds a reader of which bytes are used, or may have been. It reports whether the
// reader can be checked later: it may have been closed just now.
func (o *origin) note(r *fetch.Reader) bool {
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

func (o *origin) list() []*fetch.Reader {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.readers)
}

// again is the same origin for another view of the same content, to be released by itself.
func (o *origin) again() *origin {
	another := &origin{gen: o.gen, earlier: o.earlier}
	for _, r := range o.list() {
		another.note(r)
	}
	return another
}

func (o *origin) release() {
	o.mu.Lock()
	list := o.readers
	o.readers, o.ended = nil, true
	o.mu.Unlock()
	for _, r := range list {
		r.Release()
	}
}

// apart is a reader of the base that is not the file's: the last that was noted, or a new one.
func (o *origin) apart(ctx context.Context, n *Node) (*fetch.Reader, error) {
	o.opening.Lock()
	defer o.opening.Unlock()
	if list := o.list(); len(list) > 0 {
		return list[len(list)-1], nil
	}
	r, err := n.openApart(ctx)
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
func (n *Node) openApart(ctx context.Context) (*fetch.Reader, error) {
	n.lock()
	ver := n.ver
	n.unlock()
	switch {
	case ver == nil:
		return nil, ErrStale
	case ver.Damage != nil:
		return nil, errorsIO(ver.Damage)
	case ver.Foreign():
		return n.v.fetches.Open(ver.Fetchable(), nil, nil)
	}
	wrapped, keyID := ver.DataKey()
	key, err := n.v.unwrap(ctx, wrapped, keyID)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", n.Path(), errorsIO(err))
	}
	defer clear(key)
	return n.v.fetches.Open(ver.Fetchable(), key, nil)
}

// fetched is how many bytes have come from the store, to tell that something moves.
func (o *origin) fetched() (sum int64) {
	if o == nil {
		return 0
	}
	for _, r := range o.list() {
		sum += r.Fetched()
	}
	return sum
}

// originOf is the origin of the content as it is now; n is locked.
func (n *Node) originOf() *origin {
	o := &origin{gen: n.gen, earlier: n.unchecked}
	if n.reader != nil {
		o.note(n.reader)
	}
	return o
}

// carriesUnchecked reports whether the sealed file may have bytes of the base that
// nobody has checked; n is locked.
func (n *Node) carriesUnchecked() bool {
	return n.unchecked || n.reader != nil && n.reader.Unchecked()
}

// needsBase reports whether the content has bytes of the base that are still to be read,
// or to be checked; n is locked.
func (n *Node) needsBase() bool {
	if n.carriesUnchecked() {
		return true
	}
	if n.file == nil || n.ver == nil {
		return false
	}
	_, _, absent := n.file.Absent(0)
	return absent
}

// leaveBase notes that the content has no byte of the base any more. needed says whether
// it had: what was promised before may still need them. n is locked, and its gen is
// about to grow.
func (n *Node) leaveBase(needed bool) {
	if needed {
		n.departed = n.gen + 1
	}
	n.unchecked = false
	if r := n.reader; r != nil {
		n.reader = nil
		n.v.background(r.Close)
	}
}

// hasLeft reports whether the content has left the base since gen.
func (n *Node) hasLeft(gen uint64) bool {
	n.lock()
	defer n.unlock()
	return n.departed > gen
}

// promisesUnchecked reports whether what the journal promises as of gen kept may have
// bytes of the base that nobody has checked; n is locked.
func (n *Node) promisesUnchecked(kept uint64) bool {
	return n.carriesUnchecked() || n.committed < kept && kept < n.departed
}

// loseBase ends an attempt that can never succeed. If that is for its base, and the file
// has been emptied and written anew since, the later content is none the worse.
func (v *Volume) loseBase(n *Node, a *attempt, err error) {
	n.lock()
	replaced := n.departed > a.gen && !n.needsBase()
	n.unlock()
	if replaced && errors.Is(err, errUnproven) {
		v.outlive(n, a, err)
		return
	}
	v.condemn(n, a, err)
}

// errUnproven: the version that a draft changes is not what was committed, or is gone
// before that could be checked.
var errUnproven = errors.New("the version underneath cannot be relied on")

// unproven gives the error of a check the path and the words of this package.
func (n *Node) unproven(err error) error {
	return fmt.Errorf("check what %s takes over: %w: %w", n.Path(), errUnproven, errorsIO(fromFetch(err)))
}

// proveBase returns once every version of which bytes are in the draft has been checked
// as a whole. What states nothing to be checked by goes on: a foreign object, and one
// of which the sidecar is gone.
func (n *Node) proveBase(ctx context.Context, o *origin) error {
	if o.earlier {
		if err := n.noteBase(ctx, o); err != nil {
			return n.unproven(err)
		}
	}
	for _, r := range o.list() {
		if !o.earlier && r.Fetched() == 0 {
			continue
		}
		if err := n.verify(ctx, r); err != nil {
			return n.unproven(err)
		}
	}
	n.lock()
	defer n.unlock()
	if o.earlier {
		n.unchecked = false
	}
	return nil
}

// noteBase notes a reader of the base where only an earlier mount had one.
func (n *Node) noteBase(ctx context.Context, o *origin) error {
	for range maxLooks {
		if n.hasLeft(o.gen) {
			_, err := o.apart(ctx, n)
			return err
		}
		if err := n.prepareBase(ctx); err != nil {
			return err
		}
		n.lock()
		r := n.reader
		n.unlock()
		if r == nil || o.note(r) {
			return nil
		}
	}
	return fetch.ErrClosed
}

// verify checks the whole of a version, which may be on its way.
func (n *Node) verify(ctx context.Context, r *fetch.Reader) error {
	err := r.Verify(ctx)
	for range maxLooks {
		if !errors.Is(err, fetch.ErrStale) || !n.relocate(ctx) {
			break
		}
		err = r.Verify(ctx)
	}
	if errors.Is(err, fetch.ErrUnprotected) {
		return nil
	}
	return err
}
