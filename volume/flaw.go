package volume

import (
	"errors"

	"mcfs/volume/flaw"
)

// A program whose write fails often goes on, or ends, and closes the file all the same:
// tee, cp and encoders do. What it leaves is not what it meant, so that its close does
// not publish it (P6).

// failed notes that a program could not change a range.
func (h *Handle) failed(off, end int64, cause error) {
	if errors.Is(cause, ErrInvalid) || off >= end {
		return
	}
	h.touch()
	n := h.n
	n.lock()
	defer n.unlock()
	if n.state != Lost {
		n.flaws = n.flaws.With(flaw.Flaw{Off: off, End: end, Cause: cause, By: h})
	}
}

// cutFlaws notes that the file was made to end at size: whoever does that after a
// failure has given up what it could not write. With O_DIRECT the kernel does it, too,
// before the program knows of the failure: that leaves the handle's own. n is locked.
func (n *Node) cutFlaws(h *Handle, size int64) {
	var own any
	if h.flags&directFlag != 0 {
		own = h
	}
	n.flaws = n.flaws.Cut(size, own)
}

// forgetFlaws lets go of those of a file that is as it was: none of the writes was
// taken. n is locked.
func (n *Node) forgetFlaws() {
	if n.state == Clean {
		n.flaws = nil
	}
}

// reason is why the draft was not committed when it was last asked for, or will not be;
// n is locked.
func (n *Node) reason() error {
	if err := n.flaws.Err(); err != nil && n.state != Clean {
		return err
	}
	if n.control == closedUnfinished && n.state == Interrupted {
		return errUnfinished
	}
	return n.failure
}

func (n *Node) peekFlaws() error {
	n.lock()
	defer n.unlock()
	return n.flaws.Err()
}

// holdBack keeps the draft from being published because of its flaws, as a killed
// writer's, safe in the spool, and returns what its close is to tell; nil if it has none.
func (n *Node) holdBack() error {
	n.lock()
	err, state := n.flaws.Err(), n.state
	n.forgetFlaws()
	n.unlock()
	if err == nil || state == Clean || state == Lost {
		return err
	}
	n.stop(evSpoil)
	n.v.log.Error("a file is not uploaded, for a write to it failed: save it again, or have it committed as it is with mcfs sync and its path",
		"path", n.Path(), "cause", err)
	if kept := n.v.keep(n, behind); kept != nil {
		n.v.log.Error("a draft of which a write failed is not safe in the spool", "path", n.Path(), "cause", kept)
	}
	return err
}

// flawKinds are the errors that a caller tells apart.
var flawKinds = flaw.Kinds{"full": ErrFull, "big": ErrTooBig, "stale": ErrStale, "interrupted": ErrInterrupted}
