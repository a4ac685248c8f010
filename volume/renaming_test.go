package volume

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/volume/commit"
)

// TestRenamedAwayWhileItsCommitEnds: a file is renamed to a local-only name while its
// commit ends. The journal knows of the rename before the tree does, and what it knows
// then is not forgotten with the commit: a kill would leave the localisation of a version
// without the file that it is for.
func TestRenamedAwayWhileItsCommitEnds(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	gate := make(chan struct{})
	f.set(func(op, key string) error {
		if op == "put" && key == "a.settings.json" {
			<-gate
		}
		return nil
	})
	r.save("a", []byte("content"))
	n := r.node("a")
	until(t, "its object is there", func() bool { return r.stage(n) == commit.Stored })

	goOn, renamed := r.renameWhileCommitEnds(n, "a", "a~", gate)
	r.v.spool.Journal().Later(func(*spool.Tx) error {
		r.v.mu.Lock() // the rename is in the journal, and not made yet
		return nil
	})
	goOn()
	err := r.v.spool.Journal().Flush()
	entries, err2 := r.v.spool.Journal().Entries()
	r.v.mu.Unlock()
	if err != nil || err2 != nil || len(entries) != 1 || entries[0].Path != "a~" {
		t.Errorf("the journal knows of %v, %v, %v; want a~", entries, err, err2)
	}
	if err := <-renamed; err != nil {
		t.Fatal(err)
	}
	r.crash(f, "after")
	r.holds("after a kill", map[string]string{"a~": "content"})
	r.sync()
	r.expectObjects()
	r.truthful()
}

// TestDirectoryRenamedWhileItsFileGoesLoose: a file that was renamed to a local-only name
// during its commit stays there, though the directory above is renamed while that ends.
func TestDirectoryRenamedWhileItsFileGoesLoose(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.mkdir("d")
	gate := make(chan struct{})
	f.set(func(op, key string) error {
		if op == "put" && key == "d/a.settings.json" {
			<-gate
		}
		return nil
	})
	r.save("d/a", []byte("content"))
	n := r.node("d/a")
	until(t, "its object is there", func() bool { return r.stage(n) == commit.Stored })
	r.mustRename("d/a", "d/a~", 0)

	goOn, renamed := r.renameWhileCommitEnds(n, "d", "e", gate)
	goOn()
	if err := <-renamed; err != nil {
		t.Fatal(err)
	}
	r.state(n, Local)
	r.sync()
	r.expectObjects("e/")
	r.holds("in the end", map[string]string{"e/a~": "content"})
	r.truthful()
}

// renameWhileCommitEnds renames, and opens the gate on which the commit of n waits: that
// ends between the rename's plan and its transaction, which goOn then lets begin.
func (r *rig) renameWhileCommitEnds(n *Node, from, to string, gate chan struct{}) (goOn func(), renamed chan error) {
	hold, held := make(chan struct{}), make(chan struct{})
	go r.v.spool.Journal().Update(func(*spool.Tx) error { close(held); <-hold; return nil })
	<-held
	renamed = make(chan error, 1)
	go func() { renamed <- r.v.Root().Rename(r.t.Context(), from, r.v.Root(), to, 0) }()
	until(r.t, "the rename waits for the journal", func() bool { return running("journalMove", "(*Journal).Update") })
	close(gate)
	until(r.t, "the commit has ended", func() bool { return r.stage(n) == commit.Ended })
	return func() { close(hold) }, renamed
}

// stage is how far the commit of a node is.
func (r *rig) stage(n *Node) commit.Stage {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	if n.commit.AttemptLocked() == nil {
		return commit.Ended
	}
	return n.commit.AttemptLocked().StageLocked()
}

// running reports whether some goroutine is in all of these functions.
func running(functions ...string) bool {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		in := true
		for _, f := range functions {
			in = in && strings.Contains(stack, f)
		}
		if in {
			return true
		}
	}
	return false
}

// TestRemovedWhileItsUploadIsCompleted: the journal's entry of a file, which names its
// upload, goes with the file, though the request that ends the upload has not arrived. A
// kill leaves nothing of it in the store; without one, nothing in the journal.
func TestRemovedWhileItsUploadIsCompleted(t *testing.T) {
	for name, remove := range map[string]func(*rig) error{
		"removed":  func(r *rig) error { return r.v.Root().Remove(r.t.Context(), "a") },
		"replaced": func(r *rig) error { return r.v.Root().Rename(r.t.Context(), "b", r.v.Root(), "a", 0) },
	} {
		for _, kill := range []bool{true, false} {
			bubble(t, fmt.Sprintf("%s, killed %v", name, kill), func(t *testing.T) {
				r, f := newFlakyRigOf(t, crypt.CTR, lightPart)
				r.close()
				r.o.SpoolDurable = true
				r.open("spool-flaky")
				r.save("b", []byte("text"))
				r.sync()
				f.set(func(op, key string) error {
					if op == "complete" {
						return errDown
					}
					return nil
				})
				r.save("a", random(1_875_000))
				n := r.node("a")
				until(t, "its last request is sent", func() bool { return r.stage(n) == commit.Ready })
				if err := remove(r); err != nil {
					t.Fatal(err)
				}
				if kill {
					r.crash(f, "after")
				}
				f.set(nil)
				r.sync()
				until(t, "the upload is gone", func() bool {
					ups, err := r.store.Uploads(t.Context(), "")
					return err == nil && len(ups) == 0
				})
				if !kill {
					until(t, "the journal forgets it", func() bool {
						ups, err := r.spool.Journal().Uploads()
						return err == nil && len(ups) == 0
					})
				}
				r.truthful()
			})
		}
	}
}
