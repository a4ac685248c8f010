package fetch

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"mcfs/crypt"
)

// Reader reads one version; shared by all handles that have it open.
type Reader struct {
	e       *Engine
	version Version
	lay     layout
	cipher  *crypt.Cipher    // nil for a foreign object
	keys    *crypt.Integrity // nil for a foreign object
	ledger  *ledger          // nil where there is nothing to check
	gated   bool             // nothing is released before the tag was checked
	cache   Cache
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup // flights and passes
	wipe    sync.Once
	fetched atomic.Int64 // see Fetched
	apart   atomic.Bool  // closed by its owner, and held: the cache is not used any more

	// Guarded by Engine.mu.
	closed  bool
	left    bool // by its owner
	holds   int
	err     error // sticky: ErrTampered
	trusted bool  // MarkVerified
	blocks  map[int64]*block
	flights map[*flight]struct{}
	streams map[*Stream]struct{}
	pass    *pass
	waiting int // blocks of this Reader in budget.ahead
}

// unlock derives the keys and checks all that can be checked without the network.
func (r *Reader) unlock(dataKey []byte) error {
	v := &r.version
	if v.Cipher < 0 || v.Cipher > maxObject {
		return fmt.Errorf("%w: an object of %d bytes", ErrTampered, v.Cipher)
	}
	if v.Mode == 0 {
		if v.Plain != v.Cipher {
			return fmt.Errorf("foreign object of %d bytes, not %d", v.Cipher, v.Plain)
		}
		return nil
	}
	var err error
	if r.cipher, err = crypt.NewCipher(v.Mode, dataKey, v.IV); err != nil {
		return err
	}
	if r.keys, err = crypt.NewIntegrity(v.Mode, dataKey, v.IV); err != nil {
		return err
	}
	if v.Check != "" {
		if err := r.keys.VerifyCheck(v.Check); err != nil {
			return fmt.Errorf("%w: %w", ErrTampered, err)
		}
	}
	if v.MAC != "" {
		if err := r.keys.VerifySize(v.MAC, v.Plain); err != nil {
			return fmt.Errorf("%w: %w", ErrTampered, err)
		}
	}
	if v.Plain < 0 || v.Plain > v.Mode.MaxPlain() || v.Mode.CipherSize(v.Plain) != v.Cipher {
		return fmt.Errorf("%w: object of %d bytes for %d bytes of content", ErrTampered, v.Cipher, v.Plain)
	}
	r.ledger = r.newLedger()
	return nil
}

// newLedger checks GCM by its tag, the others by mcfs-mac if there is one.
func (r *Reader) newLedger() *ledger {
	v := &r.version
	switch {
	case v.Mode == crypt.GCM:
		return newLedger(r.cipher.Hasher(), r.lay, func(whole crypt.Partial, tail [aesBlock]byte) error {
			return r.cipher.VerifyTag(whole, tail[:])
		})
	case v.MAC != "":
		return newLedger(r.keys.Hasher(), r.lay, func(whole crypt.Partial, _ [aesBlock]byte) error {
			return r.keys.VerifyMAC(v.MAC, whole, v.Plain)
		})
	}
	return nil
}

// Check is the mcfs-check of a file with this version's mode, IV and key; empty for a foreign object.
func (r *Reader) Check() string {
	if r.keys == nil {
		return ""
	}
	return r.keys.Check()
}

// Verified says that the content is known to be what was committed: a whole
// pass has been checked, or MarkVerified was called. A caller that keeps the
// cache beyond this Reader notes it down, so that the next one can be told.
func (r *Reader) Verified() bool {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	return r.err == nil && (r.trusted || r.passed())
}

// HoldsBack says that some of what the cache holds may come from a pass whose
// tag has not been checked yet (GCM): only ReadAt, which waits for the check, may release it.
// Of an empty version there is nothing to release.
func (r *Reader) HoldsBack() bool { return r.gated && r.lay.plain > 0 && !r.Verified() }

// MarkVerified says that what the cache holds may be trusted: this machine
// wrote it, or an earlier Reader had it Verified. In GCM the cache then
// answers at once; the first fetch of what it lacks still checks the whole.
func (r *Reader) MarkVerified() {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	r.trusted = true
}

// Verify passes over the whole object, unless that has been done, and checks
// it: ErrTampered, or ErrUnprotected where there is nothing to check it by.
func (r *Reader) Verify(ctx context.Context) error {
	if r.ledger == nil {
		return fmt.Errorf("verify: %w", ErrUnprotected)
	}
	if err := r.awaitPass(ctx, 0, false); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// Fetched is how many bytes of the object have come from the store, so far: 0 says that
// nobody has anything from this Reader that would have to be checked.
func (r *Reader) Fetched() int64 { return r.fetched.Load() }

// Unchecked reports whether bytes have come from this Reader that could be checked, by a
// whole pass, and have not been.
func (r *Reader) Unchecked() bool {
	return r.ledger != nil && r.Fetched() > 0 && !r.Verified()
}

// Hold keeps the Reader from being closed until Release, so that what came from it can
// be checked later. It reports whether the Reader was not closed before.
func (r *Reader) Hold() bool {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	if r.closed || r.left {
		return false
	}
	r.holds++
	return true
}

// Release ends a Hold. The last one closes a Reader that its owner has closed.
func (r *Reader) Release() {
	r.e.mu.Lock()
	r.holds--
	last := r.holds == 0 && r.left
	r.e.mu.Unlock()
	if last {
		r.end()
	}
}

// Close wipes the key and waits for what is under way. Reads that still run
// fail with ErrClosed. The cache is not used any more when it returns. While
// somebody holds the Reader only the latter is done, and Verify goes on working.
func (r *Reader) Close() {
	e := r.e
	e.mu.Lock()
	r.left = true
	held := r.holds > 0
	if held {
		r.apart.Store(true)
		for s := range r.streams {
			s.window = window{}
		}
		clear(r.streams)
		r.sweep()
	}
	e.leave()
	if !held {
		r.end()
	}
}

// end is Close once nobody needs the Reader any more.
func (r *Reader) end() {
	e := r.e
	e.mu.Lock()
	r.closed = true
	delete(e.readers, r)
	r.settleAll()
	e.leave()
	r.cancel()
	r.work.Wait()
	r.wipe.Do(func() {
		if r.cipher != nil {
			r.cipher.Wipe()
			r.keys.Wipe()
		}
		if r.ledger != nil {
			r.ledger.wipe()
		}
	})
}

// passed says that a whole pass has been checked.
func (r *Reader) passed() bool { return r.ledger != nil && r.ledger.done.Load() }

// usable is why nothing may be read any more. e.mu is held.
func (r *Reader) usable() error {
	switch {
	case r.err != nil:
		return r.err
	case r.closed || r.e.closed:
		return ErrClosed
	}
	return nil
}

// fault is usable for those who do not hold e.mu.
func (r *Reader) fault() error {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	return r.usable()
}

// taint makes ErrTampered stick, and calls everything off. e.mu is held.
func (r *Reader) taint(cause error) {
	if r.err != nil {
		return
	}
	r.err = cause
	for f := range r.flights {
		f.dead = true
		f.cancel()
		f.abandon(r.err)
	}
	if r.pass != nil {
		r.pass.cancel()
	}
	r.settleAll()
}

// settleAll looks at all blocks again, after windows have changed. e.mu is held.
func (r *Reader) settleAll() {
	for _, b := range r.blocks {
		b.settle()
	}
}

// kept is the cache, nil if there is none or the owner has taken it back.
func (r *Reader) kept() Cache {
	if r.apart.Load() {
		return nil
	}
	return r.cache
}

// fromCache reads plaintext that the cache holds, if it may be trusted.
func (r *Reader) fromCache(p []byte, off int64) bool {
	c := r.kept()
	if c == nil {
		return false
	}
	if r.gated && !r.Verified() {
		return false
	}
	n, err := c.ReadAt(p, off)
	return n == len(p) && (err == nil || err == io.EOF)
}

// absent trims a run of blocks to the first stretch that the cache lacks; it is
// empty if the cache has them all.
func (r *Reader) absent(first, end int64) (int64, int64) {
	c, ok := r.kept().(interface {
		Absent(off int64) (start, n int64, ok bool)
	})
	if !ok || r.lay.plain == 0 {
		return first, end
	}
	start, n, ok := c.Absent(first * blockSize)
	if !ok {
		return end, end
	}
	first = max(first, start/blockSize)
	return min(first, end), min(end, blocksIn(start+n))
}

// goFunc runs f in a goroutine that Reader.Close and Engine.Close wait for.
// e.mu is held and the Reader usable.
func (r *Reader) goFunc(f func()) {
	r.e.work.Add(1)
	r.work.Go(func() {
		defer r.e.work.Done()
		f()
	})
}
