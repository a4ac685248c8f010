package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/volume/naming"
)

// A temporary name often tells which one its file is to get: rsync writes NAME as
// ".NAME.XXXXXX". Of such a file parts can leave before that, once the spool is full: an
// upload shows nothing under its key until it is completed, and only the rename to just
// that name has it completed. Of any other name it would be somebody else's, so that the
// upload starts over where the spool has all bytes, and the rename is refused where not.

// toldBy is the path that a file's temporary or local-only name in d tells; "" if none, or
// one under which nothing may leave. v.mu is held.
func (v *Volume) toldBy(d *Node, name string) string {
	if d == nil {
		return ""
	}
	told := naming.Told(join(v.path(d), name), d.hasFile)
	if told == "" || sidecar.Is(told) || v.rules.LocalOnly(told, naming.AsFile) {
		return ""
	}
	return told
}

// aim is the key under which parts of the draft may leave early; "" if none may. v.mu is
// held and n locked.
func (v *Volume) aim(n *Node) string {
	switch n.content.State {
	case Writing:
		return v.path(n)
	case Temporary, Local:
		return v.toldBy(n.parent, n.name)
	}
	return ""
}

// aimsAfter are the keys whose uploads go on when a file gets a name of this class; v.mu is held.
func (v *Volume) aimsAfter(to *Node, newName string, class naming.Class) []string {
	keys := []string{join(v.path(to), newName)}
	if told := v.toldBy(to, newName); class != naming.Ordinary && told != "" {
		keys = append(keys, told)
	}
	return keys
}

// sendTold has parts leave of all drafts whose names tell where to: the spool is full.
func (v *Volume) sendTold() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.content.Lock()
		if v.sends(n) {
			n.content.StartEarlyLocked()
		}
		n.content.Unlock()
	}
}

// sends reports whether parts of a file whose own name is temporary can begin to leave, and
// would make room; v.mu is held and n locked.
func (v *Volume) sends(n *Node) bool {
	return n.content.CanStartLocked() && v.aim(n) != ""
}

// errStranded is why only a rename can have such a file committed.
var errStranded = errors.New("the spool is too small for it, and its unfinished upload to that name alone has all of it")

// strandedLeft names what a sync leaves because only a rename can have it committed; nil: nothing.
func (v *Volume) strandedLeft(nodes []*Node) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, n := range nodes {
		n.content.Lock()
		if n.content.IsStrandedLocked() {
			errs = append(errs, fmt.Errorf("%s is not safe, and lost when mcfs ends, until it is renamed to %s: %w", v.path(n), n.content.EarlyKeyLocked(), errStranded))
		}
		n.content.Unlock()
	}
	return errors.Join(errs...)
}

// awaitCommit waits, as long as bytes move, for the commit of a file of which an upload
// alone has some: who has just renamed it reads it next. It reports false where none is
// under way, or it gets no further.
func (n *Node) awaitCommit(ctx context.Context) bool {
	v := n.v
	tick := time.NewTicker(v.o.CloseTimeout / 20)
	defer tick.Stop()
	last, since := v.progressOf(n), time.Now()
	for {
		n.content.Lock()
		away, coming := n.content.IsSentAwayLocked(), n.content.Asked > n.content.Committed && n.content.Failure == nil
		coming = coming && (n.content.State == Queued || n.content.State == Uploading || n.content.State == Publishing)
		turned := n.content.WakesLocked()
		n.content.Unlock()
		if !away || !coming {
			return !away
		}
		select {
		case <-turned:
		case <-tick.C:
		case <-ctx.Done():
			return false
		case <-v.ctx.Done():
			return false
		}
		if now := v.progressOf(n); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) > v.o.CloseTimeout {
			return false
		}
	}
}

// goesOn reports whether the upload of what is being written is to one of these keys, and
// there is no other; v.mu is held and n locked.
func (n *Node) goesOn(keys []string) bool {
	return n.attempt == nil && n.content.LeavesOnlyToLocked(keys)
}
