package volume

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
)

// project opens a file with a program that stays, and saves into it.
func (r *rig) project(name string) *Handle {
	r.t.Helper()
	h := r.create(name, os.O_TRUNC)
	r.write(h, []byte("first"), 0)
	r.fsync(h)
	return h
}

func (r *rig) fsync(h *Handle) {
	r.t.Helper()
	if err := h.Fsync(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// stored waits until nothing is under way, and says whether the store has the file.
func (r *rig) stored(name string) bool {
	r.t.Helper()
	synctest.Wait()
	_, err := r.store.Head(r.t.Context(), name)
	return err == nil
}

// TestCommitOnFsync: a file of those that are named is committed while its program has it
// open, when it was quiet for five seconds after an fsync, and no other.
func TestCommitOnFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, crypt.CTR)
		r.close()
		r.o.CommitOnFsync = []string{"*.aup3"}
		r.open("spool-projects")
		other, h := r.project("other"), r.project("a.aup3")
		defer other.Release()
		time.Sleep(syncedQuiet - time.Second)
		if r.stored("a.aup3") {
			t.Error("it was committed before it was quiet")
		}
		r.write(h, []byte("later"), 5)
		time.Sleep(2 * syncedQuiet)
		if r.stored("a.aup3") {
			t.Error("what no fsync has followed was committed")
		}
		r.fsync(h)
		time.Sleep(syncedQuiet - time.Second)
		r.fsync(h) // and waits anew
		time.Sleep(syncedQuiet - time.Second)
		if r.stored("a.aup3") {
			t.Error("an fsync did not begin the wait anew")
		}
		time.Sleep(3 * time.Second)
		if !r.stored("a.aup3") || r.stored("other") {
			t.Errorf("in the store: %v", r.objects())
		}
		r.truthful()
		r.write(h, []byte("LATER"), 5)
		r.fsync(h)
		r.write(h, []byte("!"), 10) // half of the next save
		time.Sleep(2 * syncedQuiet)
		r.write(h, []byte("!"), 11)
		r.fsync(h)
		time.Sleep(2 * syncedQuiet)
		r.cold()
		if got := r.load("a.aup3"); string(got) != "firstLATER!!" {
			t.Errorf("the store has %q", got)
		}
	})
}

// TestCommitOnFsyncWaits: not in the middle of a transaction, under a temporary name, nor
// for what is gone; and what is written right after has not been asked for.
func TestCommitOnFsyncWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, crypt.CTR)
		r.close()
		r.o.CommitOnFsync = []string{"*"}
		r.open("spool-projects")
		part, gone, db := r.project("a.part"), r.project("gone"), r.project("db")
		defer part.Release()
		defer gone.Release()
		r.remove("gone")
		journal := r.create("db-journal", os.O_TRUNC)
		r.write(journal, []byte("pages"), 0)
		time.Sleep(2 * syncedQuiet)
		if r.stored("db") {
			t.Error("half of a transaction was committed")
		}
		r.fsync(db)
		journal.Release()
		r.remove("db-journal")
		time.Sleep(2 * syncedQuiet)
		if !r.stored("db") || r.stored("a.part") || r.stored("gone") {
			t.Errorf("in the store: %v", r.objects())
		}
		r.finish(db)
	})
}
