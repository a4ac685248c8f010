package upload

import (
	"hash/crc32"
	"slices"
	"sync"

	"mcfs/crypt"
)

// A file is mostly written from its start to its end. Its bytes are then kept as they
// come, in the buffer from which their part will leave, and encrypted there by a
// goroutine that follows the writer: to read them back from the draft costs more than
// to encrypt them. That is a shortcut and no more. Where memory is short, where
// something is written twice or out of order, and where a part has to be sent again,
// its ciphertext is made from a view. In CBC, where a part chains from the one before,
// the bytes are kept as they are until their part leaves.

// ahead is what an upload makes of parts before they leave.
type ahead struct {
	mu      sync.Mutex // before Engine.mu
	ended   bool       // by Finish or Abort
	making  []*made    // in the order of the file; the last is being written
	working bool       // a goroutine encrypts
	rested  *sync.Cond // on mu: told when it has ended
	low     int64      // the bytes in [low, high) are made, perhaps not all of them
	high    int64
}

// made is a part's ciphertext, from its start on, before it leaves; in CBC its plaintext.
type made struct {
	part    int
	off     int64 // of the part in the file
	buf     []byte
	size    int64 // of the part
	n       int64 // bytes so far; those from hashed on are plaintext still
	hashed  int64 // encrypted, and in sums
	dropped bool  // nobody wants it
	sums    sums
}

// aheadStep is how many bytes are encrypted and hashed at once: few enough to stay in the cache.
const aheadStep = 256 << 10

// Wrote tells what has just been written to the draft, under the lock that Touches
// and Advance are called under. p stays the caller's.
func (u *Upload) Wrote(p []byte, off int64) {
	a := &u.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(p) > 0 && !a.ended {
		m := a.open()
		if m != nil && off != m.off+m.n {
			m.dropped, m = true, nil
		}
		if m == nil {
			skip := u.toNextPart(off)
			if skip >= int64(len(p)) {
				break
			}
			p, off = p[skip:], off+skip
			if m = u.startMaking(off); m == nil {
				break
			}
		}
		k := copy(m.buf[m.n:m.size], p)
		m.n += int64(k)
		p, off = p[k:], off+int64(k)
		a.high = max(a.high, off)
	}
	u.follow()
}

// open is the part that is being written, if any; a.mu is held.
func (a *ahead) open() *made {
	if len(a.making) == 0 {
		return nil
	}
	m := a.making[len(a.making)-1]
	if m.dropped || m.n == m.size {
		return nil
	}
	return m
}

// toNextPart is how far it is from off to the start of a part.
func (u *Upload) toNextPart(off int64) int64 {
	k := u.layout.index(off)
	if start := u.layout.offset(k); start < off {
		return u.layout.end(k) - off
	}
	return 0
}

// startMaking begins the part that begins at off, if there is memory to spare. ahead.mu is held.
func (u *Upload) startMaking(off int64) *made {
	k := u.layout.index(off)
	size := u.layout.size(k)
	if k >= maxParts || !u.e.c.held(size) {
		return nil
	}
	buf := u.e.spare(bufferSize(size))
	if buf == nil {
		return nil
	}
	a := &u.ahead
	if a.high == 0 {
		a.low = off
	}
	a.low = min(a.low, off)
	m := &made{part: k, off: off, buf: buf, size: size}
	a.making = append(a.making, m)
	return m
}

// follow has a goroutine encrypt what is there to be encrypted. ahead.mu is held.
func (u *Upload) follow() {
	a := &u.ahead
	if a.working || u.nextAhead() == nil {
		return
	}
	if a.rested == nil {
		a.rested = sync.NewCond(&a.mu)
	}
	if a.working = u.e.spawn(u.encryptAhead); a.working {
		return
	}
	for _, m := range a.making {
		m.dropped = true
		u.handOver(m)
	}
	a.making = nil
}

// nextAhead is the part with a step to encrypt, or one to be let go of; nil: there is
// nothing to do. When nothing more is written, less than a step is one. ahead.mu is held.
func (u *Upload) nextAhead() *made {
	for _, m := range u.ahead.making {
		left := m.n - m.hashed
		switch {
		case u.over(m):
			return m
		case u.mode == crypt.CBC:
		case left >= aheadStep || left > 0 && (m.n == m.size || u.ahead.ended):
			return m
		}
	}
	return nil
}

// over says that nothing is to be made of the part any more. ahead.mu is held.
func (u *Upload) over(m *made) bool {
	return m.dropped || m.hashed == m.size || u.mode == crypt.CBC && m.n == m.size
}

// encryptAhead goes on until it has caught up with the writer.
func (u *Upload) encryptAhead() {
	a := &u.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	for m := u.nextAhead(); m != nil; m = u.nextAhead() {
		if u.over(m) {
			a.making = slices.DeleteFunc(a.making, func(x *made) bool { return x == m })
			u.handOver(m)
			continue
		}
		n := min(m.n, m.hashed+aheadStep)
		a.mu.Unlock()
		u.extend(m, n)
		a.mu.Lock()
		m.hashed = n
	}
	a.working = false
	a.rested.Broadcast()
}

// extend encrypts and hashes the bytes of [m.hashed, n), of which all but the file's
// last are whole blocks of 16.
func (u *Upload) extend(m *made, n int64) {
	text := m.buf[m.hashed:n]
	u.cipher.XORAt(text, text, m.off+m.hashed)
	if h := u.cipher.Hasher(); h != nil {
		m.sums.ghash = h.Join(m.sums.ghash, h.Sum(text))
	}
	h := u.integrity.Hasher()
	m.sums.mac = h.Join(m.sums.mac, h.Sum(text))
	m.sums.crc = crc32.Update(m.sums.crc, castagnoli, text)
	m.sums.size += int64(len(text))
}

// handOver gives a part all of whose bytes have been written what was made of it, or
// gives the buffer back. ahead.mu is held.
func (u *Upload) handOver(m *made) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	if !m.dropped && !u.cleaned && !u.phase.ended() {
		if p := u.part(m.part); p.state == idle && p.made == nil {
			p.made = m
			return
		}
	}
	u.e.unspare(m)
}

// forget drops what was made of bytes that are about to change.
func (u *Upload) forget(off, n int64) {
	a := &u.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	if off >= a.high || off+n <= a.low {
		return
	}
	for _, m := range a.making {
		if off < m.off+m.n && m.off < off+n {
			m.dropped = true
		}
	}
	u.follow()
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	for i := u.layout.index(off); i < len(u.parts) && u.layout.offset(i) < off+n; i++ {
		u.dropMade(u.parts[i])
	}
}

// dropMade forgets what was made of a part that no job has. e.mu is held.
func (u *Upload) dropMade(p *part) {
	if p.made != nil && p.state != flying {
		u.e.unspare(p.made)
		p.made = nil
	}
}

// endAhead ends it: nothing is written any more. It returns what was made of the part
// in which the file ends, or nil. keep is false where nothing is wanted.
func (u *Upload) endAhead(keep bool) (last *made) {
	a := &u.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if !keep {
		for _, m := range a.making {
			m.dropped = true
		}
	}
	u.follow()
	for a.working {
		a.rested.Wait()
	}
	for _, m := range a.making { // at most one is left, which is not whole
		last = m
	}
	a.making = nil
	return last
}

// takeLast uses what was made of the part in which the file ends, if it is all of it.
// GCM's last part waits for all others' hashes before its tag. e.mu is held.
func (u *Upload) takeLast(m *made) {
	if m == nil {
		return
	}
	if m.part < len(u.parts) {
		p := u.parts[m.part]
		if !u.plan.single && p.state == idle && p.made == nil && p.n == m.n && u.tail() == 0 {
			p.made = m
			return
		}
	}
	u.e.unspare(m)
}

// mostAhead is how much of the memory parts may hold that are being written, for as
// long as their writers like: half. The largest buffer of a job fits into the rest:
// see held.
func (c Config) mostAhead() int64 {
	return min(c.Memory/2, c.Memory-bufferSize(chunkSize))
}

// held says whether a part of n bytes is made whole in memory, rather than streamed.
func (c Config) held(n int64) bool {
	return n <= heldMax && bufferSize(n) <= c.Memory-c.mostAhead()
}

// spare is a buffer for a part that is being written; nil if there is none to spare.
func (e *Engine) spare(cost int64) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.ahead+cost > e.c.mostAhead() || e.granted+cost > e.c.Memory {
		return nil
	}
	buf, err := e.pool.get(cost)
	if err != nil {
		return nil
	}
	e.ahead += cost
	e.granted += cost
	return buf
}

// unspare takes it back, without what plaintext it holds. e.mu is held.
func (e *Engine) unspare(m *made) {
	cost := int64(len(m.buf))
	clear(m.buf[m.hashed:m.n])
	e.pool.put(m.buf)
	e.ahead -= cost
	e.granted -= cost
	e.poke()
}
