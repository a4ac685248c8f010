package fetch

import (
	"context"
	"errors"
	"fmt"

	"mcfs/crypt"
)

// flight is one GET for a run of blocks. Its goroutine belongs to the Reader,
// and so to the Engine. All but ctx, granted and the constants is guarded by
// Engine.mu.
type flight struct {
	r          *Reader
	first, end int64 // blocks
	ctx        context.Context
	cancel     context.CancelFunc
	granted    chan struct{} // closed when memory and a connection are its own
	keep       bool          // its blocks are in Reader.blocks; false for a pass

	running bool
	dead    bool     // called off
	units   int64    // buffers still reserved
	blocks  []*block // those not delivered yet, in order; nil for a pass
}

// newFlight registers the blocks [first, end), none of which may be known yet. e.mu is held.
func (r *Reader) newFlight(first, end int64) *flight {
	f := r.prepare(r.ctx, first, end)
	f.keep, f.units = true, end-first
	f.blocks = make([]*block, 0, end-first)
	for i := first; i < end; i++ {
		b := &block{r: r, index: i, flight: f, done: make(chan struct{})}
		f.blocks = append(f.blocks, b)
		r.blocks[i] = b
	}
	r.flights[f] = struct{}{}
	return f
}

func (r *Reader) prepare(ctx context.Context, first, end int64) *flight {
	f := &flight{r: r, first: first, end: end, granted: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// launch starts the goroutine of a flight that is queued or granted. e.mu is
// held and the Reader usable, so that no wait for the goroutines has begun.
func (r *Reader) launch(f *flight) {
	r.goFunc(func() { f.fly((*flight).transfer) })
}

// fly does work once the flight is granted, and ends it. Its error is that of
// the blocks that were not brought.
func (f *flight) fly(work func(*flight) error) error {
	defer f.cancel()
	err := f.await()
	if err == nil {
		err = work(f)
	}
	f.land(err)
	return err
}

// await waits for the grant.
func (f *flight) await() error {
	select {
	case <-f.granted:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

// transfer does the GET and delivers block after block.
func (f *flight) transfer() error {
	r := f.r
	src := source{
		ctx: f.ctx, store: r.e.Store, moving: &r.e.moving, timeout: r.e.Timeout, version: &r.version,
		off: r.lay.fetchStart(f.first), end: r.lay.cipherEnd(f.end),
	}
	defer src.close()
	var prev [aesBlock]byte
	if r.lay.mode == crypt.CBC {
		if f.first == 0 {
			prev = r.cipher.CBCStart()
		} else if err := src.fill(prev[:]); err != nil {
			return err
		}
	}
	fill := r.kept() != nil
	for i := f.first; i < f.end; i++ {
		buf := r.e.buffer()
		body := buf[:r.lay.cipherLen(i)]
		err := src.fill(body)
		if err == nil {
			err = r.decrypt(i, body, &prev)
		}
		if err != nil {
			r.e.recycle(buf)
			return err
		}
		if fill, err = f.deliver(i, buf, fill); err != nil {
			return err
		}
	}
	return nil
}

// decrypt hashes the object bytes of block i into the ledger and decrypts them in
// place. prev (CBC) is the ciphertext before them, and is advanced.
func (r *Reader) decrypt(i int64, body []byte, prev *[aesBlock]byte) error {
	r.fetched.Add(int64(len(body)))
	r.e.fetched.Add(int64(len(body)))
	if r.lay.mode == 0 {
		return nil
	}
	last := i == r.lay.blocks()-1
	if r.ledger != nil {
		if err := r.record(i, body, last); err != nil {
			return err
		}
	}
	switch r.lay.mode {
	case crypt.CBC:
		return r.decryptCBC(i, body, prev, last)
	default:
		text := body[:r.lay.plainLen(i)]
		r.cipher.XORAt(text, text, i*blockSize)
		return nil
	}
}

func (r *Reader) record(i int64, body []byte, last bool) error {
	var tag [aesBlock]byte
	if last && r.lay.mode == crypt.GCM {
		text := r.lay.plainLen(i)
		copy(tag[:], body[text:])
		body = body[:text]
	}
	return r.ledger.add(i, r.ledger.hasher.Sum(body), tag)
}

func (r *Reader) decryptCBC(i int64, body []byte, prev *[aesBlock]byte, last bool) error {
	next := [aesBlock]byte(body[len(body)-aesBlock:])
	if r.ledger != nil {
		if err := r.ledger.link(i, *prev); err != nil {
			return err
		}
		if err := r.ledger.link(i+1, next); err != nil {
			return err
		}
	}
	r.cipher.DecryptCBC(body, body, prev[:])
	*prev = next
	if !last {
		return nil
	}
	kept, err := crypt.Unpad(body[len(body)-aesBlock:])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if r.lay.cipher-aesBlock+int64(kept) != r.lay.plain {
		return fmt.Errorf("%w: padding gives another size", ErrTampered)
	}
	return nil
}

// deliver hands block i over to whoever waits, and then to the cache; it owns buf.
// fill comes back false once the cache refused.
func (f *flight) deliver(i int64, buf *[bufSize]byte, fill bool) (bool, error) {
	r, e := f.r, f.r.e
	data := buf[:r.lay.plainLen(i)]
	if !f.keep {
		fill = r.fill(data, i, fill)
		r.retain(i, buf)
		return fill, nil
	}
	e.mu.Lock()
	if f.dead || r.err != nil || r.closed {
		e.leave()
		e.recycle(buf)
		return fill, errAgain
	}
	b := f.blocks[0]
	f.blocks = f.blocks[1:]
	f.units--
	b.flight, b.buf, b.data = nil, buf, data
	b.hold() // for the cache
	close(b.done)
	e.mu.Unlock()

	fill = r.fill(data, i, fill)

	e.mu.Lock()
	b.release()
	e.leave()
	return fill, nil
}

// fill gives a block to the cache. It says whether that is worth going on with.
func (r *Reader) fill(data []byte, i int64, wanted bool) bool {
	c := r.kept()
	if !wanted || c == nil || len(data) == 0 {
		return wanted && c != nil
	}
	if err := c.Fill(data, i*blockSize); err != nil {
		r.e.Log.Debug("cache refused a block", "err", err)
		return false
	}
	return true
}

// land ends a flight: what it did not bring fails with err.
func (f *flight) land(err error) {
	r, e := f.r, f.r.e
	if errors.Is(err, ErrTampered) {
		key, _ := r.version.Locate()
		e.Log.Error("object does not match its integrity check", "key", key, "cause", err)
	}
	e.mu.Lock()
	defer e.leave()
	delete(r.flights, f)
	if f.running {
		e.running--
		e.giveBack(f.units)
		f.units = 0
	} else {
		e.withdraw(f)
	}
	switch {
	case errors.Is(err, ErrTampered):
		r.taint(err)
		err = r.err
	case e.closed || r.closed:
		err = ErrClosed
	}
	f.abandon(err)
}

// abandon fails the blocks that are not delivered yet. e.mu is held.
func (f *flight) abandon(err error) {
	for _, b := range f.blocks {
		b.flight, b.err = nil, err
		if f.r.blocks[b.index] == b {
			delete(f.r.blocks, b.index)
		}
		close(b.done)
	}
	f.blocks = nil
}

// callOff cancels a flight that nobody waits for and no stream will come by. e.mu is held.
func (r *Reader) callOff(f *flight) {
	for _, b := range f.blocks {
		if b.refs > 0 || r.windowed(b.index) {
			return
		}
	}
	f.dead = true
	f.cancel()
	f.abandon(errAgain)
}
