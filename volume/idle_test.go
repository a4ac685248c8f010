package volume

import (
	"os"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/spool"
)

// TestIdleWhileOpenAgain: a commit finds that nobody has its file open, and the file is
// opened before that is noted. When it is removed and closed later its sealed file goes.
func TestIdleWhileOpenAgain(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("f", random(100_000))
	n := r.node("f")
	h := r.openFile("f", os.O_RDONLY)
	r.readAll(h)
	r.v.toIdle(n) // as it was found before
	r.v.mu.Lock()
	idle := n.onIdle
	r.v.mu.Unlock()
	if idle {
		t.Error("an open file counts as idle")
	}
	r.remove("f")
	h.Release()
	for deadline := time.Now().Add(5 * time.Second); !n.holdsNothing(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody has the removed file open, and its sealed file stays")
		}
	}
	r.sync()
}

// TestIdleTwice: what is idle already, and has lost its name since, is let go.
func TestIdleTwice(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.save("f", random(100_000))
	n := r.node("f")
	h := r.openFile("f", os.O_RDONLY)
	r.readAll(h)
	h.Release()
	r.v.mu.Lock()
	n.gone = true
	r.v.mu.Unlock()
	r.v.toIdle(n)
	if !n.holdsNothing() {
		t.Error("its sealed file stays")
	}
	r.v.mu.Lock()
	n.gone = false
	r.v.mu.Unlock()
}

// sealedID is the name of the file's sealed file.
func sealedID(n *Node) spool.ID {
	n.content.Lock()
	defer n.content.Unlock()
	id, _ := n.content.EntryIDLocked()
	return id
}

// holdsNothing reports whether there is neither a sealed file nor a key in memory.
func (n *Node) holdsNothing() bool {
	n.content.Lock()
	defer n.content.Unlock()
	sealed, reader := n.content.HeldLocked()
	return !sealed && !reader
}
