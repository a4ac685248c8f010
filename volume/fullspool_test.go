package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/volume/file"
)

// Sizes with which a spool is full soon: a file of long is far larger than it, one
// of short fits, but not beside another.
const (
	tightPart  = 64 << 10
	tightSpool = 2 << 20
	longFile   = 6 << 20
	shortFile  = 3 << 19
)

// tight is a volume whose spool holds a few parts, over a store that can be switched off.
type tight struct {
	*rig
	f     *flaky
	parts *beginnings
}

// newSmallRig is a closed rig whose store takes parts of any size.
func newSmallRig(t *testing.T, mode crypt.Mode) *rig {
	t.Helper()
	r := newRig(t, mode)
	r.close()
	small, err := dir.New(dir.Options{Path: filepath.Join(r.home, "store"), Bucket: "ingest", Prefix: "a/", MinPart: 1})
	if err != nil {
		t.Fatal(err)
	}
	r.store = small
	return r
}

func newTight(t *testing.T, mode crypt.Mode, durable bool) *tight {
	t.Helper()
	return newPatient(t, mode, durable, 2*time.Second)
}

// newPatient is newTight whose upload.timeout is patience.
func newPatient(t *testing.T, mode crypt.Mode, durable bool, patience time.Duration) *tight {
	t.Helper()
	r := newSmallRig(t, mode)
	b := &beginnings{Store: r.store}
	f := &flaky{Store: b}
	r.o.Store, r.o.PartSize, r.o.SpoolDurable, r.max = f, tightPart, durable, tightSpool
	r.o.CloseTimeout = patience
	r.open("spool-flaky")
	return &tight{r, f, b}
}

// fill writes p in order, as far as the spool allows.
func (r *tight) fill(h *Handle, p []byte) error {
	const step = 128 << 10
	for off := 0; off < len(p); off += step {
		if _, err := h.WriteAt(r.t.Context(), p[off:min(len(p), off+step)], int64(off)); err != nil {
			return err
		}
	}
	return nil
}

// begin opens a file anew and writes p into it; parts of it have left by then.
func (r *tight) begin(name string, p []byte) *Handle {
	r.t.Helper()
	_, before := r.parts.seen()
	h := r.create(name, os.O_TRUNC)
	if err := r.fill(h, p); err != nil {
		r.t.Fatalf("write %s: %v", name, err)
	}
	until(r.t, "parts leave", func() bool { _, n := r.parts.seen(); return n >= before+8 })
	return h
}

func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(2 * time.Millisecond) { // backoff.Longest, twice
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestFullSpoolOfIdleUploads: a write does not wait for room that an upload will not
// make, since its own writer has stopped and what has left of it is to be kept.
func TestFullSpoolOfIdleUploads(t *testing.T) {
	r := newPatient(t, crypt.CTR, false, time.Hour)
	h := r.begin("a", random(tightSpool*3/4))
	defer h.Release()
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "its parts have left", func() bool {
		h.n.content.Lock()
		defer h.n.content.Unlock()
		return h.n.content.EarlyLocked() != nil && !h.n.content.EarlyLocked().Leaving()
	})
	var err error
	for k := range tightSpool / (2 * tightPart) { // too short for parts of them to leave
		other := r.create(fmt.Sprint("other ", k), os.O_TRUNC)
		defer other.Release()
		if err = r.fill(other, random(2*tightPart)); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("write into a full spool: %v", err)
	}
}

// TestSavedAnewInATightSpool: a file that takes most of the spool is saved anew while no
// part of it can leave; what the spool keeps of its committed version makes room.
func TestSavedAnewInATightSpool(t *testing.T) {
	for _, flags := range []int{os.O_TRUNC, 0} {
		r := newTight(t, crypt.CTR, false)
		h := r.create("a", os.O_TRUNC)
		if err := r.fill(h, random(shortFile)); err != nil {
			t.Fatal(err)
		}
		if err := h.Fsync(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.finish(h)
		r.f.set(down)
		h = r.openFile("a", os.O_WRONLY|flags)
		want := random(shortFile)
		if err := r.fill(h, want); err != nil {
			t.Errorf("opened with flags %#x: %v", flags, err)
		}
		r.f.set(nil)
		r.finish(h)
		h = r.openFile("a", os.O_RDONLY)
		if got := r.readAll(h); !bytes.Equal(got, want) {
			t.Errorf("opened with flags %#x: it reads otherwise", flags)
		}
		h.Release()
		r.truthful()
		r.close()
	}
}

// pressure has another file take all the room that it can get.
func (r *tight) pressure() {
	r.t.Helper()
	h := r.create("other", os.O_TRUNC)
	if err := r.fill(h, random(longFile)); err != nil && !errors.Is(err, ErrFull) {
		r.t.Fatal(err)
	}
	r.t.Cleanup(h.Release)
}

// mustRead compares some of what an open file holds.
func (r *tight) mustRead(h *Handle, want []byte) {
	r.t.Helper()
	buf := make([]byte, 1000)
	for off := 0; off < len(want)-len(buf); off += 50_000 {
		if _, err := h.ReadAt(r.t.Context(), buf, int64(off)); err != nil || !bytes.Equal(buf, want[off:off+len(buf)]) {
			r.t.Fatalf("at %d: %v", off, err)
		}
	}
}

// mustRefuse reads and changes what was dropped: both are refused, at once.
func (r *tight) mustRefuse(h *Handle) {
	r.t.Helper()
	const at = longFile / 4
	if !file.IsSent(h.Node().whole()) {
		r.t.Fatal("nothing was dropped: what this test is for was not tried")
	}
	buf := make([]byte, 8)
	if _, err := h.ReadAt(r.t.Context(), buf, at); !errors.Is(err, ErrFull) {
		r.t.Errorf("a read of a dropped part gave %q, %v; want ErrFull", buf, err)
	}
	if _, err := h.WriteAt(r.t.Context(), []byte("patched!"), at); !errors.Is(err, ErrFull) {
		r.t.Errorf("a write into a dropped part gave %v; want ErrFull", err)
	}
	h.Node().clearFlaws()
}

// clearFlaws is as if no write had failed: else the close would hold the file back.
func (n *Node) clearFlaws() {
	n.content.Lock()
	defer n.content.Unlock()
	n.content.Flaws = nil
}

func (n *Node) whole() error {
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.WholeLocked()
}

// state awaits a state of a file's draft.
func (r *rig) state(n *Node, want State) {
	r.t.Helper()
	until(r.t, want.String(), func() bool { return n.content.PeekState() == want })
}

// bases are what a file is written over.
var bases = map[string]func(r *tight){
	"nothing":        func(*tight) {},
	"a longer file":  func(r *tight) { r.rewrite("a", bytes.Repeat([]byte("OLD."), longFile/2)) },
	"an empty file":  func(r *tight) { r.save("a", nil) },
	"a shorter file": func(r *tight) { r.save("a", bytes.Repeat([]byte("OLD."), 100_000)) },
}

func (r *tight) rewrite(name string, p []byte) {
	r.t.Helper()
	h := r.create(name, os.O_TRUNC)
	if err := r.fill(h, p); err != nil {
		r.t.Fatal(err)
	}
	r.finish(h)
}

// TestDroppedPartsAreNotTheBases: what was sent of a file that is larger than the
// spool, and dropped, is taken for nothing else, whatever the file had before.
func TestDroppedPartsAreNotTheBases(t *testing.T) {
	for _, mode := range modes {
		for base, put := range bases {
			bubble(t, mode.String()+", over "+base, func(t *testing.T) {
				r := newTight(t, mode, false)
				put(r)
				p := random(longFile)
				h := r.begin("a", p)
				r.mustRefuse(h)
				if d := r.draft(r.v.Status(), "a"); !d.Dropped || d.Safe {
					t.Errorf("status says dropped %v, safe %v", d.Dropped, d.Safe)
				}
				r.finish(h)
				if got := r.load("a"); !bytes.Equal(got, p) {
					t.Errorf("warm: not what was written; %d times OLD", bytes.Count(got, []byte("OLD.")))
				}
				h = r.openFile("a", os.O_RDWR)
				r.write(h, []byte("patched!"), longFile/4) // of the version now, whose base it is
				copy(p[longFile/4:], "patched!")
				r.finish(h)
				r.cold()
				if got := r.load("a"); !bytes.Equal(got, p) {
					t.Errorf("cold: not what was written; %d times OLD", bytes.Count(got, []byte("OLD.")))
				}
			})
		}
	}
}

// way is one by which an upload ends before its object is there.
type way struct {
	name string
	do   func(r *tight, h *Handle) error
	at   string // where the file is afterwards
}

func ways() []way {
	rename := func(from, to string, flags RenameFlags) func(*tight, *Handle) error {
		return func(r *tight, _ *Handle) error { return r.rename(from, to, flags) }
	}
	return []way{
		{"rename", rename("d/a", "d/b", 0), "d/b"},
		{"rename over another", rename("d/a", "d/old", 0), "d/old"},
		{"rename to a local-only name", rename("d/a", "d/a~", 0), "d/a~"},
		{"exchange", rename("d/a", "d/old", Exchange), "d/old"},
		{"rename of a directory above", rename("d", "e", 0), "e/a"},
		{"exchange of a directory above", rename("d", "f", Exchange), "f/a"},
	}
}

// ready makes what the ways need.
func (r *tight) ready() {
	r.mkdir("d")
	r.mkdir("f")
	r.save("d/old", []byte("old"))
	r.sync()
}

// TestNothingIsDroppedForAnUploadThatEnded: a file that fits the spool loses nothing
// to another file once its upload has been given up.
func TestNothingIsDroppedForAnUploadThatEnded(t *testing.T) {
	patch := func(r *tight, h *Handle) error {
		_, err := h.WriteAt(r.t.Context(), random(shortFile)[300_000:300_010], 300_000)
		return err
	}
	list := append(ways(),
		way{"a sent part is written again", patch, "d/a"},
		way{"fsync", func(r *tight, h *Handle) error { return h.Fsync(r.t.Context()) }, "d/a"},
	)
	for _, base := range []string{"", "OLD."} {
		for _, w := range list {
			bubble(t, w.name+", over "+base, func(t *testing.T) {
				r := newTight(t, crypt.CTR, false)
				r.ready()
				if base != "" {
					r.save("d/a", bytes.Repeat([]byte(base), shortFile/4))
					r.sync()
				}
				p := random(shortFile)
				h := r.begin("d/a", p)
				if err := w.do(r, h); err != nil {
					t.Fatal(err)
				}
				r.pressure()
				r.mustRead(h, p)
				r.finish(h)
				if got := r.load(w.at); !bytes.Equal(got, p) {
					t.Errorf("not what was written; %d times OLD", bytes.Count(got, []byte("OLD.")))
				}
			})
		}
	}
}

// TestNoRenameOfDroppedParts: a rename would give up the upload that alone has some of
// a file. It is refused, changes nothing, and the file's close commits it.
func TestNoRenameOfDroppedParts(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			r := newTight(t, crypt.CTR, false)
			r.ready()
			p := random(longFile)
			h := r.begin("d/a", p)
			if err := w.do(r, h); !errors.Is(err, ErrBusy) {
				t.Errorf("gave %v, want ErrBusy", err)
			}
			r.finish(h)
			r.sync()
			if !bytes.Equal(r.load("d/a"), p) {
				t.Error("not what was written")
			}
			if got := r.load("d/old"); string(got) != "old" {
				t.Errorf("the other file reads %q", got)
			}
			if err := w.do(r, h); err != nil {
				t.Errorf("after the commit: %v", err)
			}
			if !bytes.Equal(r.load(w.at), p) {
				t.Error("not what was written, after the rename")
			}
		})
	}
}

// closing begins the close of a file of which parts were dropped; it waits for the
// store's last answer. Its end was cut, so that the spool has room for a little more.
func (r *tight) closing(ctx context.Context, name string, p []byte) (h *Handle, closed chan error) {
	r.t.Helper()
	h = r.begin(name, append(bytes.Clone(p), make([]byte, 2*tightPart)...))
	r.mustRefuse(h)
	r.truncate(h, int64(len(p)))
	r.f.set(completeFails)
	closed = make(chan error, 1)
	go func() { closed <- h.Flush(ctx, nil) }()
	r.state(h.Node(), Publishing)
	return h, closed
}

// completeFails has everything answer but what makes the object.
func completeFails(op, _ string) error {
	if op == "complete" {
		return errDown
	}
	return nil
}

// TestRenameDuringTheCloseOfDroppedParts: it is refused too, as long as the object is not there.
func TestRenameDuringTheCloseOfDroppedParts(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(longFile)
	h, closed := r.closing(t.Context(), "a", p)
	if err := r.rename("a", "b", 0); !errors.Is(err, ErrBusy) {
		t.Errorf("rename gave %v, want ErrBusy", err)
	}
	r.f.set(nil)
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	h.Release()
	if !bytes.Equal(r.load("a"), p) {
		t.Error("not what was written")
	}
}

// TestKilledWriterOfDroppedParts: its file is not lost with it, and a sync by hand commits it.
func TestKilledWriterOfDroppedParts(t *testing.T) {
	t.Run("while it writes", func(t *testing.T) {
		r := newTight(t, crypt.CTR, false)
		p := random(longFile)
		h := r.begin("a", p)
		h.Node().commit.Interrupt(file.EvKill)
		h.markKilled()
		h.Release()
		r.state(r.node("a"), Interrupted)
		if err := r.v.Sync(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.load("a"), p) {
			t.Error("not what was written")
		}
	})
	t.Run("in close", func(t *testing.T) {
		r := newTight(t, crypt.CTR, false)
		p := random(longFile)
		h := r.begin("a", p)
		r.f.set(func(op, _ string) error { return errDown })
		ctx, kill := context.WithCancel(t.Context())
		closed := make(chan error, 1)
		go func() { closed <- h.Flush(ctx, nil) }()
		until(t, "it leaves", func() bool { // all of it but the last request, perhaps
			s := h.Node().content.PeekState()
			return s == Uploading || s == Publishing
		})
		kill()
		if err := <-closed; !errors.Is(err, ErrInterrupted) {
			t.Errorf("close gave %v", err)
		}
		h.Release()
		r.f.set(nil)
		if err := r.v.Sync(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.load("a"), p) {
			t.Error("not what was written")
		}
	})
}

// TestUnlinkedWhileItLeaves: an open file without a name keeps what it has.
func TestUnlinkedWhileItLeaves(t *testing.T) { synctest.Test(t, unlinkedWhileItLeaves) }

func unlinkedWhileItLeaves(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(shortFile)
	h := r.begin("a", p)
	r.remove("a")
	r.pressure()
	r.mustRead(h, p)
	h.Release()
}

// TestFileOfDroppedPartsEmptied: what it had is not wanted any more, and no error.
func TestFileOfDroppedPartsEmptied(t *testing.T) { synctest.Test(t, fileOfDroppedPartsEmptied) }

func fileOfDroppedPartsEmptied(t *testing.T) {
	for _, p := range [][]byte{[]byte("short"), random(longFile)} {
		r := newTight(t, crypt.CTR, false)
		h := r.begin("a", bytes.Repeat([]byte("gone"), longFile/4))
		r.mustRefuse(h)
		size := int64(0)
		if _, err := h.Node().SetAttr(t.Context(), h, SetAttr{Size: &size}); err != nil {
			t.Fatal(err)
		}
		if err := r.fill(h, p); err != nil {
			t.Fatal(err)
		}
		r.finish(h)
		if !bytes.Equal(r.load("a"), p) {
			t.Error("not what was written")
		}
	}
}

// TestCloseBehindAnotherOfDroppedParts: two closes, the first of which waits for the
// store with an upload that alone has some of the file: it goes first.
func TestCloseBehindAnotherOfDroppedParts(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(longFile)
	h, closed := r.closing(t.Context(), "a", p)
	r.write(h, []byte("once more"), longFile)
	second := make(chan error, 1)
	go func() { second <- h.Flush(context.Background(), nil) }()
	r.f.set(nil)
	if err := errors.Join(<-closed, <-second); err != nil {
		t.Fatal(err)
	}
	h.Release()
	r.cold()
	if !bytes.Equal(r.load("a"), append(p, "once more"...)) {
		t.Error("not what was written")
	}
}

// TestNoPromiseOfDroppedParts: fsync says that it cannot, at once, and a kill leaves the
// old file as it was, or a lost one where there was none, never a mixture.
func TestNoPromiseOfDroppedParts(t *testing.T) {
	for base, put := range bases {
		bubble(t, "over "+base, func(t *testing.T) {
			r := newTight(t, crypt.CTR, false)
			put(r)
			r.sync()
			var old []byte
			if base != "nothing" {
				old = r.load("a")
			}
			h := r.begin("a", random(longFile))
			if err := h.Fsync(t.Context()); !errors.Is(err, ErrFull) {
				t.Fatalf("fsync gave %v, want ErrFull", err)
			}
			r.crash(r.f, "after")
			if old == nil && base == "nothing" {
				r.mustBeLost("a")
				return
			}
			if got := r.load("a"); !bytes.Equal(got, old) {
				t.Errorf("the file that was promised is not as it was: %d bytes, want %d", len(got), len(old))
			}
			r.mustBeSetApart()
		})
	}
}

// mustBeSetApart waits until quarantine has what is left of a file.
func (r *tight) mustBeSetApart() {
	r.t.Helper()
	until(r.t, "what is left is in quarantine", func() bool {
		q, err := r.spool.Quarantined()
		return err == nil && len(q) == 1
	})
}

// mustBeLost says that a file is named as lost, which it can be no longer once it is removed.
func (r *tight) mustBeLost(name string) {
	r.t.Helper()
	d := r.draft(r.v.Status(), name)
	if d.State != Lost.String() || d.Failure == nil || !strings.Contains(d.Failure.Cause, "unfinished upload alone") {
		r.t.Errorf("status: %+v", d)
	}
	if err := r.v.Sync(r.t.Context(), name); err == nil {
		r.t.Error("a sync of what is lost says that it is done")
	}
	if _, err := r.node(name).Open(r.t.Context(), os.O_RDONLY, nil); !errors.Is(err, ErrIO) {
		r.t.Errorf("open gave %v", err)
	}
	r.mustBeSetApart()
	if _, err := r.store.Head(r.t.Context(), name); !errors.Is(err, store.ErrNotExist) {
		r.t.Errorf("something of it is in the store: %v", err)
	}
	r.remove(name)
	r.sync()
}

// TestDurableSpoolWaitsForTheStore: with durability = "spool" the close of a file that
// does not fit the spool returns when the store has it, and not before.
func TestDurableSpoolWaitsForTheStore(t *testing.T) { synctest.Test(t, durableSpoolWaitsForTheStore) }

func durableSpoolWaitsForTheStore(t *testing.T) {
	r := newTight(t, crypt.CTR, true)
	p := random(longFile)
	h := r.begin("a", p)
	r.f.set(completeFails)
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrIO) {
		t.Errorf("close without the store gave %v", err)
	}
	r.f.set(nil)
	r.sync()
	h.Release()
	if !bytes.Equal(r.load("a"), p) {
		t.Error("not what was written")
	}
}

// TestDurableCloseKeepsItsBlocks: what was closed, or whose close has failed, and is
// whole in the spool stays there, whatever others need.
func TestDurableCloseKeepsItsBlocks(t *testing.T) { synctest.Test(t, durableCloseKeepsItsBlocks) }

func durableCloseKeepsItsBlocks(t *testing.T) {
	for _, durable := range []bool{true, false} {
		r := newTight(t, crypt.CTR, durable)
		p := random(shortFile)
		h := r.begin("a", p)
		r.f.set(completeFails)
		if err := h.Flush(t.Context(), nil); (err == nil) != durable {
			t.Fatalf("close: %v", err)
		}
		h.Release()
		r.pressure()
		r.max = 64 << 20
		r.crash(r.f, "after")
		r.sync()
		if !bytes.Equal(r.load("a"), p) {
			t.Error("not what was written")
		}
	}
}

// TestFailedCloseOfDroppedPartsAfterAKill: the close told that the file is not safe;
// the next mount says that it is lost.
func TestFailedCloseOfDroppedPartsAfterAKill(t *testing.T) {
	synctest.Test(t, failedCloseOfDroppedPartsAfterAKill)
}

func failedCloseOfDroppedPartsAfterAKill(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	h := r.begin("a", random(longFile))
	r.f.set(func(op, key string) error { return errDown })
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrIO) {
		t.Fatalf("close gave %v", err)
	}
	h.Release()
	if d := r.draft(r.v.Status(), "a"); d.Safe || !d.Dropped || d.State == Lost.String() {
		t.Errorf("status: %+v", d)
	}
	r.crash(r.f, "after")
	r.state(r.node("a"), Lost)
	r.mustBeLost("a")
}

// TestStoreLosesAnUploadThatAloneHasBytes: the file is lost, says so, and is not queued for ever.
func TestStoreLosesAnUploadThatAloneHasBytes(t *testing.T) {
	synctest.Test(t, storeLosesAnUploadThatAloneHasBytes)
}

func storeLosesAnUploadThatAloneHasBytes(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	h := r.begin("a", random(longFile))
	r.mustRefuse(h)
	list, err := r.store.Uploads(t.Context(), "a")
	if err != nil || len(list) != 1 {
		t.Fatalf("uploads: %v, %v", list, err)
	}
	if err := r.store.Abort(t.Context(), list[0]); err != nil {
		t.Fatal(err)
	}
	if err := h.Flush(t.Context(), nil); err == nil {
		t.Error("close of a lost file returned nil")
	}
	h.Release()
	if d := r.draft(r.v.Status(), "a"); d.State != Lost.String() {
		t.Errorf("status: %+v", d)
	}
	r.remove("a")
	r.sync()
}

// TestMapOfDroppedPartsAfterAKill: the next mount takes them for the base's only where
// their upload has become that.
func TestMapOfDroppedPartsAfterAKill(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	p := random(longFile)
	h, closed := r.closing(t.Context(), "a", p)
	r.write(h, []byte("and on"), longFile)
	r.f.set(nil)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := h.Fsync(t.Context()); err != nil { // the map names what has just become the base's
		t.Fatal(err)
	}
	r.crash(r.f, "after")
	if err := r.v.Sync(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.load("a"), append(p, "and on"...)) {
		t.Error("not what was written")
	}
}
