package volume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
	"mcfs/spool"
)

// What the next mount makes of a spool that was damaged meanwhile.

// undone leaves drafts behind whose close failed, and ends the mount; their sealed files, by path.
func (r *rig) undone(f *flaky, contents map[string][]byte) map[string]string {
	r.t.Helper()
	f.set(down)
	var closing sync.WaitGroup // each waits in vain for a while
	for name, p := range contents {
		h := r.create(name, os.O_TRUNC)
		r.write(h, p, 0)
		closing.Go(func() {
			if err := h.Flush(r.t.Context(), nil); err == nil {
				r.t.Error("close succeeded without a store")
			}
			h.Release()
		})
	}
	closing.Wait()
	files := make(map[string]string)
	for name := range contents {
		n := r.node(name)
		files[name] = filepath.Join(r.spoolDir(), sealedID(n).String())
	}
	r.halt()
	f.set(nil)
	return files
}

// halt ends the mount, which cannot finish: its store is gone.
func (r *rig) halt() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	_ = r.v.Close(ctx)
	if err := r.spool.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.v = nil
}

// change rewrites a file of the spool.
func (r *rig) change(path string, how func([]byte) []byte) {
	r.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, how(b), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// TestDamagedDrafts: of many drafts, each but one is damaged in a way of its own.
// That one is committed by the next mount; the others give EIO, and are in
// quarantine and in the status, with no wrong byte of them read or uploaded; so
// it is in the mount after that.
func TestDamagedDrafts(t *testing.T) { synctest.Test(t, damagedDrafts) }

func damagedDrafts(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	contents := make(map[string][]byte)
	for i, name := range []string{"intact", "zeroed", "truncated", "flipped", "older", "no-map", "swapped-1", "swapped-2", "header", "gone"} {
		contents[name] = random(300_000 + i)
	}
	files := r.undone(f, contents)
	block := func(b []byte) []byte { return b[len(b)-1000:] } // within the last block
	r.change(files["zeroed"], func(b []byte) []byte { clear(b[4096:]); return b })
	r.change(files["truncated"], func(b []byte) []byte { return b[:len(b)/2] })
	r.change(files["flipped"], func(b []byte) []byte { block(b)[5] ^= 4; return b })
	r.change(files["older"], func(b []byte) []byte { copy(b[4096:], random(65536)); return b })
	r.change(files["header"], func(b []byte) []byte { b[20] ^= 1; return b })
	for _, err := range []error{
		os.Remove(files["no-map"] + ".map"), os.Remove(files["gone"]), os.Remove(files["gone"] + ".map"),
		os.Rename(files["swapped-1"], files["swapped-1"]+".x"), os.Rename(files["swapped-2"], files["swapped-1"]),
		os.Rename(files["swapped-1"]+".x", files["swapped-2"]),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		r.open("spool-flaky")
		if err := r.v.Sync(t.Context(), "intact"); err != nil {
			t.Error(err)
		}
		for name, p := range contents {
			if name == "intact" {
				continue
			}
			_ = r.v.Sync(t.Context(), name)
			r.damaged(name, p)
		}
		s := r.v.Status()
		if len(s.Drafts) != len(contents)-1 {
			t.Errorf("drafts: %+v", s.Drafts)
		}
		for _, d := range s.Drafts {
			if d.State != "lost" || d.Failure == nil || d.Failure.Cause == "" {
				t.Errorf("draft: %+v", d)
			}
		}
		for name, file := range files {
			if _, err := os.Stat(file); name != "intact" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is not in quarantine: %v", name, err)
			}
		}
		if n := len(s.Quarantine); n != len(contents)-2 { // all but what is gone
			t.Errorf("%d in quarantine: %+v", n, s.Quarantine)
		}
		r.expectObjects("intact", "intact.settings.json")
		if !bytes.Equal(r.load("intact"), contents["intact"]) {
			t.Error("content differs")
		}
		r.halt()
	}
	r.open("spool-flaky")
	for name := range contents {
		if a, err := r.node(name).Attr(t.Context()); err != nil || a.Size != int64(len(contents[name])) {
			t.Errorf("%s: %d bytes, %v", name, a.Size, err)
		}
		if err := r.v.Root().Remove(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	r.sync()
	r.expectObjects()
	r.close()
	r.open("spool-flaky")
	if list, err := r.v.Root().ReadDir(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if s := r.v.Status(); len(s.Drafts) != 0 || len(s.Quarantine) == 0 {
		t.Errorf("%+v", s)
	}
}

// damaged reads what it can of a file: true bytes or an error, and at least one of those.
func (r *rig) damaged(name string, want []byte) {
	r.t.Helper()
	h, err := r.node(name).Open(r.t.Context(), os.O_RDONLY, nil)
	if err != nil {
		return
	}
	defer h.Release()
	failed := false
	buf := make([]byte, 65536)
	for off := 0; off < len(want); off += len(buf) {
		k, err := h.ReadAt(r.t.Context(), buf, int64(off))
		failed = failed || err != nil && err != io.EOF
		if !bytes.Equal(buf[:k], want[off:off+k]) {
			r.t.Errorf("%s: wrong bytes at %d", name, off)
		}
	}
	if !failed {
		r.t.Errorf("%s can be read as if nothing had happened", name)
	}
}

// TestDamagedEntry flips a bit of a draft's entry in the journal: the draft comes
// back from its sealed file, and the others as if nothing had happened.
func TestDamagedEntry(t *testing.T) { synctest.Test(t, damagedEntry) }

func damagedEntry(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	contents := map[string][]byte{"other": random(70_000), "struck-by-lightning": random(100_000)}
	r.undone(f, contents)
	r.change(r.spoolFile("journal/log"), func(b []byte) []byte {
		for at := 0; ; at++ { // every copy of it
			i := bytes.Index(b[at:], []byte("struck-by-lightning"))
			if i < 0 {
				return b
			}
			at += i
			b[at] ^= 1
		}
	})
	r.open("spool-flaky")
	s := r.v.Status()
	if d := r.draft(s, "struck-by-lightning"); d.State != "interrupted" {
		t.Errorf("%+v", d)
	}
	for name, p := range contents {
		if err := r.v.Sync(t.Context(), name); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(r.load(name), p) {
			t.Errorf("%s differs", name)
		}
	}
	r.truthful()
	r.close()
	r.open("spool-flaky")
	if s := r.v.Status(); len(s.Drafts) != 0 {
		t.Errorf("it comes back again and again: %+v", s.Drafts)
	}
}

// TestLostJournalAndKilled: the mount that began a new journal was killed before
// it had brought anything back.
func TestLostJournalAndKilled(t *testing.T) { synctest.Test(t, lostJournalAndKilled) }

func lostJournalAndKilled(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	p := random(500_000)
	r.undone(f, map[string][]byte{"a": p})
	if err := os.Truncate(r.spoolFile("journal/log"), 0); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(spool.Options{Dir: r.spoolDir(), MaxSize: r.max})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r.open("spool-flaky")
	if !bytes.Equal(r.load("a"), p) {
		t.Error("content differs")
	}
}

// TestLostJournalWithoutKeeper: what has to be brought back waits for its key, in
// this mount and the next.
func TestLostJournalWithoutKeeper(t *testing.T) { synctest.Test(t, lostJournalWithoutKeeper) }

func lostJournalWithoutKeeper(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	k := &absent{Keeper: r.keeper}
	r.o.Keeper = k
	r.open("spool-flaky")
	p := random(500_000)
	r.undone(f, map[string][]byte{"d": p})
	if err := os.Remove(r.spoolFile("journal/log")); err != nil {
		t.Fatal(err)
	}
	k.away.Store(true)
	for range 2 {
		r.open("spool-flaky")
		if q := r.v.Status().Quarantine; len(q) > 0 {
			t.Errorf("in quarantine: %+v", q)
		}
		r.halt()
	}
	r.open("spool-flaky")
	k.away.Store(false)
	r.await(func(s Status) bool { return len(s.Drafts) == 1 })
	if !bytes.Equal(r.load("d"), p) {
		t.Error("content differs")
	}
}

// TestDiskThatDoesNotAnswer: a draft that cannot be opened now is not lost for that.
func TestDiskThatDoesNotAnswer(t *testing.T) { synctest.Test(t, diskThatDoesNotAnswer) }

func diskThatDoesNotAnswer(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	p := random(100_000)
	files := r.undone(f, map[string][]byte{"a": p})
	// A symbolic link in the map's place: opening it fails, as a disk can, with what is no sign of damage.
	m := files["a"] + ".map"
	f.set(down)
	r.open("spool-flaky")
	if err := errors.Join(os.Rename(m, m+"~"), os.Symlink(m+"~", m)); err != nil {
		t.Fatal(err)
	}
	if h, err := r.node("a").Open(t.Context(), os.O_RDONLY, nil); err == nil {
		if k, err := h.ReadAt(t.Context(), make([]byte, 10), 0); err == nil {
			t.Errorf("%d bytes were read", k)
		}
		h.Release()
	}
	if err := os.Rename(m+"~", m); err != nil {
		t.Fatal(err)
	}
	f.set(nil)
	if !bytes.Equal(r.load("a"), p) {
		t.Error("content differs")
	}
}

// TestDamagedCache: what the disk has damaged of a version that is in the store is
// put into quarantine, and fetched anew.
func TestDamagedCache(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		p := random(300_000)
		r.save("a", p)
		r.sync()
		n := r.node("a")
		file := filepath.Join(r.spoolDir(), sealedID(n).String())
		r.change(file, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		if !bytes.Equal(r.load("a"), p) {
			t.Error("content differs")
		}
		if q := r.v.Status().Quarantine; len(q) != 1 {
			t.Errorf("quarantine: %+v", q)
		}
	}
}
