package upload

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
)

// Upload is one attempt: one key, one IV.
type Upload struct {
	e         *Engine
	t         Target
	src       Source
	mode      crypt.Mode
	object    sidecar.Object // what the object is born with
	cipher    *crypt.Cipher
	integrity *crypt.Integrity
	attr      store.Attributes
	layout    layout
	ctx       context.Context // ends with Abort or the engine
	cancel    context.CancelCauseFunc

	// What Advance and Touches, called for each write, look at without a lock.
	due   atomic.Int64 // Advance below this has nothing to do
	reach atomic.Int64 // Touches from here on is false

	ahead ahead // what is made of parts that are being written

	requests atomic.Int64
	progress atomic.Int64
	moved    atomic.Int64
	speed    meter // of moved

	// The rest is guarded by e.mu.
	phase       phase
	err         error         // lost: why
	changed     chan struct{} // closed, and made anew, by signal
	beginJob    bool          // queued or under way
	up          store.Upload  // ID "" until Begin answered
	parts       []*part
	next        int             // the next part to be sent eagerly
	lazy        bool            // no more eager parts
	frozenParts int             // frozen, or being frozen, and not acknowledged
	prefix      int             // parts 0 to prefix-1 are acknowledged
	plan        *plan           // from the first Finish on
	view        View            // of the Finish under way
	fctx        context.Context // of the Finish under way
	readers     int             // jobs that read it
	jobs        []*job          // the first is the next
	inRing      bool
	resume      time.Time // no job before, but for a put
	failures    int       // in a row
	cause       error     // of the last failure
	trouble     Trouble
	local       error // the draft could not be read; ends a Finish
	active      int   // jobs under way
	finishes    int   // Finish calls under way: 0 or 1
	doubt       error // the last answer to the request that makes the object visible, if unclear
	given       bool  // up: the store is not to keep it
	cleaned     bool
}

// part is what an upload knows of one part.
type part struct {
	state partState
	last  bool // the tail goes with it
	n     int64
	view  View         // its own, if it was frozen eagerly; nil once acknowledged
	made  *made        // its ciphertext, in CBC plaintext, from before it leaves until a job has sent it; nil: to be made from a view
	known bool         // sums is set: the ciphertext has been made once
	far   atomic.Int64 // bytes of it that the store has read at least once
	sums  sums
	ack   store.Part
}

// partState is how far a part is. Only an idle one is not touched by a write.
type partState uint8

const (
	idle   partState = iota
	queued           // frozen or being frozen, or belonging to a Finish; waits for its turn
	flying           // a job has it
	acked            // the store has it
)

// plan is what the first Finish fixed.
type plan struct {
	size   int64 // of the file
	single bool  // one put
	count  int   // of parts
}

// Start makes an upload that has sent nothing. key is copied; iv too. Nothing
// touches the network yet. src may be nil for an upload that Finish alone sends.
// Every upload ends with a Finish that succeeds, or with Abort.
func (e *Engine) Start(t Target, key keys.DataKey, m crypt.Mode, iv []byte, src Source) (*Upload, error) {
	c, err := crypt.NewCipher(m, key.Plain, iv)
	if err != nil {
		return nil, fmt.Errorf("start upload of %s: %w", t.Key, err)
	}
	g, err := crypt.NewIntegrity(m, key.Plain, iv)
	if err != nil {
		c.Wipe()
		return nil, fmt.Errorf("start upload of %s: %w", t.Key, err)
	}
	object := sidecar.Object{
		Mode: m.String(), Key: slices.Clone(key.Wrapped), KeyID: key.KeyID, IV: slices.Clone(iv), Check: g.Check(),
	}
	u := &Upload{
		e: e, t: t, src: src, mode: m, object: object, cipher: c, integrity: g, layout: e.layout,
		attr:    store.Attributes{ContentType: "application/octet-stream", Metadata: object.Encode()},
		changed: make(chan struct{}),
		next:    firstEager(m),
	}
	u.ctx, u.cancel = context.WithCancelCause(e.ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	u.setDue()
	return u, nil
}

// firstEager is the first part that leaves early. A header is often patched at
// the end, so that the first part waits; but CBC cannot go on without it.
func firstEager(m crypt.Mode) int {
	if m == crypt.CBC {
		return 0
	}
	return 1
}

// Key is where its object is to be.
func (u *Upload) Key() string { return u.t.Key }

// Progress is bytes of ciphertext acknowledged so far.
func (u *Upload) Progress() int64 { return u.progress.Load() }

// Moved is bytes of ciphertext that the store has taken from their parts, each
// counted once, acknowledged or not: on a slow link, where a part takes minutes,
// it tells that something still moves.
func (u *Upload) Moved() int64 { return u.moved.Load() }

// Leaving reports whether parts of it are on their way or wait for their turn.
func (u *Upload) Leaving() bool {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	return len(u.jobs) > 0 || u.active > 0
}

// Rate is how many of them go per second, over the last few seconds.
func (u *Upload) Rate() int64 { return u.speed.rate(time.Now()) }

// signal tells all who wait on changed. e.mu is held.
func (u *Upload) signal() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// move changes the phase if that may be. e.mu is held.
func (u *Upload) move(to phase) bool {
	if !u.phase.may(to) {
		return false
	}
	u.phase = to
	u.setDue()
	u.signal()
	return true
}

// lose ends the upload for good, but for Abort. e.mu is held.
func (u *Upload) lose(why error) {
	if u.move(lost) {
		u.err = why
		u.jobs = nil
		u.e.log.Warn("the store does not have an upload any more", "key", u.t.Key, "upload", u.up.ID, "err", why)
	}
}

// part gives the record of part i. e.mu is held.
func (u *Upload) part(i int) *part {
	for len(u.parts) <= i {
		u.parts = append(u.parts, &part{n: u.layout.size(len(u.parts))})
	}
	return u.parts[i]
}

// Touches says whether any byte of [off, off+n) belongs to a part that has left
// or is leaving: then the caller must Abort before it changes the draft. From
// the first Finish on it is always true. A part is leaving once Advance has
// frozen it, which happens within Advance only: the caller keeps Touches,
// the write that it guards, Wrote and Advance together under one lock.
func (u *Upload) Touches(off, n int64) bool {
	if n <= 0 {
		return false
	}
	u.forget(off, n)
	if off >= u.reach.Load() {
		return false
	}
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	if u.plan != nil {
		return true
	}
	last := u.layout.index(min(off, math.MaxInt64-n) + n - 1)
	for i := u.layout.index(off); i <= last && i < len(u.parts); i++ {
		if u.parts[i].state != idle {
			return true
		}
	}
	return false
}

// Abort stops the goroutines, waits for them (no network), then hands what the store
// has of the upload over to Orphans, unless the engine is closed; idempotent. A Finish
// under way returns ErrAborted, and has returned when Abort does; the object may
// be there all the same, if its last request was on the way. After a Finish that
// returned nil it does nothing.
func (u *Upload) Abort() {
	u.e.mu.Lock()
	if u.phase != done && u.move(aborted) {
		u.jobs = nil
	}
	u.giveUp()
	u.e.mu.Unlock()
	u.cancel(ErrAborted)
	last := u.endAhead(false)
	u.e.mu.Lock()
	if last != nil {
		u.e.unspare(last)
	}
	for u.active > 0 || u.finishes > 0 {
		ch := u.changed
		u.e.mu.Unlock()
		<-ch
		u.e.mu.Lock()
	}
	up, given := u.clean(), u.given
	u.e.mu.Unlock()
	switch {
	case up.ID == "":
	case given:
		u.e.c.Orphans.Abort(up)
	default:
		u.e.log.Info("an upload stays in the store until the next mount: this one has ended", "key", up.Key, "upload", up.ID)
	}
}

// Doom makes it known that the upload will be aborted, before it is: a crash in
// between is not to leave it in the store.
func (u *Upload) Doom() {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	u.giveUp()
}

// giveUp tells Orphans of the upload, if the store has it. What the engine's end cuts
// off is not given up. e.mu is held.
func (u *Upload) giveUp() {
	if u.e.closed || u.phase == done || u.given {
		return
	}
	u.given = true
	if u.up.ID != "" {
		u.e.c.Orphans.Note(u.up)
	}
}

// Abandon is Abort for one who must not wait; then is called when no view is
// read any more. Settle knows of it at once. False: the engine is closed, and
// neither was done.
func (u *Upload) Abandon(then func()) bool {
	u.Doom()
	return u.e.spawnLeaving(func() {
		u.Abort()
		then()
	})
}

// clean lets go of views and keys, once, and returns the upload that the store
// still has, if any. No job and no Finish is under way. e.mu is held.
func (u *Upload) clean() (left store.Upload) {
	if u.cleaned {
		return store.Upload{}
	}
	u.cleaned = true
	u.calm()
	for _, p := range u.parts {
		if p.view != nil {
			p.view.Release()
			p.view = nil
		}
		p.sums = sums{}
		u.dropMade(p)
	}
	u.cipher.Wipe()
	u.integrity.Wipe()
	u.cancel(ErrAborted)
	if u.phase == done {
		return store.Upload{}
	}
	return u.up
}
