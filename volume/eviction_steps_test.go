package volume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mcfs/volume/flaw"
)

// step does one step of the script, if it fits the state.
func (e *evictions) step(i int, o evictionStep) {
	e.now = i
	e.t.Logf("step %d: "+evictionStepForm, i, o.verb, o.a, o.b, o.off, o.len)
	do := map[string]func(*evictions, evictionStep){
		"open": (*evictions).openFor, "empty": (*evictions).openFor, "rename": (*evictions).renameOne, "swap": (*evictions).swap,
		"movedir": (*evictions).moveDir, "unlink": (*evictions).unlink, "weather": (*evictions).change,
		"crash": (*evictions).kill, "restart": (*evictions).restart, "sync": (*evictions).syncAll,
		"look": func(e *evictions, _ evictionStep) { e.look() },
	}[o.verb]
	defer e.left()
	defer e.rest()
	if do != nil {
		do(e, o)
		return
	}
	h := e.slots[o.a%len(e.slots)]
	if h == nil {
		return
	}
	switch o.verb {
	case "write":
		e.write(h, o.off, min(o.len, 4*e.s.part))
	case "fill":
		e.fill(h, o)
	case "read":
		e.readThrough(h.Handle, h.b, o.off, o.len)
	case "cut":
		e.cut(h, o.off)
	case "punch":
		e.punch(h, o.off, o.len)
	case "fsync":
		e.fsync(h)
	case "leave":
		e.slots[o.a%len(e.slots)] = nil
		e.leave(h)
	case "close", "slay":
		e.slots[o.a%len(e.slots)] = nil
		e.close(h, o.verb == "slay")
	default:
		e.fail("no verb %q", o.verb)
	}
}

// openFor opens a name, or makes it, and empties it if the verb says so.
func (e *evictions) openFor(o evictionStep) {
	slot := &e.slots[o.a%len(e.slots)]
	if *slot != nil {
		return
	}
	p, flags := e.path(o.b), os.O_RDWR
	if o.verb == "empty" {
		flags |= os.O_TRUNC
	}
	b := e.names[p]
	var h *Handle
	var err error
	if b == nil {
		d, name := filepath.Split(p)
		_, h, err = e.node(d).Create(e.t.Context(), name, flags|os.O_CREATE, 0o644, 1, 2, nil)
	} else {
		h, err = e.openPath(p, flags)
	}
	if err != nil {
		if b == nil || !e.may(b, err, false) {
			e.fail("open %s: %v", p, err)
		}
		return
	}
	if b == nil {
		e.all++
		b = &body{id: e.all, named: true, dirty: true, cur: []byte{}}
		b.states = []uint64{hashOf(b.cur)}
		e.names[p] = b
	} else if o.verb == "empty" {
		b.cur, b.high, b.risky = []byte{}, 0, false
		b.whole()
		e.changed(b, 0)
	}
	if b.forget(h.Node()); o.verb == "empty" {
		b.whole()
	}
	*slot = &hand{Handle: h, b: b}
}

// write writes one piece.
func (e *evictions) write(h *hand, off, n int64) bool {
	h.written = true
	p := piece(e.now, off, n)
	k, err := h.WriteAt(e.t.Context(), p, off)
	if err != nil {
		h.b.misses = h.b.misses.With(flaw.Flaw{Off: off + int64(k), End: off + n, Cause: err})
		if !e.may(h.b, err, true) {
			e.fail("write %d+%d to body %d (risky %v, weather %q): %v", off, n, h.b.id, h.b.risky, e.w.kind, err)
		}
		if k == 0 {
			return false
		}
	}
	h.b.misses = h.b.misses.Without(off, off+int64(k))
	h.b.resize(max(int64(len(h.b.cur)), off+int64(k)))
	copy(h.b.cur[off:], p[:k])
	e.changed(h.b, off+int64(k))
	return int64(k) == n
}

// fill writes a long piece as cp does, from the start or the end of the file.
func (e *evictions) fill(h *hand, o evictionStep) {
	at := int64(0)
	if o.b%2 == 0 {
		at = int64(len(h.b.cur))
	}
	for end := at + 2*o.len; at < end && at < 4<<20; at += 128 << 10 {
		if !e.write(h, at, min(128<<10, end-at)) {
			return
		}
	}
}

func (e *evictions) cut(h *hand, size int64) {
	was := int64(len(h.b.cur))
	if err := e.resizeTo(h, size); err != nil {
		h.written = true
		h.b.misses = h.b.misses.With(flaw.Flaw{Off: min(was, size), End: max(was, size), Cause: err})
		if !e.may(h.b, err, true) {
			e.fail("truncate body %d to %d: %v", h.b.id, size, err)
		}
		return
	}
	h.written = true
	h.b.misses = h.b.misses.Without(size, math.MaxInt64)
	if size == was {
		return
	}
	if size == 0 {
		h.b.high, h.b.risky = 0, false
		h.b.whole()
	}
	h.b.resize(size)
	e.changed(h.b, size)
}

func (e *evictions) resizeTo(h *hand, size int64) error {
	_, err := h.Node().SetAttr(e.t.Context(), h.Handle, SetAttr{Size: &size})
	return err
}

func (e *evictions) punch(h *hand, off, n int64) {
	if err := h.Allocate(e.t.Context(), off, n, punchHole|keepSize); err != nil {
		h.written = true
		h.b.misses = h.b.misses.With(flaw.Flaw{Off: off, End: off + n, Cause: err})
		if !e.may(h.b, err, true) {
			e.fail("punch %d+%d of body %d: %v", off, n, h.b.id, err)
		}
		return
	}
	h.written = true
	size := int64(len(h.b.cur))
	h.b.resize(size)
	clear(h.b.cur[min(off, size):min(off+n, size)])
	if off < size {
		h.b.misses = h.b.misses.Without(off, min(off+n, size))
	}
	e.changed(h.b, 0)
}

func (e *evictions) fsync(h *hand) {
	err := h.Fsync(e.t.Context())
	switch {
	case err == nil && !h.b.named: // no crash leaves any of it, and nothing is promised
	case err == nil:
		h.b.promised()
		h.b.risky = false
	case !errors.Is(err, ErrFull) || !h.b.risky:
		e.fail("fsync of body %d (risky %v): %v", h.b.id, h.b.risky, err)
	}
}

// close closes; slain: its writer is killed meanwhile.
func (e *evictions) close(h *hand, slain bool) {
	b, ctx := h.b, e.t.Context()
	if slain {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
	}
	half := h.written && b.named && b.misses != nil
	if !half {
		e.closed[hashOf(b.cur)] = true
	}
	if h.written {
		b.owed = b.owed || b.risky
		e.probe(h)
	}
	err := h.Flush(ctx, nil)
	switch {
	case half && !errors.Is(err, ErrFull) && !errors.Is(err, ErrIO):
		e.fail("close of body %d, of which bytes are missing (%v): %v", b.id, b.misses.Err(), err)
	case half:
		b.forget(h.Node())
	case !h.written && err != nil:
		e.fail("close of body %d, which was not written: %v", b.id, err)
	case !h.written || !b.named:
	case err == nil:
		e.kept(b)
	case slain:
	case !e.closeMay(b, err):
		e.fail("close of body %d (risky %v, rough %v): %v", b.id, b.risky, e.rough, err)
	case errors.Is(err, ErrIO) && !b.risky && !b.marred: // it is safe in the spool
		b.promised()
	}
	h.Release()
	e.rest()
	b.forget(h.Node())
}

// probe reads all of a file that may have lost parts to its upload: if it has not, it is
// all in the spool, and what gives the upload up keeps it there.
func (e *evictions) probe(h *hand) {
	if h.b.risky && e.readThrough(h.Handle, h.b, 0, int64(len(h.b.cur))) {
		h.b.risky = false
	}
}

// closeMay says whether a close may fail so.
func (e *evictions) closeMay(b *body, err error) bool {
	return b.marred || e.rough && errors.Is(err, ErrIO) || e.s.durable && b.risky && errors.Is(err, ErrFull)
}

// kept is what a close that returned 0 means.
func (e *evictions) kept(b *body) {
	b.promised()
	b.risky, b.owed = false, false
	b.whole()
	if e.s.durable {
		return
	}
	b.dirty, b.high = false, 0
	if len(e.v.Status().Changes) > 0 {
		return // the object is somewhere on its way
	}
	for p, x := range e.names {
		if x == b {
			e.stored("after its close", p, b)
		}
	}
}

func (e *evictions) change(o evictionStep) {
	e.w.turn(weathers[o.a%len(weathers)])
	e.rough = e.rough || e.w.kind != ""
}

func (e *evictions) kill(evictionStep) {
	e.crashes++
	e.mounts++
	e.crash(e.w.flaky, fmt.Sprintf("spool-%d", e.crashes))
	e.w.turn("")
	e.rest()
	e.adopt()
}

func (e *evictions) restart(evictionStep) {
	e.mounts++
	for _, b := range e.names {
		if b.misses == nil {
			e.closed[hashOf(b.cur)] = true
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	_ = e.v.Close(ctx)
	cancel()
	e.check(e.spool.Close())
	e.w.turn("")
	e.rig.open(filepath.Base(e.spoolDir()))
	e.rest()
	e.adopt()
}

// syncAll has all committed that nobody has open, and compares the store.
func (e *evictions) syncAll(evictionStep) {
	e.w.turn("")
	for len(e.leavings) > 0 {
		time.Sleep(time.Second)
		e.rest()
		e.left()
	}
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Hour)
	defer cancel()
	for _, b := range e.names {
		if b.misses == nil || e.writers(b) == 0 {
			e.closed[hashOf(b.cur)] = true
		}
	}
	if err := e.v.Sync(ctx, ""); err != nil {
		e.fail("sync: %v; pending: %+v", err, e.v.Pending())
	}
	for _, p := range slices.Sorted(maps.Keys(e.names)) {
		b := e.names[p]
		if e.writers(b) == 0 {
			if err := e.v.Sync(ctx, p); err != nil {
				e.fail("sync of %s (body %d): %v; pending: %+v", p, b.id, err, e.v.Pending())
			}
			b.promised()
			b.dirty, b.risky, b.high = false, false, 0
			b.whole()
			b.owed = false
		}
		if !b.dirty {
			e.stored("after a sync", p, b)
		} else if got, there := e.inStore(p); there && !e.closed[hashOf(got)] {
			e.fail("the store's %s (body %d) holds what nobody had closed: %s", p, b.id, explain(got, b.cur))
		}
	}
	e.rough = false
}

// end closes all, and looks from elsewhere.
func (e *evictions) end() {
	e.now = len(e.s.steps)
	for i, h := range e.slots {
		if h != nil {
			e.slots[i] = nil
			e.close(h, false)
		}
	}
	e.syncAll(evictionStep{})
	e.look()
	e.truthful()
	if q, err := e.spool.Quarantined(); err != nil || len(q) > 0 && e.mounts == 1 {
		e.fail("in quarantine, though nothing was killed: %+v, %v", q, err)
	}
	want := []string{e.dir + "/"}
	for p := range e.names {
		want = append(want, p, p+".settings.json")
	}
	slices.Sort(want)
	e.expectObjects(want...)
	e.max = 1 << 30
	e.cold()
	e.look()
	e.rig.close()
}
