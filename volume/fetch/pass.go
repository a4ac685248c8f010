package fetch

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"mcfs/crypt"
)

// errIncomplete: a pass ended without having covered the object.
var errIncomplete = errors.New("pass did not cover the whole object")

// pass goes over the whole object to check it; one at a time per Reader. It
// ends early when nobody waits for it any more; what it has hashed by then
// stays in the ledger, and the next pass goes on from there.
type pass struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed

	// Guarded by Engine.mu.
	waiters         int
	keepFrom, keepN int64 // blocks worth keeping in memory for who waits
}

// awaitPass returns once the object has been checked. from is the block that
// the caller will read next, if keep is set.
func (r *Reader) awaitPass(ctx context.Context, from int64, keep bool) error {
	e := r.e
	var stop func()
	for {
		e.mu.Lock()
		if err := r.usable(); err != nil || r.passed() {
			e.mu.Unlock()
			return err
		}
		p := r.joinPass(from, keep)
		e.mu.Unlock()

		if stop == nil {
			ctx, stop = e.patient(ctx)
			defer stop()
		}
		var waited error
		select {
		case <-p.done:
		case <-ctx.Done():
			waited = ended(ctx)
		}
		r.leavePass(p)
		switch {
		case waited != nil:
			return waited
		case p.err != nil:
			return p.err
		}
	}
}

// joinPass waits for the pass under way, or begins one. e.mu is held and the Reader usable.
func (r *Reader) joinPass(from int64, keep bool) *pass {
	if r.pass != nil {
		r.pass.waiters++
		return r.pass
	}
	p := &pass{done: make(chan struct{}), waiters: 1}
	if keep {
		p.keepFrom, p.keepN = from, max(1, r.e.Memory/4/bufSize)
	}
	p.ctx, p.cancel = context.WithCancel(r.ctx)
	r.pass = p
	r.goFunc(func() { r.runPass(p) })
	return p
}

func (r *Reader) leavePass(p *pass) {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	p.waiters--
	if p.waiters == 0 && r.pass == p {
		r.pass = nil
		p.cancel()
	}
}

func (r *Reader) runPass(p *pass) {
	defer p.cancel()
	err := r.passOver(p)
	e := r.e
	e.mu.Lock()
	defer e.leave()
	if r.pass == p {
		r.pass = nil
	}
	if sticky := r.usable(); sticky != nil {
		err = sticky
	}
	p.err = err
	close(p.done)
}

// passOver fetches all blocks that the ledger lacks, as many at once as the Engine allows.
func (r *Reader) passOver(p *pass) error {
	r.ledger.begin()
	if err := r.hashCached(p); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(p.ctx)
	group.SetLimit(r.e.Concurrency)
	// Large GETs, but enough of them to keep all connections busy.
	n := min(maxGet, max(minPassGet, r.lay.blocks()/int64(r.e.Concurrency)))
	for from := int64(0); ctx.Err() == nil; {
		first, end, ok := r.ledger.missing(from, n)
		if !ok {
			break
		}
		from = end
		f := r.queue(ctx, first, end) // here, so that they leave in order
		group.Go(func() error { return f.fly((*flight).transfer) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if !r.passed() {
		return errIncomplete
	}
	return nil
}

// minPassGet is the least a pass asks for at once, in blocks.
const minPassGet = 16

// queue asks for a connection and one buffer for a flight of a pass, which must then fly.
func (r *Reader) queue(ctx context.Context, first, end int64) *flight {
	f := r.prepare(ctx, first, end)
	f.units = 1
	r.e.mu.Lock()
	defer r.e.leave()
	r.e.bulk = append(r.e.bulk, f)
	return f
}

// retain keeps a block that a pass has brought, if it will be read soon and
// there is room, and else recycles its buffer. It is not released before the
// pass is complete (see Reader.take).
func (r *Reader) retain(i int64, buf *[bufSize]byte) {
	e := r.e
	e.mu.Lock()
	p := r.pass
	soon := p != nil && i >= p.keepFrom && i-p.keepFrom < p.keepN
	room := e.used+bufSize <= e.Memory && int64(e.spent.Len()+1)*bufSize <= e.Memory/4
	if !soon || !room || r.blocks[i] != nil || r.usable() != nil {
		e.mu.Unlock()
		e.recycle(buf)
		return
	}
	b := &block{r: r, index: i, done: make(chan struct{}), buf: buf, data: buf[:r.lay.plainLen(i)]}
	close(b.done)
	e.used += bufSize
	r.blocks[i] = b
	b.list(e.spent)
	e.mu.Unlock()
}

// hashCached spares a pass the blocks that a trusted cache holds: encrypted
// again, they must be what the object has, or the tag will not agree.
func (r *Reader) hashCached(p *pass) error {
	r.e.mu.Lock()
	trusted := r.trusted
	r.e.mu.Unlock()
	if !trusted || r.kept() == nil || r.lay.mode != crypt.GCM {
		return nil
	}
	return r.queue(p.ctx, 0, 0).fly(func(f *flight) error {
		buf := r.e.buffer()
		defer r.e.recycle(buf)
		last := r.lay.blocks() - 1 // has the tag, which is in the store
		for from := int64(0); f.ctx.Err() == nil; {
			i, end, ok := r.ledger.missing(from, 1)
			if !ok || i >= last {
				return nil
			}
			from = end
			text := buf[:blockSize]
			if !r.fromCache(text, i*blockSize) {
				continue
			}
			r.cipher.XORAt(text, text, i*blockSize)
			if err := r.ledger.add(i, r.ledger.hasher.Sum(text), [aesBlock]byte{}); err != nil {
				return err
			}
		}
		return f.ctx.Err()
	})
}
