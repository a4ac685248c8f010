package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// job is one thing to be done with a place and a buffer of the engine's.
type job struct {
	kind    jobKind
	part    int
	cost    int64         // bytes of buffer
	granted chan struct{} // put: closed when its turn has come
}

type jobKind uint8

const (
	jobBegin jobKind = iota
	jobPart
	jobPut // a Finish does it itself, and waits for granted
)

// enqueue adds a job, in front of the others or behind them. e.mu is held.
func (u *Upload) enqueue(j *job, front bool) {
	at := len(u.jobs)
	if front {
		at = 0
	}
	u.jobs = slices.Insert(u.jobs, at, j)
	if !u.inRing {
		u.inRing = true
		u.e.ring = append(u.e.ring, u)
	}
	u.e.poke()
}

// eligible says whether a job may start, its turn and the pause after a
// failure aside. Jobs stand in the order of their parts, those tried before in
// front, so that if the first cannot start none can. e.mu is held.
func (u *Upload) eligible(j *job) bool {
	if j.kind != jobPart {
		return true
	}
	if u.phase == fresh {
		return false // no part leaves before Begun returned
	}
	p := u.parts[j.part]
	switch {
	case u.mode == crypt.CBC:
		return p.known || j.part == 0 || u.parts[j.part-1].known
	case u.mode == crypt.GCM && p.last:
		return !slices.ContainsFunc(u.parts[:j.part], func(q *part) bool { return !q.known })
	}
	return true
}

// needs is the memory that a job needs besides what its part has already. e.mu is held.
func (u *Upload) needs(j *job) int64 {
	if j.kind == jobPart && u.parts[j.part].made != nil {
		return 0
	}
	return j.cost
}

// startJob sets the first job going. e.mu is held.
func (u *Upload) startJob() {
	j := u.jobs[0]
	u.jobs = u.jobs[1:]
	u.active++
	switch j.kind {
	case jobPut:
		close(j.granted)
	case jobBegin:
		u.e.wg.Go(func() {
			defer u.e.endJob(u, j.cost)
			u.runBegin(j)
		})
	case jobPart:
		p := u.parts[j.part]
		p.state = flying
		if p.made != nil {
			u.e.ahead -= j.cost
		}
		u.e.wg.Go(func() {
			defer u.e.endJob(u, j.cost)
			u.runPart(j)
		})
	}
}

// runBegin begins the multipart upload, if there is to be one, and tells the target.
func (u *Upload) runBegin(j *job) {
	u.e.mu.Lock()
	multi := u.plan == nil || !u.plan.single
	u.e.mu.Unlock()
	if multi {
		up, err := u.callBegin()
		if err != nil {
			u.failed(j, fmt.Errorf("begin upload of %s: %w", u.t.Key, err))
			return
		}
		u.e.mu.Lock()
		u.up = up
		u.e.mu.Unlock()
	}
	var err error
	if u.t.Begun != nil {
		err = u.t.Begun(u.ctx, u.up.ID)
	}
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	if err != nil {
		u.lose(fmt.Errorf("begin upload of %s: %w", u.t.Key, err))
		return
	}
	u.move(begun)
	if multi {
		u.getOn()
	}
}

// begin is an answer to the request for an upload.
type begin struct {
	up  store.Upload
	err error
}

// callBegin asks for an upload id. The request is not called off with the
// upload: the store might have begun one by then, which nobody would know of.
func (u *Upload) callBegin() (store.Upload, error) {
	answers := make(chan begin)
	u.requests.Add(1)
	if !u.e.spawnLeaving(func() { u.awaitBegin(answers) }) {
		return store.Upload{}, ErrClosed
	}
	select {
	case b := <-answers:
		return b.up, b.err
	case <-u.ctx.Done():
		return store.Upload{}, context.Cause(u.ctx)
	}
}

// awaitBegin hands the answer over, or has what has begun too late aborted.
func (u *Upload) awaitBegin(answers chan<- begin) {
	ctx, cancel := context.WithTimeout(u.e.ctx, callTimeout)
	defer cancel()
	up, err := u.e.c.Store.Begin(ctx, u.t.Key, u.attr)
	if err == nil && up.ID == "" {
		err = errors.New("store gave no upload id")
	}
	select {
	case answers <- begin{up, err}:
	case <-u.ctx.Done():
		if err == nil {
			u.e.c.Orphans.Abort(up)
		}
	}
}

// runPart makes a part's ciphertext and sends it once.
func (u *Upload) runPart(j *job) {
	buf, err := u.bufferFor(j)
	if err != nil {
		u.failed(j, &localError{err})
		return
	}
	ack, err := u.sendPart(j.part, buf)
	u.e.mu.Lock()
	p := u.parts[j.part]
	if p.made != nil && !p.known {
		clear(buf) // CBC: plaintext, some of it, which was not encrypted any more
	}
	p.made = nil
	u.e.mu.Unlock()
	u.e.pool.put(buf)
	if err != nil {
		u.failed(j, fmt.Errorf("part %d of %s: %w", j.part+1, u.t.Key, err))
		return
	}
	u.acknowledged(j.part, ack)
}

// bufferFor is the one that the part was made in, or another.
func (u *Upload) bufferFor(j *job) ([]byte, error) {
	u.e.mu.Lock()
	m := u.parts[j.part].made
	u.e.mu.Unlock()
	if m != nil {
		return m.buf, nil
	}
	return u.e.pool.get(j.cost)
}

func (u *Upload) sendPart(i int, buf []byte) (store.Part, error) {
	w, ctx, leave, err := u.open(i)
	if err != nil {
		return store.Part{}, err
	}
	defer leave()
	c, err := u.seal(ctx, i, w, buf)
	if err != nil {
		return store.Part{}, err
	}
	if c.stream == nil {
		leave() // the view has been read; a Finish that gives up need not stop the part
		ctx = u.ctx
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout(c.size))
	defer cancel()
	u.requests.Add(1)
	ack, err := u.e.c.Store.PutPart(ctx, u.up, i+1, c.body())
	if err := c.revoke(err); err != nil {
		return store.Part{}, err
	}
	return store.Part{Number: i + 1, ETag: ack.ETag, Size: c.size, CRC32C: c.crc}, nil
}

// open gathers what part i is made from. A part without a view of its own is
// read from the Finish's, whose caller waits until leave was called.
func (u *Upload) open(i int) (w *work, ctx context.Context, leave func(), err error) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	p := u.parts[i]
	w = &work{
		cipher: u.cipher, integrity: u.integrity, cpu: u.e.cpu,
		view: p.view, off: u.layout.offset(i), n: p.n, last: p.last, made: p.made,
	}
	ctx, leave = u.ctx, func() {}
	if p.view == nil && p.made == nil {
		if u.view == nil {
			return nil, nil, nil, context.Canceled // its Finish has just ended
		}
		w.view, ctx = u.view, u.fctx
		u.readers++
		leave = sync.OnceFunc(u.doneReading)
	}
	switch {
	case u.mode == crypt.CBC && i == 0:
		w.start = u.cipher.CBCStart()
	case u.mode == crypt.CBC:
		w.start = u.parts[i-1].sums.end
	case u.mode == crypt.GCM && p.last:
		h := u.cipher.Hasher()
		for _, q := range u.parts[:i] {
			w.before = h.Join(w.before, q.sums.ghash)
		}
	}
	return w, ctx, leave, nil
}

func (u *Upload) doneReading() {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	u.readers--
	u.signal()
}

// seal makes the ciphertext of part i, whole in buf or to be streamed through it.
func (u *Upload) seal(ctx context.Context, i int, w *work, buf []byte) (*content, error) {
	whole := int64(len(buf)) >= w.n+maxTail
	s, err := w.make(ctx, buf, whole)
	if err != nil {
		return nil, err
	}
	if err := u.record(i, s); err != nil {
		return nil, err
	}
	c := &content{size: s.size, crc: s.crc}
	u.e.mu.Lock()
	p := u.parts[i]
	u.e.mu.Unlock()
	c.guard.note = func(pos int64) {
		// What is sent again is no progress: a server that swallows and never answers must be told from a slow one.
		for far := p.far.Load(); pos > far; far = p.far.Load() {
			if p.far.CompareAndSwap(far, pos) {
				u.moved.Add(pos - far)
				u.speed.add(pos-far, time.Now())
			}
		}
	}
	if whole {
		c.guard.r = bytes.NewReader(buf[:s.size])
	} else {
		c.stream = newStream(ctx, w, s.size, buf)
		c.guard.r = c.stream
	}
	return c, nil
}

// record keeps what a part's ciphertext came to the first time; any other
// time it must come to the same, or the bytes must not leave (P2).
func (u *Upload) record(i int, s sums) error {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	p := u.parts[i]
	if p.known && p.sums != s {
		u.lose(fmt.Errorf("%w: part %d of %s is not what it was when it left first", ErrLost, i+1, u.t.Key))
		return u.err
	}
	if !p.known {
		p.known, p.sums = true, s
		u.signal()
		u.e.poke() // CBC, GCM: the next may be eligible
	}
	return nil
}

// acknowledged notes that the store has part i, and passes that on.
func (u *Upload) acknowledged(i int, ack store.Part) {
	u.e.mu.Lock()
	p := u.parts[i]
	view := p.view
	p.state, p.ack, p.view = acked, ack, nil
	u.progress.Add(ack.Size)
	u.getOn()
	from := u.prefix
	for u.prefix < len(u.parts) && u.parts[u.prefix].state == acked {
		u.prefix++
	}
	to := u.prefix
	if u.mode != crypt.CBC {
		from, to = i, i+1
	}
	var n int64
	for k := from; k < to; k++ {
		if u.isFull(k) {
			n += u.parts[k].n
		}
	}
	off := u.layout.offset(from)
	if view != nil {
		u.frozenParts--
	}
	u.setDue()
	u.signal()
	u.e.mu.Unlock()
	if view != nil {
		view.Release()
	}
	if u.t.Acked != nil && n > 0 {
		u.t.Acked(off, n)
	}
}

// isFull reports whether part i is one that the file goes on after: Acked tells of no
// other, since the file's end may still change. e.mu is held.
func (u *Upload) isFull(i int) bool {
	p := u.parts[i]
	return p.n == u.layout.size(i) && p.sums.size == p.n
}

// failed puts a job back, to be tried again after a pause; or ends the upload.
func (u *Upload) failed(j *job, err error) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	defer u.signal()
	if u.phase.ended() || u.ctx.Err() != nil {
		if j.kind == jobBegin {
			u.e.log.Info("an upload ended before the store said that it had begun; what may be there of it is looked for", "key", u.t.Key, "err", err)
		}
		return
	}
	if errors.Is(err, store.ErrNoUpload) {
		u.lose(fmt.Errorf("%w: %w", ErrLost, err))
		return
	}
	borrowed := j.kind == jobPart && u.parts[j.part].view == nil
	if borrowed && (u.view == nil || u.fctx.Err() != nil) {
		u.parts[j.part].state = idle // the next Finish sends it
		return
	}
	if errors.Is(err, ErrShort) && !borrowed && j.kind == jobPart {
		u.lose(fmt.Errorf("%w: %w", ErrLost, err)) // its own view stays as it is; another upload takes another
		return
	}
	if _, ok := errors.AsType[*localError](err); ok {
		u.local = err
	}
	if j.kind == jobPart {
		u.parts[j.part].state = queued
	}
	u.cause = err
	u.failures++
	d := u.e.pause(u.failures, err)
	u.resume = time.Now().Add(d)
	u.stumble(err, d)
	u.e.log.Info("upload tries again", "key", u.t.Key, "in", d, "err", err)
	u.enqueue(j, true)
}
