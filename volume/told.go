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
	switch n.state {
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
		n.lock()
		if v.sends(n) {
			n.starting = true
			v.background(n.startEager)
		}
		n.unlock()
	}
}

// sends reports whether parts of a file whose own name is temporary can begin to leave, and
// would make room; v.mu is held and n locked.
func (v *Volume) sends(n *Node) bool {
	if n.state == Writing || n.up != nil || n.starting || !n.eager || n.promised || n.file == nil {
		return false
	}
	return n.file.Written() >= eagerAfter*v.o.PartSize && v.aim(n) != ""
}

// aimed is the key of the upload of which parts have left early; "" if there is none. n is locked.
func (n *Node) aimed() string {
	if n.up == nil {
		return ""
	}
	return n.up.Key()
}

// isStranded reports whether the file can be committed under no name but the one that its
// own tells: the upload to that alone has some of it. n is locked.
func (n *Node) isStranded() bool {
	return n.told && n.isSentAway()
}

// peekStranded locks for a look at what nobody is writing any more.
func (n *Node) peekStranded() bool {
	n.lock()
	defer n.unlock()
	return n.writers == 0 && n.isStranded()
}

// isSentAway reports whether an upload alone has some of the file; n is locked.
func (n *Node) isSentAway() bool { return n.file != nil && n.file.Whole() != nil }

func (n *Node) peekSentAway() bool {
	n.lock()
	defer n.unlock()
	return n.isSentAway()
}

// isPromised reports whether a close or an fsync has promised content of the file that
// nothing but the spool has.
func (n *Node) isPromised() bool {
	n.lock()
	defer n.unlock()
	switch n.state {
	case Writing, Queued, Uploading, Publishing:
		return n.kept > n.committed
	}
	return false
}

// untell gives up an upload to the name that the file's own tells, since it is to be committed
// under its own. It refuses where that upload alone has some of the file; n is locked.
func (n *Node) untell() error {
	if !n.told {
		return nil
	}
	return n.giveUpEager()
}

// errStranded is why only a rename can have such a file committed.
var errStranded = errors.New("the spool is too small for it, and its unfinished upload to that name alone has all of it")

// strandedLeft names what a sync leaves because only a rename can have it committed; nil: nothing.
func (v *Volume) strandedLeft(nodes []*Node) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, n := range nodes {
		n.lock()
		if n.isStranded() {
			errs = append(errs, fmt.Errorf("%s is not safe, and lost when mcfs ends, until it is renamed to %s: %w", v.path(n), n.up.Key(), errStranded))
		}
		n.unlock()
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
		n.lock()
		away, coming := n.isSentAway(), n.asked > n.committed && n.failure == nil
		coming = coming && (n.state == Queued || n.state == Uploading || n.state == Publishing)
		turned := n.turning()
		n.unlock()
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
