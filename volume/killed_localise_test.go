package volume

import (
	"slices"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
	"mcfs/store"
	"mcfs/volume/changes"
)

// TestKillAfterBequest: a version that was fetched into the spool, and left to the
// draft that waited at its name, is not removed when the localisation is done again because
// a kill had come before the journal knew that it was done.
func TestKillAfterBequest(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	r.save("b~", []byte("new"))
	f.set(func(op, key string) error {
		if op == "put" && key == "a" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "b~", Exchange)
	r.await(func(s Status) bool { return len(s.Changes) == 0 })
	drawn, successor := r.node("b~"), r.node("a")
	drawn.content.Lock()
	id, _ := drawn.content.EntryIDLocked()
	drawn.content.Unlock()
	successor.content.Lock()
	again := &change{Change: changes.Change{Op: changes.Localise, Path: "a", Ver: successor.content.Replaces, Entry: id}}
	successor.content.Unlock()
	if again.Ver == nil {
		t.Fatal("nothing was left to the draft")
	}
	if err := r.v.journalChanges([]*change{again}, nil); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.holds("in the end", map[string]string{"a": "new", "b~": "old"})
	r.truthful()
}

// TestKillAfterVacating: a localisation has removed the version, and the kill came before the
// journal knew. The draft that waits at the name is committed there all the same, and
// not as if another machine had been at it.
func TestKillAfterVacating(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "put" && key == "a" || op == "head" && key == "a" || op == "delete" {
			return errDown
		}
		return nil
	})
	r.mustRename("a", "a~", 0)
	r.await(func(s Status) bool { return len(s.Changes) == 1 && s.Changes[0].Failure != nil })
	r.save("a", []byte("new"))
	raw := f.Store
	for _, key := range []string{"a.settings.json", "a"} { // the requests arrive, and nothing more is noted
		if err := raw.Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	r.crash(f, "after")
	r.sync()
	r.expectObjects("a", "a.settings.json")
	r.holds("in the end", map[string]string{"a": "new", "a~": "old"})
	r.truthful()
}

// TestKillsAfterADraw: a draft whose commit never arrived was renamed to a local-only name,
// and the next mount has removed what it was to replace. The one after that does not
// look for it under the name that the draft gets then.
func TestKillsAfterADraw(t *testing.T) { synctest.Test(t, killsAfterADraw) }

func killsAfterADraw(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("a", []byte("old"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "put" && key == "a" {
			return errDown
		}
		return nil
	})
	r.save("a", []byte("new"))
	r.await(func(s Status) bool {
		return slices.ContainsFunc(s.Drafts, func(d DraftStatus) bool { return d.State == Publishing.String() })
	})
	r.mustRename("a", "a~", 0)
	for _, name := range []string{"two", "three"} {
		r.crash(f, name)
		r.await(func(s Status) bool { return len(s.Changes) == 0 })
		r.expectObjects()
		r.holds(name, map[string]string{"a": "", "a~": "new"})
	}
	r.mustRename("a~", "b", 0)
	r.sync()
	r.holds("in the end", map[string]string{"b": "new"})
	r.expectObjects("b", "b.settings.json")
	r.truthful()
}

// TestKillsAfterADrawOfWhatArrived: a file was renamed to a local-only name, and its
// directory then, while its commit was under way, which had arrived at a kill. It is still
// promised after the next one, when its version is gone from the store.
func TestKillsAfterADrawOfWhatArrived(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.mkdir("d")
	r.sync()
	raw := f.Store
	request := hold(raw, "a")
	f.Store = request
	r.save("a", []byte("new"))
	<-request.begun
	f.set(down)
	r.mustRename("a", "d/a~", 0)
	r.mustRename("d", "e", 0)
	close(request.let)
	<-request.put
	bury := r.killHolding(f, raw, "two")
	r.await(func(s Status) bool { return len(s.Changes) == 0 })
	r.holds("after a kill", map[string]string{"a": "", "e/a~": "new"})
	r.mustRename("e/a~", "e/c~", 0)
	bury()
	f.Store, r.o.Store = raw, f
	f.set(nil)
	r.crash(f, "three")
	after := map[string]string{"a": "", "e/a~": "", "e/c~": "new"}
	r.holds("after two kills", after)
	r.sync()
	r.holds("in the end", after)
	r.truthful()
}
