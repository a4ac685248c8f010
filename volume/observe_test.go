package volume

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/changes"
	"mcfs/volume/event"
	"mcfs/volume/file"
)

// notes are what an observer has been told.
type notes struct {
	mu   sync.Mutex
	list []event.Event
}

func (o *notes) Observe(e event.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, e)
}

// take returns what has been told since it was last called.
func (o *notes) take() []event.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}

// sort puts what was told of several files into an order that stays.
func (o *notes) sort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.SortFunc(o.list, func(a, b event.Event) int { return strings.Compare(a.Path, b.Path) })
}

// await waits until something has been told.
func (o *notes) await(t testing.TB) {
	t.Helper()
	until(t, "something is told", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.list) > 0
	})
}

// observed opens the rig's volume anew with an observer.
func (r *rig) observed() *notes {
	r.t.Helper()
	o := new(notes)
	name := r.name
	r.close()
	r.o.Observer = o
	r.open(name)
	return o
}

// expect checks what has been told, in its order, as "kind path" or "kind path to".
func (o *notes) expect(t testing.TB, when string, want ...string) []event.Event {
	t.Helper()
	list := o.take()
	var got []string
	for _, e := range list {
		text := string(e.Kind) + " " + e.Path
		if e.To != "" {
			text += " " + e.To
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: told %q, want %q", when, got, want)
	}
	return list
}

// describes checks that an event says of a version what the store has.
func (r *rig) describes(e event.Event, key string, size int64) {
	r.t.Helper()
	info, err := r.store.Head(r.t.Context(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	text, _ := r.raw(sidecar.Name(key))
	s, err := sidecar.Parse(text)
	if err != nil {
		r.t.Fatal(err)
	}
	if e.Size != size || e.ETag != info.ETag || !bytes.Equal(e.IV, s.IV) || !e.Settings || e.Cause != nil {
		r.t.Errorf("of %s: %+v", key, e)
	}
}

// TestObserveNames: an observer is told of each commit and each change of a name when the store
// has it, with what names the version.
func TestObserveNames(t *testing.T) {
	r := newRig(t, crypt.CTR)
	o := r.observed()
	r.mkdir("d")
	r.save("d/a", []byte("content"))
	r.sync()
	r.describes(o.expect(t, "saved", "commit d/a")[0], "d/a", 7)
	r.save("d/a", []byte("other content"))
	r.sync()
	r.describes(o.expect(t, "saved again", "commit d/a")[0], "d/a", 13)
	r.mustRename("d/a", "d/b", 0)
	r.sync()
	r.describes(o.expect(t, "renamed", "rename d/a d/b")[0], "d/b", 13)
	r.mustRename("d", "e", 0)
	r.sync()
	if list := o.expect(t, "its directory renamed", "rename d e"); !list[0].Dir {
		t.Errorf("%+v", list[0])
	}
	r.save("e/new~", []byte("x"))
	r.sync()
	o.expect(t, "under a local-only name")
	r.mustRename("e/new~", "e/new", 0)
	r.sync()
	o.expect(t, "under its own name", "commit e/new")
	r.remove("e/b")
	r.remove("e/new")
	r.sync()
	o.sort()
	o.expect(t, "removed", "remove e/b", "remove e/new")
}

// TestObserveBackup: where an editor renames the old version to its backup and writes the file
// anew, that is one commit: the store never was without the file.
func TestObserveBackup(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("a", []byte("text"))
	r.sync()
	slow := awaited{r.store, "a", make(chan struct{}, 1), make(chan struct{})}
	r.o.Store = slow
	r.cold()
	o := r.observed()
	r.mustRename("a", "a~", 0)
	<-slow.begun
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("other text"), 0)
	saved := make(chan error, 1)
	go func() { saved <- h.Flush(t.Context(), nil) }() // ends with the commit
	until(t, "the new version waits", func() bool { return h.n.content.PeekState() == Queued })
	close(slow.let)
	if err := <-saved; err != nil {
		t.Error(err)
	}
	h.Release()
	r.sync()
	r.describes(o.expect(t, "saved with a backup", "commit a")[0], "a", 10)
}

// TestObserveRemovalOfAnother: nothing is told of a removal that has met another machine's version:
// that stays.
func TestObserveRemovalOfAnother(t *testing.T) {
	a, b, between := newPair(t)
	o := a.observed()
	b.save("f", []byte("text"))
	b.save("g", []byte("text"))
	b.sync()
	a.reads("f", "text")
	a.reads("g", "text")
	between.once("delete", "f.settings.json", func() { b.save("f", []byte("other text")) })
	a.remove("f")
	a.sync()
	o.expect(t, "removed, and saved by another machine")
	a.remove("g")
	a.sync()
	o.expect(t, "removed", "remove g")
	a.reads("f", "other text")
}

// TestObserveFailures: of a commit or a rename that fails and is tried again, and of what is not.
func TestObserveFailures(t *testing.T) { synctest.Test(t, observeFailures) }

func observeFailures(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	o := r.observed()
	r.save("old", []byte("content"))
	r.sync()
	o.expect(t, "saved", "commit old")
	f.set(down)
	h := r.create("a", os.O_TRUNC)
	r.write(h, []byte("content"), 0)
	h.Release()
	o.await(t)
	if list := o.expect(t, "the store is down", "failure a"); list[0].What != "commit" || !errors.Is(list[0].Cause, errDown) || !list[0].Again {
		t.Errorf("%+v", list[0])
	}
	r.mustRename("old", "new", 0)
	o.await(t)
	if list := o.expect(t, "no rename either", "failure old"); list[0].What != changes.Rename || !list[0].Again {
		t.Errorf("%+v", list[0])
	}
	f.set(nil)
	r.sync()
	o.sort()
	o.expect(t, "it is back", "commit a", "rename old new")
	h = r.create("half", os.O_TRUNC)
	r.write(h, []byte("half"), 0)
	h.Node().commit.Interrupt(file.EvKill)
	h.Release()
	synctest.Wait()
	if list := o.expect(t, "its writer was killed", "failure half"); list[0].Again {
		t.Errorf("%+v", list[0])
	}
}

// TestObserveGivenUp: of a rename of what was removed elsewhere.
func TestObserveGivenUp(t *testing.T) {
	a, b, between := newPair(t)
	o := a.observed()
	a.save("f", []byte("content"))
	a.sync()
	o.expect(t, "saved", "commit f")
	between.once("copy", "f", func() { b.remove("f"); b.sync() })
	a.mustRename("f", "g", 0)
	a.sync()
	if list := o.expect(t, "it is gone", "failure f"); list[0].Again || !errors.Is(list[0].Cause, store.ErrNotExist) {
		t.Errorf("%+v", list[0])
	}
}

// TestObserveConflict: of the name that another machine had, and of the commit beside it.
func TestObserveConflict(t *testing.T) {
	a, b, _ := newPair(t)
	a.save("f.txt", []byte("one"))
	o := b.observed()
	ha, hb := a.openFile("f.txt", os.O_RDWR), b.openFile("f.txt", os.O_RDWR)
	a.write(ha, []byte("from a"), 0)
	b.write(hb, []byte("from b"), 0)
	a.finish(ha)
	if err := hb.Flush(t.Context(), nil); !errors.Is(err, ErrStale) {
		t.Errorf("the second close gave %v, want ErrStale", err)
	}
	hb.Release()
	settled(a, b)
	list := o.take()
	if len(list) != 2 || list[0].Kind != event.Conflict || list[0].Path != "f.txt" || list[1].Kind != event.Commit || list[1].Path != list[0].To {
		t.Fatalf("told %+v", list)
	}
	b.describes(list[1], list[1].Path, 6)
}

// TestObserveArrived: of a commit whose object had arrived when the mount was killed.
func TestObserveArrived(t *testing.T) { synctest.Test(t, observeArrived) }

func observeArrived(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	o := new(notes)
	r.killAt(f, "put", "a.settings.json", "after", func() {
		h := r.create("a", os.O_TRUNC)
		r.write(h, []byte("content"), 0)
		if err := h.Flush(t.Context(), nil); err == nil {
			t.Error("close succeeded without a sidecar")
		}
		h.Release()
		r.o.Observer = o // of the next volume
	}, func(string, string) error { return nil })
	r.sync()
	r.describes(o.expect(t, "after the kill", "commit a")[0], "a", 7)
}
