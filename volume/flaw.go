package volume

import (
	"errors"

	"mcfs/volume/file"
	"mcfs/volume/flaw"
)

// failed notes that a program could not change a range.
func (h *Handle) failed(off, end int64, cause error) {
	if errors.Is(cause, ErrInvalid) || off >= end {
		return
	}
	h.touch()
	n := h.n
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.State != Lost {
		n.content.Flaws = n.content.Flaws.With(flaw.Flaw{Off: off, End: end, Cause: cause, By: &h.cursor})
	}
}

// holdBack keeps the draft from being published because of its flaws, as a killed
// writer's, safe in the spool, and returns what its close is to tell; nil if it has none.
func (n *Node) holdBack() error {
	n.content.Lock()
	err, state := n.content.Flaws.Err(), n.content.State
	n.content.ForgetFlawsLocked()
	n.content.Unlock()
	if err == nil || state == Clean || state == Lost {
		return err
	}
	n.commit.Stop(file.EvSpoil)
	n.v.log.Error("a file is not uploaded, for a write to it failed: save it again, or have it committed as it is with mcfs sync and its path",
		"path", n.Path(), "cause", err)
	n.v.observeFailure("commit", n.Path(), err, false)
	if kept := n.content.Keep(file.Behind); kept != nil {
		n.v.log.Error("a draft of which a write failed is not safe in the spool", "path", n.Path(), "cause", kept)
	}
	return err
}
