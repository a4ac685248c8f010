package volume

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/volume/changes"
)

// drawing is a rig in which a was renamed to a~, and its bytes are not in the spool yet: the
// store gives none. It says under which id the journal knows the file.
func drawing(t *testing.T) (r *rig, f *flaky, id spool.ID) {
	r, f = newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("text"))
	r.sync()
	r.cold()
	r.node("a")
	if _, err := r.node("a").Attr(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.set(func(op, key string) error {
		if op == "delete" || op == "head" || op == "get" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "a~", 0)
	n := r.node("a~")
	n.content.Lock()
	id, filed := n.content.EntryIDLocked()
	n.content.Unlock()
	if !filed {
		t.Fatal("the journal does not know it")
	}
	return r, f, id
}

// TestDrawWithoutItsEntry: where the journal has lost the file for which a version is to be
// localised, the store has the only copy, and keeps it.
func TestDrawWithoutItsEntry(t *testing.T) {
	r, f, id := drawing(t)
	from := r.spoolDir()
	r.throwAway(f)
	if err := os.CopyFS(filepath.Join(r.home, "after"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	r.restrict(filepath.Join(r.home, "after"))
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(r.home, "after"), MaxSize: r.max, Log: r.o.Log})
	if err != nil {
		t.Fatal(err)
	}
	queued, err := sp.Journal().Changes()
	if err != nil || len(queued) != 1 || queued[0].Op != changes.Localise {
		t.Fatalf("%+v, %v: what this test is for was not tried", queued, err)
	}
	lose := func(tx *spool.Tx) error { return tx.DeleteEntry(id) }
	if err := errors.Join(sp.Journal().Update(lose), sp.Close()); err != nil {
		t.Fatal(err)
	}
	r.openCopy(f, "after", nil)
	r.sync()
	r.cold()
	r.holds("in the end", map[string]string{"a": "text"})
	r.truthful()
}

// TestRemovedBeforeTheDraw: what was removed before its bytes were in the spool is gone from
// the store in the next mount, too.
func TestRemovedBeforeTheDraw(t *testing.T) {
	r, f, _ := drawing(t)
	if err := r.v.Root().Remove(t.Context(), "a~"); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	r.sync()
	r.expectObjects()
}

// TestReplacedBeforeTheDraw: so is what another file has replaced.
func TestReplacedBeforeTheDraw(t *testing.T) {
	r, f, _ := drawing(t)
	r.save("b~", []byte("other"))
	r.mustRename("b~", "a~", 0)
	r.crash(f, "after")
	r.sync()
	r.expectObjects()
	r.holds("in the end", map[string]string{"a": "", "a~": "other"})
}

// TestCommittedBeforeTheDrawEnds: and what was committed under another name meanwhile.
func TestCommittedBeforeTheDrawEnds(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("text"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "delete" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "a~", 0)
	r.await(func(s Status) bool { return len(s.Changes) == 1 && s.Changes[0].Failure != nil })
	r.mustRename("a~", "b", 0)
	r.await(func(s Status) bool { return len(s.Drafts) == 0 })
	r.crash(f, "after")
	r.sync()
	r.expectObjects("b", "b.settings.json")
	r.holds("in the end", map[string]string{"a": "", "b": "text"})
	r.truthful()
}

// TestDrawRestated: what the journal is told of a localisation just behind the end of its file's
// entry does not take back that nobody wants the bytes any more.
func TestDrawRestated(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("text"))
	r.sync()
	gate, once := make(chan struct{}), sync.Once{}
	f.set(func(op, key string) error {
		if op == "delete" {
			return errDown
		}
		if op == "put" && key == "b.settings.json" { // its commit needs the journal no more but to end
			once.Do(func() { r.spool.Journal().Later(func(*spool.Tx) error { <-gate; return nil }) })
		}
		return nil
	})
	r.mustRename("a", "a~", 0)
	r.await(func(s Status) bool { return len(s.Changes) == 1 && s.Changes[0].Failure != nil })
	r.mustRename("a~", "b", 0)
	r.await(func(s Status) bool { return len(s.Drafts) == 0 })
	r.v.mu.Lock()
	for c := range r.v.changes.QueuedLocked() {
		if err := r.v.changes.RestateLocked(c, c.Attr); err != nil { // as when what it carries has another sidecar
			t.Error(err)
		}
	}
	r.v.mu.Unlock()
	close(gate)
	r.crash(f, "after")
	r.sync()
	r.expectObjects("b", "b.settings.json")
}
