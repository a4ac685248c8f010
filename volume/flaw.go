package volume

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A program whose write fails often goes on, or ends, and closes the file all the same:
// tee, cp and encoders do. What it leaves is not what it meant, so that its close does
// not publish it (P6).

// flaw is a range that a program was told it could not change: the draft does not hold
// there what it was to hold.
type flaw struct {
	off, end int64
	cause    error
	by       *Handle // through which it came; nil: one of an earlier mount
}

// flaws are those of a draft, the first failure first; nil: it is what its programs meant.
type flaws []flaw

// maxFlaws bounds them: more are taken together to one that covers all.
const maxFlaws = 64

// with adds a range.
func (f flaws) with(w flaw) flaws {
	for _, x := range f {
		if x.off <= w.off && w.end <= x.end {
			return f // tried again, in vain
		}
	}
	if len(f) < maxFlaws {
		return append(f, w)
	}
	all := f[0]
	for _, x := range append(f[1:], w) {
		all.off, all.end = min(all.off, x.off), max(all.end, x.end)
	}
	return flaws{all}
}

// without leaves out what has been changed since.
func (f flaws) without(off, end int64) flaws {
	if f == nil {
		return nil
	}
	var left flaws
	for _, x := range f {
		if x.end <= off || end <= x.off {
			left = append(left, x)
			continue
		}
		if x.off < off {
			left = append(left, flaw{x.off, off, x.cause, x.by})
		}
		if end < x.end {
			left = append(left, flaw{end, x.end, x.cause, x.by})
		}
	}
	return left
}

// err is why the draft is not to be published; nil if it may be. It bears the errno of
// the first failure.
func (f flaws) err() error {
	if f == nil {
		return nil
	}
	return fmt.Errorf("a write failed and was not made good, bytes %d to %d: %w", f[0].off, f[0].end-1, f[0].cause)
}

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
		n.flaws = n.flaws.with(flaw{off, end, cause, h})
	}
}

// cutFlaws notes that the file was made to end at size: whoever does that after a
// failure has given up what it could not write. With O_DIRECT the kernel does it, too,
// before the program knows of the failure: that leaves the handle's own. n is locked.
func (n *Node) cutFlaws(h *Handle, size int64) {
	var own flaws
	if h.flags&directFlag != 0 {
		for _, x := range n.flaws {
			if x.by == h {
				own = append(own, x)
			}
		}
	}
	n.flaws = append(own, n.flaws.without(size, math.MaxInt64)...)
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
	if err := n.flaws.err(); err != nil && n.state != Clean {
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
	return n.flaws.err()
}

// holdBack keeps the draft from being published because of its flaws, as a killed
// writer's, safe in the spool, and returns what its close is to tell; nil if it has none.
func (n *Node) holdBack() error {
	n.lock()
	err, state := n.flaws.err(), n.state
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

// flawRecord is a flaw at rest.
type flawRecord struct {
	Off   int64  `json:"off"`
	End   int64  `json:"end"`
	Kind  string `json:"kind"`
	Cause string `json:"cause"`
}

// flawKinds are the errors that a caller tells apart; whatever is none of them is "io".
var flawKinds = map[string]error{"full": ErrFull, "big": ErrTooBig, "stale": ErrStale, "interrupted": ErrInterrupted}

func (f flaws) records() (list []flawRecord) {
	for _, x := range f {
		r := flawRecord{Off: x.off, End: x.end, Kind: "io", Cause: strings.ReplaceAll(x.cause.Error(), "\n", "; ")}
		for kind, err := range flawKinds {
			if errors.Is(x.cause, err) {
				r.Kind = kind
			}
		}
		list = append(list, r)
	}
	return list
}

func (r record) flaws() (f flaws) {
	for _, x := range r.Flaws {
		kind, ok := flawKinds[x.Kind]
		if !ok {
			kind = ErrIO
		}
		f = append(f, flaw{off: x.Off, end: x.End, cause: toldError{x.Cause, kind}})
	}
	return f
}

// toldError is an error that was journaled: its text, and what it is for callers.
type toldError struct {
	text string
	kind error
}

func (e toldError) Error() string { return e.text }
func (e toldError) Unwrap() error { return e.kind }
