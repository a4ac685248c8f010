package volume

import (
	"os"
	"testing"
	"time"

	"mcfs/crypt"
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
	gone := func() bool {
		n.lock()
		defer n.unlock()
		return n.file == nil && n.reader == nil
	}
	for deadline := time.Now().Add(5 * time.Second); !gone(); time.Sleep(time.Millisecond) {
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
	n.lock()
	kept := n.file != nil || n.reader != nil
	n.unlock()
	if kept {
		t.Error("its sealed file stays")
	}
	r.v.mu.Lock()
	n.gone = false
	r.v.mu.Unlock()
}
