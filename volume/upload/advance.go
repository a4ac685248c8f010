package upload

import (
	"fmt"
	"math"

	"mcfs/crypt"
)

// Advance says that the writer has written everything below high (bytes):
// parts that are whole and not held back are frozen, and sent in the
// background. It never blocks on the network, and costs one comparison where
// nothing is due.
//
// The rule: part k (from 0) is due when part k+2 has begun, so that the last two
// stay behind, of which one is whole; but part 0 waits for Finish, except in CBC. At most Concurrency parts of an upload are frozen and not yet
// acknowledged; what is due beyond them is frozen by a later Advance, or sent by
// Finish. A Freeze that fails ends eager sending, not the upload.
func (u *Upload) Advance(high int64) {
	if high < u.due.Load() {
		return
	}
	for {
		k, n, ok := u.claim(high)
		if !ok {
			return
		}
		view, err := u.src.Freeze(u.layout.offset(k), n)
		if err != nil {
			u.e.log.Warn("parts cannot leave before close", "key", u.t.Key, "err", fmt.Errorf("freeze part %d: %w", k+1, err))
		}
		u.frozen(k, view, err)
	}
}

// claim marks the next part that is due as leaving, before it is frozen.
func (u *Upload) claim(high int64) (k int, n int64, ok bool) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	u.setDue()
	if high < u.due.Load() {
		return 0, 0, false
	}
	k = u.next
	p := u.part(k)
	p.state = queued
	u.next++
	u.frozenParts++
	u.reach.Store(max(u.reach.Load(), u.layout.end(k)))
	return k, p.n, true
}

// frozen makes a job of a claimed part, if it could be frozen and the upload still lives.
func (u *Upload) frozen(k int, view View, err error) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	p := u.parts[k]
	if err != nil {
		p.state = idle
		u.frozenParts--
		u.lazy = true
		u.setDue()
		if u.view != nil {
			u.queueRest() // a Finish came meanwhile, and waits for it
		}
		return
	}
	if u.phase.ended() || u.cleaned {
		view.Release()
		return
	}
	p.view = view
	u.enqueue(&job{kind: jobPart, part: k, cost: u.cost(p)}, false)
	if u.phase == fresh {
		u.begin()
	}
}

// setDue computes where Advance has something to do. e.mu is held.
func (u *Upload) setDue() {
	due := int64(math.MaxInt64)
	if u.src != nil && !u.lazy && u.plan == nil && !u.phase.ended() && u.next+2 < maxParts && u.frozenParts < u.e.c.Concurrency {
		due = u.layout.end(u.next+1) + 1
	}
	u.due.Store(due)
}

// begin queues the job that begins the upload, before all others. e.mu is held.
func (u *Upload) begin() {
	if !u.beginJob {
		u.beginJob = true
		u.enqueue(&job{kind: jobBegin}, true)
	}
}

// tail is how many bytes the mode adds to a file's last part, at most.
func (u *Upload) tail() int64 {
	if u.mode == crypt.CTR {
		return 0
	}
	return maxTail
}

// held says whether part p is made whole in memory.
func (u *Upload) held(p *part) bool {
	return u.e.c.held(p.n)
}

// cost is the buffer that part p needs, or has, in bytes.
func (u *Upload) cost(p *part) int64 {
	if p.made != nil {
		return int64(len(p.made.buf))
	}
	if u.held(p) {
		return bufferSize(p.n)
	}
	return bufferSize(chunkSize)
}
