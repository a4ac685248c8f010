package volume

import (
	"runtime"
	"strings"
	"testing"

	"mcfs/crypt"
	"mcfs/spool"
)

// TestRenamedAwayWhileItsCommitEnds: a file is renamed to a local-only name while its
// commit ends. The journal knows of the rename before the tree does, and what it knows
// then is not forgotten with the commit: a kill would leave the draw of a version
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
	until(t, "its object is there", func() bool { return r.stage(n) == stored })

	goOn, renamed := r.renameWhileCommitEnds(n, "a", "a~", gate)
	r.v.mu.Lock() // the rename is in the journal, and not made yet
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
	until(t, "its object is there", func() bool { return r.stage(n) == stored })
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
	until(r.t, "the commit has ended", func() bool { return r.stage(n) == ended })
	return func() { close(hold) }, renamed
}

// stage is how far the commit of a node is.
func (r *rig) stage(n *Node) stage {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	if n.attempt == nil {
		return ended
	}
	return n.attempt.stage
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
