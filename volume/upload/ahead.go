package upload

import (
	"hash/crc32"
	"sync"

	"mcfs/crypt"
)

// A file is mostly written from its start to its end. Its bytes are then encrypted
// as they come, while they are in the processor's cache, into the buffer from which
// their part will leave: to read them back from the draft costs more than to encrypt
// them. That is a shortcut and no more. Where memory is short, where something is
// written twice or out of order, and where a part has to be sent again, its
// ciphertext is made from a view.

// ahead is what an upload makes of parts before they leave.
type ahead struct {
	mu     sync.Mutex // before Engine.mu
	ended  bool       // by Finish or Abort
	making *made      // the part that is being written; nil: none
	low    int64      // the bytes in [low, high) are made, perhaps not all of them
	high   int64
}

// made is a part's ciphertext, from its start on, before it leaves.
type made struct {
	part   int
	off    int64 // of the part in the file
	buf    []byte
	size   int64 // of the part
	n      int64 // bytes so far
	hashed int64 // of them, in sums
	sums   sums
}

// hashStep is how many bytes are hashed at once: few enough to stay in the cache.
const hashStep = 64 << 10

// Wrote tells what has just been written to the draft, under the lock that Touches
// and Advance are called under. p stays the caller's.
func (u *Upload) Wrote(p []byte, off int64) {
	if u.mode == crypt.CBC {
		return // it chains through all that was before
	}
	a := &u.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(p) > 0 && !a.ended {
		m := a.making
		if m != nil && off != m.off+m.n {
			u.dropMaking()
			m = nil
		}
		if m == nil {
			skip := u.toNextPart(off)
			if skip >= int64(len(p)) {
				return
			}
			p, off = p[skip:], off+skip
			if m = u.startMaking(off); m == nil {
				return
			}
		}
		k := min(int64(len(p)), m.size-m.n)
		u.extend(m, p[:k])
		p, off = p[k:], off+k
		a.high = max(a.high, off)
		if m.n == m.size {
			u.completeMaking()
		}
	}
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
	if k >= maxParts || size > heldMax {
		return nil
	}
	buf := u.e.spare(bufferSize(size))
	if buf == nil {
		return nil
	}
	if u.ahead.high == 0 {
		u.ahead.low = off
	}
	u.ahead.low = min(u.ahead.low, off)
	u.ahead.making = &made{part: k, off: off, buf: buf, size: size}
	return u.ahead.making
}

// extend encrypts what follows. ahead.mu is held.
func (u *Upload) extend(m *made, p []byte) {
	for len(p) > 0 { // by steps, so that what is hashed has just been encrypted
		k := min(len(p), int(m.hashed+hashStep-m.n))
		u.cipher.XORAt(m.buf[m.n:m.n+int64(k)], p[:k], m.off+m.n)
		m.n += int64(k)
		p = p[k:]
		if m.n == m.hashed+hashStep {
			u.hash(m)
		}
	}
}

// hash takes what is not hashed yet into the sums: whole blocks of 16, but at the end of the file.
func (u *Upload) hash(m *made) {
	text := m.buf[m.hashed:m.n]
	if h := u.cipher.Hasher(); h != nil {
		m.sums.ghash = h.Join(m.sums.ghash, h.Sum(text))
	}
	h := u.integrity.Hasher()
	m.sums.mac = h.Join(m.sums.mac, h.Sum(text))
	m.sums.crc = crc32.Update(m.sums.crc, castagnoli, text)
	m.sums.size += int64(len(text))
	m.hashed = m.n
}

// completeMaking gives a part all of whose bytes have been written what was made of it. ahead.mu is held.
func (u *Upload) completeMaking() {
	m := u.ahead.making
	u.ahead.making = nil
	u.hash(m)
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	if u.cleaned || u.phase.ended() {
		u.e.unspare(m)
		return
	}
	p := u.part(m.part)
	if p.state != idle || p.made != nil {
		u.e.unspare(m)
		return
	}
	p.made = m
}

// dropMaking forgets the part that is being written. ahead.mu is held.
func (u *Upload) dropMaking() {
	m := u.ahead.making
	if m == nil {
		return
	}
	u.ahead.making = nil
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
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
	if m := a.making; m != nil && off < m.off+m.n && m.off < off+n {
		u.dropMaking()
	}
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

// endAhead ends it: nothing is written any more. It returns what was made of the
// last part, for takeLast, or nil.
func (u *Upload) endAhead() *made {
	a := &u.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.making
	a.ended, a.making = true, nil
	return m
}

// takeLast uses what was made of the part in which the file ends, if it is all of it;
// and drops whatever does not fit the plan. GCM's last part waits for all others'
// hashes before its tag. e.mu is held.
func (u *Upload) takeLast(m *made) {
	if m == nil {
		return
	}
	if m.part < len(u.parts) {
		p := u.parts[m.part]
		if !u.plan.single && p.state == idle && p.made == nil && p.n == m.n && u.tail() == 0 {
			u.hash(m)
			p.made = m
			return
		}
	}
	u.e.unspare(m)
}

// spare is a buffer for a part that is being written; nil if there is none to
// spare: half of the memory is for what leaves.
func (e *Engine) spare(cost int64) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.ahead+cost > e.c.Memory/2 || e.granted+cost > e.c.Memory {
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

// unspare takes it back, wiped or not: it holds ciphertext. e.mu is held.
func (e *Engine) unspare(m *made) {
	cost := int64(len(m.buf))
	e.pool.put(m.buf)
	e.ahead -= cost
	e.granted -= cost
	e.poke()
}
