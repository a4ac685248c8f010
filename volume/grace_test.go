package volume

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/volume/file"
)

// inBubble runs a test of the grace of temporary names in a bubble, whose time passes
// while nothing else is to be done.
func inBubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, crypt.CTR)
		r.close()
		r.o.LocalOnly = nil
		r.open("spool-names")
		f(r)
	})
}

// TestTemporaryNameHasADeadline: what was closed under a temporary name is committed
// under it, after a time in which nobody has done anything with it.
func TestTemporaryNameHasADeadline(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.put("clip.mp4.part", []byte("film"))
		closed := time.Now()
		d := r.draft(r.v.Status(), "clip.mp4.part")
		if d.State != "temporary" || !d.Safe || !d.Claims.Equal(closed.Add(30*time.Second)) {
			t.Errorf("closed: %+v", d)
		}
		time.Sleep(29 * time.Second)
		r.expectObjects()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.sync()
		r.expectObjects("clip.mp4.part", "clip.mp4.part.settings.json")
		r.truthful()
	})
}

// TestTemporaryNameToAnother: who renames a file from one temporary name to another has not
// finished it; its wait begins anew.
func TestTemporaryNameToAnother(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, h, err := r.v.Root().Create(r.t.Context(), ".clip.mp4.A1b2C3", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600, 1, 2, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		r.write(h, []byte("film"), 0)
		r.finish(h)
		time.Sleep(20 * time.Second)
		r.mustRename(".clip.mp4.A1b2C3", "clip.mp4.q9R8s7", 0)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.expectObjects()
		r.mustRename("clip.mp4.q9R8s7", "clip.mp4", 0)
		r.sync()
		r.expectObjects("clip.mp4", "clip.mp4.settings.json")
	})
}

// TestHalfFileAtItsDeadline: a file of which a write has failed after its close, as through a map,
// is not committed under its temporary name, but held.
func TestHalfFileAtItsDeadline(t *testing.T) {
	inBubble(t, func(r *rig) {
		h := r.create("clip.mp4.part", os.O_TRUNC)
		r.write(h, []byte("half"), 0)
		if err := h.Flush(r.t.Context(), nil); err != nil {
			r.t.Fatal(err)
		}
		if _, err := h.WriteAt(r.t.Context(), []byte("x"), 1<<50); !errors.Is(err, ErrTooBig) {
			r.t.Fatal(err)
		}
		h.Release()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		r.sync()
		r.expectObjects()
		r.held("clip.mp4.part", "at most")
	})
}

// TestTemporaryNameIsLeft: a rename, a removal and another opening end the wait.
func TestTemporaryNameIsLeft(t *testing.T) {
	inBubble(t, func(r *rig) {
		for _, name := range []string{"renamed.part", "removed.part", "opened.part", "read.part"} {
			r.put(name, []byte(name))
		}
		time.Sleep(20 * time.Second)
		r.mustRename("renamed.part", "renamed", 0)
		r.remove("removed.part")
		again := r.create("opened.part", 0)
		read := r.create("read.part", 0)
		read.Release()
		r.write(again, []byte("more"), 0)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.expectObjects("renamed", "renamed.settings.json")
		time.Sleep(time.Hour)
		r.expectObjects("read.part", "read.part.settings.json", "renamed", "renamed.settings.json")
		r.finish(again)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		r.expectObjects("opened.part", "opened.part.settings.json", "read.part", "read.part.settings.json", "renamed", "renamed.settings.json")
		r.truthful()
	})
}

// TestSyncCommitsTemporaryNames: at once, as unmounting does.
func TestSyncCommitsTemporaryNames(t *testing.T) {
	inBubble(t, func(r *rig) {
		began := time.Now()
		r.put("a.part", []byte("a"))
		h := r.create("open.part", os.O_TRUNC)
		r.write(h, []byte("open"), 0)
		if err := r.v.Sync(r.t.Context(), "a.part"); err != nil {
			t.Fatal(err)
		}
		r.expectObjects("a.part", "a.part.settings.json")
		r.finish(h)
		r.close()
		r.expectObjects("a.part", "a.part.settings.json", "open.part", "open.part.settings.json")
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestTemporaryNameOverARestart: the next mount waits anew.
func TestTemporaryNameOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := newFlakyRig(t, crypt.CTR)
		r.put("a.part", []byte("a"))
		r.crash(f, "after")
		if d := r.draft(r.v.Status(), "a.part"); d.State != "temporary" || d.Claims.IsZero() {
			t.Errorf("after a restart: %+v", d)
		}
		r.expectObjects()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		r.expectObjects("a.part", "a.part.settings.json")
		if got := string(r.load("a.part")); got != "a" {
			t.Errorf("content %q", got)
		}
	})
}

// TestKilledWriterOfATemporaryName: half a file is not committed because its time has come.
func TestKilledWriterOfATemporaryName(t *testing.T) {
	inBubble(t, func(r *rig) {
		h := r.create("a.part", os.O_TRUNC)
		r.write(h, []byte("half"), 0)
		h.markKilled()
		h.Node().commit.Interrupt(file.EvKill)
		h.Release()
		time.Sleep(time.Hour)
		synctest.Wait()
		r.expectObjects()
		if d := r.draft(r.v.Status(), "a.part"); d.State != "interrupted" {
			t.Errorf("%+v", d)
		}
	})
}

// TestBackupOfACommittedFileHasADeadline: an editor's backup is nothing to wait for either.
func TestBackupOfACommittedFileHasADeadline(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.save("a", []byte("old"))
		r.mustRename("a", "a~", 0)
		r.save("a", []byte("new"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.expectObjects("a", "a.settings.json")
		time.Sleep(time.Minute)
		synctest.Wait()
		r.sync()
		r.expectObjects("a", "a.settings.json", "a~", "a~.settings.json")
		r.truthful()
		r.holds("in the end", map[string]string{"a": "new", "a~": "old"})
	})
}

// TestExchangeWithATemporaryName: the old version that a save by exchange leaves
// under the temporary name, to be removed, is not in the store under it.
func TestExchangeWithATemporaryName(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.save("f", []byte("old"))
		r.put("f.sb-12345678-abcdef", []byte("new"))
		r.mustRename("f.sb-12345678-abcdef", "f", Exchange)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.expectObjects("f", "f.settings.json")
		r.remove("f.sb-12345678-abcdef")
		r.sync()
		r.expectObjects("f", "f.settings.json")
		r.truthful()
		r.holds("in the end", map[string]string{"f": "new"})
	})
}

// TestPutAsideAndReplaced: macOS saves so over SMB, which has no exchange. The old version is nowhere in the store under
// the name that it had last, nor is the new one under its first.
func TestPutAsideAndReplaced(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.save("f", []byte("old"))
		r.put("f.sb-12345678-abcdef", []byte("new"))
		r.mustRename("f", "f.sb-87654321-ghijkl", 0)
		r.mustRename("f.sb-12345678-abcdef", "f", 0)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.expectObjects("f", "f.settings.json")
		r.remove("f.sb-87654321-ghijkl")
		r.sync()
		r.expectObjects("f", "f.settings.json")
		r.truthful()
		r.holds("in the end", map[string]string{"f": "new"})
	})
}

// TestJournalOfADatabase: a journal is kept back by its database, not by its name.
func TestJournalOfADatabase(t *testing.T) {
	inBubble(t, func(r *rig) {
		begun := r.create("begun.db", os.O_TRUNC)
		r.save("cut.db", append([]byte(file.SQLiteHead), random(5000)...))
		r.save("travel", random(5000))
		for _, name := range []string{"begun.db-journal", "cut.db-journal", "travel-journal", "sea-wal"} {
			r.put(name, []byte(name))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r.expectObjects("cut.db", "cut.db.settings.json", "sea-wal", "sea-wal.settings.json", "travel", "travel-journal",
			"travel-journal.settings.json", "travel.settings.json")
		begun.Release()
	})
}

// TestNamesThatWereLocalOnly: what a mount has kept to itself, and this one would not, leaves.
func TestNamesThatWereLocalOnly(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.close()
	r.o.LocalOnly = []string{"*-journal"}
	r.open("spool-old")
	r.mkdir("travel-journal")
	r.mkdir("travel-journal/day")
	r.put("travel-journal/day/1.mp4", []byte("one"))
	r.put("sea-journal", []byte("sea"))
	r.expectObjects()
	r.close()
	r.o.LocalOnly = nil
	r.open("spool-old")
	r.sync()
	r.expectObjects("sea-journal", "sea-journal.settings.json", "travel-journal/", "travel-journal/day/",
		"travel-journal/day/1.mp4", "travel-journal/day/1.mp4.settings.json")
	r.truthful()
	r.close()
	r.open("spool-old")
	if s := r.v.Status(); len(s.Drafts)+len(s.Changes) != 0 {
		t.Errorf("left: %+v", s)
	}
}
