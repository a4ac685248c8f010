package volume

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/volume/file"
)

// condemned has drafts lie in quarantine as an older program left those whose keys it
// could not unwrap, and gives the ids of what lies there, by path.
func (r *rig) condemned(f *flaky, contents map[string][]byte) map[string]string {
	r.t.Helper()
	r.undone(f, contents)
	sp, err := spool.Open(spool.Options{Dir: r.spoolDir(), MaxSize: r.max, Log: r.o.Log})
	if err != nil {
		r.t.Fatal(err)
	}
	entries, err := sp.Journal().Entries()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		err = errors.Join(err, sp.Quarantine(e.ID, "the test says so"))
		e.State, e.Reason = Lost.String(), "the test says so"
		err = errors.Join(err, sp.Journal().Update(func(tx *spool.Tx) error { return tx.PutEntry(e) }))
	}
	if err := errors.Join(err, sp.Close()); err != nil {
		r.t.Fatal(err)
	}
	r.open("spool-flaky")
	ids := make(map[string]string)
	for _, q := range r.v.Status().Quarantine {
		ids[q.Path] = q.ID
	}
	if len(ids) != len(contents) {
		r.t.Fatalf("in quarantine: %+v", r.v.Status().Quarantine)
	}
	return ids
}

// restore brings one back, and says where.
func (r *rig) restore(id string) string {
	r.t.Helper()
	at, err := r.v.Restore(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return at
}

// TestRestore: what lies in quarantine comes back as an interrupted draft: in the place of
// the lost one, in this mount or the next; under its path if nobody has taken that; or
// else beside it. It is committed when somebody asks, and is in quarantine no more.
func TestRestore(t *testing.T) { synctest.Test(t, restore) }

func restore(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	p := random(300_000)
	ids := r.condemned(f, map[string][]byte{"d": p, "later": p, "removed": p, "taken.mp4": p, "twice": p})
	for _, name := range []string{"removed", "taken.mp4"} {
		if err := r.v.Root().Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	r.save("taken.mp4", []byte("another"))
	places := map[string]string{"d": r.restore(ids["d"]), "removed": r.restore(ids["removed"]), "taken.mp4": r.restore(ids["taken.mp4"]), "twice": r.restore(ids["twice"])}
	if _, err := r.v.Restore(t.Context(), ids["twice"]); !errors.Is(err, spool.ErrNoneSuch) {
		t.Errorf("restored twice: %v", err)
	}
	r.crash(f, "after-a-kill")
	places["later"] = r.restore(ids["later"])
	for name, at := range places {
		if name == "taken.mp4" {
			if !strings.HasPrefix(at, "taken (conflict recovered ") || !strings.HasSuffix(at, ".mp4") {
				t.Errorf("%s came back as %s", name, at)
			}
		} else if at != name {
			t.Errorf("%s came back as %s", name, at)
		}
		if d := r.draft(r.v.Status(), at); d.State != "interrupted" || !d.Safe || d.Failure != nil {
			t.Errorf("%s: %+v", at, d)
		}
		if err := r.v.Sync(t.Context(), at); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(r.load(at), p) {
			t.Errorf("%s differs", at)
		}
	}
	if string(r.load("taken.mp4")) != "another" {
		t.Error("what had taken the name is not there any more")
	}
	r.truthful()
	if s := r.v.Status(); len(s.Quarantine) > 0 || len(s.Drafts) > 0 {
		t.Errorf("%+v", s)
	}
}

// TestRestoreAtOnce: of many who restore one thing at once, one does.
func TestRestoreAtOnce(t *testing.T) { synctest.Test(t, restoreAtOnce) }

func restoreAtOnce(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	ids := r.condemned(f, map[string][]byte{"a": random(1000)})
	var all sync.WaitGroup
	done := make(chan string, 8)
	for range cap(done) {
		all.Go(func() {
			if at, err := r.v.Restore(t.Context(), ids["a"]); err == nil {
				done <- at
			}
		})
	}
	all.Wait()
	if len(done) != 1 {
		t.Errorf("%d have restored it", len(done))
	}
	if err := r.v.Sync(t.Context(), "a"); err != nil || !bytes.Equal(r.load("a"), random(1000)) {
		t.Errorf("it is not what it was: %v", err)
	}
}

// TestRestoreNot: what is damaged, or not whole, and what another keeper has, stays in
// quarantine, and so does the lost draft that stands for it.
func TestRestoreNot(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	ids := r.condemned(f, map[string][]byte{"flipped": random(300_000), "no-map": random(300_000), "empty": random(300_000), "good": random(300_000)})
	apart := func(name string) string { return r.spoolFile("quarantine/" + ids[name]) }
	r.change(apart("flipped"), func(b []byte) []byte { b[len(b)-10] ^= 1; return b })
	r.change(apart("empty"), func([]byte) []byte { return nil })
	if err := os.Remove(apart("no-map") + ".map"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"flipped", "no-map", "empty"} {
		if _, err := r.v.Restore(t.Context(), ids[name]); !errors.Is(err, spool.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.v.Restore(t.Context(), "none"); !errors.Is(err, spool.ErrNoneSuch) {
		t.Errorf("what is not there: %v", err)
	}
	r.remount(r.otherKeyring())
	if _, err := r.v.Restore(t.Context(), ids["good"]); !errors.Is(err, file.ErrLocked) {
		t.Errorf("another keeper's: %v", err)
	}
	s := r.v.Status()
	if len(s.Quarantine) != 4 || len(s.Drafts) != 4 {
		t.Errorf("%+v", s)
	}
	for _, d := range s.Drafts {
		if d.State != "lost" {
			t.Errorf("%+v", d)
		}
	}
}

// TestRestoreInTheSameMount: a draft that was never synced before it was refused lies in
// quarantine whole; it comes back under a name that is not reserved.
func TestRestoreInTheSameMount(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("f", random(5))
	if err := r.v.Root().Remove(t.Context(), "f.settings.json"); err != nil {
		t.Fatal(err)
	}
	p := random(300_000)
	h := r.create("f.settings.json", os.O_EXCL)
	r.write(h, p, 0)
	if err := h.Flush(t.Context(), nil); !errors.Is(err, ErrPermission) {
		t.Fatalf("close: %v", err)
	}
	h.Release()
	q := r.v.Status().Quarantine
	if len(q) != 1 || q[0].Path != "f.settings.json" || q[0].Size != int64(len(p)) {
		t.Fatalf("in quarantine: %+v", q)
	}
	at := r.restore(q[0].ID)
	if !strings.HasPrefix(at, "f.settings (conflict recovered ") {
		t.Errorf("it came back as %s", at)
	}
	if err := r.v.Sync(t.Context(), at); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(r.load(at), p) {
		t.Error("content differs")
	}
	if n := r.node("f.settings.json"); n.Kind() != Sidecar {
		t.Error("the lost one stands in the sidecar's place")
	}
	r.sync()
	r.truthful()
}
