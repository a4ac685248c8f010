package volume

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"mcfs/keys"
	"mcfs/store/dir"
	"mcfs/volume/file"
	"mcfs/volume/flaw"
)

// evictions is one run: a volume, and what must be true of it.
type evictions struct {
	*rig
	s       *evictionScript
	w       *weather
	dir     string // the directory's name now
	names   map[string]*body
	slots   [3]*hand
	all     int             // bodies so far
	now     int             // number of the step
	closed  map[uint64]bool // content that the store may have
	rough   bool            // the store has failed since the last sync: a close may, too
	crashes int
	mounts  int

	leavings []*leaving
}

// body is a file as a program knows it, whatever its name.
type body struct {
	id  int
	cur []byte
	// After a crash it is one of these. The first was promised, if it is sure; else
	// it may be gone altogether.
	states []uint64
	sure   bool

	owed bool // an earlier close's content may wait still, parts of it in its upload alone

	named  bool
	dirty  bool // it has changed since a close or a sync has committed it
	high   int64
	before int64    // bytes, at most, that it had since it was clean: cut off or written over they keep their room
	risky  bool     // parts of it may be in an unfinished upload alone
	marred bool     // a write may have failed since it was whole: before a crash, which may have forgotten it
	misses flaw.Set // what certainly failed since then
}

// hand is an open file.
type hand struct {
	*Handle
	b       *body
	written bool // since it was opened
}

var evictionHash = maphash.MakeSeed()

func hashOf(p []byte) uint64 { return maphash.Bytes(evictionHash, p) }

// piece is what the step of that number writes at off: eight bytes tell the step,
// and the place in the file. It is no other goroutine's.
//
//go:norace
func piece(step int, off, n int64) []byte {
	first := off / 8
	p := make([]byte, 0, n+16)
	for i := first; i*8 < off+n; i++ {
		p = binary.BigEndian.AppendUint64(p, uint64(step+1)<<40|uint64(i))
	}
	return p[off-first*8:][:n]
}

// explain says by which steps the bytes were written, where got is not want.
func explain(got, want []byte) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			at := i &^ 7
			by := func(p []byte) string {
				if len(p) < at+8 {
					return "?"
				}
				return fmt.Sprintf("step %d, place %d", int(binary.BigEndian.Uint64(p[at:])>>40)-1, binary.BigEndian.Uint64(p[at:])&(1<<40-1)*8)
			}
			return fmt.Sprintf("at %d stands %s (%x), want %s (%x); step -1 is zeros", i, by(got), got[i:min(len(got), i+8)], by(want), want[i:min(len(want), i+8)])
		}
	}
	return "the same"
}

func newEvictions(b *evictionBench, s *evictionScript) *evictions {
	return &evictions{rig: &rig{t: b}, s: s, dir: "d", names: map[string]*body{}, closed: map[uint64]bool{}, mounts: 1}
}

func (e *evictions) begin() {
	e.home = e.t.TempDir()
	e.check(os.Chmod(e.home, 0o700))
	st, err := dir.New(dir.Options{Path: filepath.Join(e.home, "store"), MinPart: 1})
	e.check(err)
	keeper, err := keys.CreateLocal(filepath.Join(e.home, "keyring"))
	e.check(err)
	e.store, e.keeper, e.max = st, keeper, e.s.spool
	e.w = &weather{flaky: &flaky{Store: st}}
	e.o = Options{
		Store: e.w, Keeper: keeper, Mode: e.s.mode, PartSize: e.s.part, SpoolDurable: e.s.durable, CloseTimeout: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(testWriter{e.t}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	e.open("spool")
	e.mkdir(e.dir)
}

// stop ends what a run that failed has left.
func (e *evictions) stop() {
	if e.w != nil {
		e.w.turn("")
	}
	if e.v == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.v.Close(ctx)
	_ = e.spool.Close()
}

func (e *evictions) check(err error) {
	if err != nil {
		e.fail("%v", err)
	}
}

func (e *evictions) fail(format string, args ...any) {
	e.t.Fatalf("step %d: %s", e.now, fmt.Sprintf(format, args...))
}

// path is that of a name's number.
func (e *evictions) path(i int) string {
	return []string{"a", "b", "c", e.dir + "/a", e.dir + "/b", e.dir + "/c"}[i%6]
}

// changed notes new content, which a crash may leave, and of which the part up to
// end was written.
func (e *evictions) changed(b *body, end int64) {
	b.states = append(b.states, hashOf(b.cur))
	if !b.dirty {
		b.before = 0
	}
	b.dirty, b.before = true, max(b.before, int64(len(b.cur)))
	if b.high = max(b.high, end); b.high >= file.EarlyAfter*e.s.part {
		b.risky = true
	}
}

// resize gives cur a size, in the place that it has: a file that grows by many writes
// would be copied as often, and the race detector counts each byte of a copy.
func (b *body) resize(size int64) {
	was := int64(len(b.cur))
	b.cur = slices.Grow(b.cur[:min(was, size)], int(max(0, size-was)))[:size]
	clear(b.cur[min(was, size):])
}

// whole: nothing is missing of it.
func (b *body) whole() { b.marred, b.misses = false, nil }

// forget lets go of failures that a file has survived as it was.
func (b *body) forget(n *Node) {
	if n.content.PeekState() == Clean {
		b.whole()
	}
}

// promised: what it is now, a crash leaves.
func (b *body) promised() {
	b.states, b.sure = []uint64{hashOf(b.cur)}, true
}

// may says whether an error of a call on a file may come now.
func (e *evictions) may(b *body, err error, write bool) bool {
	switch {
	case errors.Is(err, ErrFull):
		return b.risky || write && e.tight(b)
	case errors.Is(err, ErrStale):
		return !b.named
	case errors.Is(err, ErrIO):
		return e.w.kind != ""
	}
	return false
}

// tight says that the spool may have no room: all drafts, and the views of them
// that commits hold, are in it.
func (e *evictions) tight(b *body) bool {
	room := e.s.spool/3 - int64(len(b.cur))
	for _, o := range e.bodies() {
		if o.dirty || e.rough {
			room -= int64(len(o.cur)) + o.before
		}
	}
	return room < 0 || e.rough
}

func (e *evictions) bodies() []*body {
	all := slices.Collect(maps.Values(e.names))
	for _, h := range e.slots {
		if h != nil && !slices.Contains(all, h.b) {
			all = append(all, h.b)
		}
	}
	return all
}

func (e *evictions) writers(b *body) (n int) {
	for _, h := range e.slots {
		if h != nil && h.b == b {
			n++
		}
	}
	for _, l := range e.leavings {
		if l.h.b == b {
			n++
		}
	}
	return n
}

// readThrough reads all of a file and compares; seen: nothing kept it from that.
func (e *evictions) readThrough(h *Handle, b *body, off, n int64) (seen bool) {
	want := b.cur[min(off, int64(len(b.cur))):min(off+n, int64(len(b.cur)))]
	got := make([]byte, n)
	k, err := h.ReadAt(e.t.Context(), got, off)
	if err != nil && err != io.EOF {
		if !e.may(b, err, false) {
			e.fail("read %d+%d of body %d (risky %v, weather %q): %v", off, n, b.id, b.risky, e.w.kind, err)
		}
		return false
	}
	if !bytes.Equal(got[:k], want) {
		e.fail("read %d+%d of body %d: %s", off, n, b.id, explain(got[:k], want))
	}
	return true
}

// look compares what every name shows.
func (e *evictions) look() {
	for _, p := range slices.Sorted(maps.Keys(e.names)) {
		b := e.names[p]
		h, err := e.openPath(p, os.O_RDONLY)
		if err != nil {
			if !e.may(b, err, false) {
				e.fail("open %s: %v", p, err)
			}
			continue
		}
		e.readThrough(h, b, 0, int64(len(b.cur))+1)
		h.Release()
	}
	e.lists()
}

func (e *evictions) lists() {
	for _, d := range []string{"", e.dir} {
		entries, err := e.node(d).ReadDir(e.t.Context())
		if err != nil && e.w.kind != "" {
			continue
		}
		e.check(err)
		for _, x := range entries {
			if p := strings.TrimPrefix(d+"/"+x.Name, "/"); x.Kind != Sidecar && p != e.dir && e.names[p] == nil {
				e.fail("%s is there, and has no business to", p)
			}
		}
	}
}

// openPath opens as the kernel does: once more where the name has to be looked up again.
func (e *evictions) openPath(p string, flags int) (h *Handle, err error) {
	for range 3 {
		var n *Node
		if n, err = e.lookup(p); err != nil {
			return nil, err
		}
		if h, err = n.Open(e.t.Context(), flags, nil); !errors.Is(err, ErrStale) {
			return h, err
		}
	}
	return nil, err
}

func (e *evictions) lookup(p string) (n *Node, err error) {
	n = e.v.Root()
	for _, elem := range splitPath(p) {
		if n, err = n.Lookup(e.t.Context(), elem); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// adopt takes what a new mount shows for what is, if it may be.
func (e *evictions) adopt() {
	e.slots = [3]*hand{}
	e.forgetLeavings()
	for _, p := range slices.Sorted(maps.Keys(e.names)) {
		b := e.names[p]
		got, err := e.readPath(p)
		switch {
		case err != nil && b.sure:
			e.fail("after a kill, %s (body %d), which was promised: %v", p, b.id, err)
		case errors.Is(err, ErrNotExist):
			delete(e.names, p)
			continue
		case err != nil:
			e.check(e.unlinkPath(p))
			delete(e.names, p)
			continue
		case !slices.Contains(b.states, hashOf(got)):
			e.fail("after a kill, %s (body %d) holds what it never was, or was before a promise: now %d bytes; against the last: %s", p, b.id, len(got), explain(got, b.cur))
		}
		b.cur = got
		b.promised()
		b.owed = false
		b.dirty, b.risky, b.marred, b.high = true, false, b.marred || b.misses != nil, int64(len(got))
		b.misses = nil
		e.closed[hashOf(got)] = true
	}
	e.lists()
}

func (e *evictions) readPath(p string) ([]byte, error) {
	h, err := e.openPath(p, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer h.Release()
	a, err := h.Node().Attr(e.t.Context())
	if err != nil {
		return nil, err
	}
	got := make([]byte, a.Size)
	if k, err := h.ReadAt(e.t.Context(), got, 0); int64(k) < a.Size {
		return nil, fmt.Errorf("%d of %d bytes: %w", k, a.Size, err)
	}
	return got, nil
}

func (e *evictions) unlinkPath(p string) error {
	d, name := filepath.Split(p)
	return e.node(d).Remove(e.t.Context(), name)
}

// rest waits until nothing moves.
func (e *evictions) rest() { synctest.Wait() }
