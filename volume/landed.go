package volume

import (
	"time"

	"mcfs/volume/commit"
	"mcfs/volume/remote"
)

// LandedLocked implements commit.Host.
func (o owner) LandedLocked(l commit.Landed) (again, interrupted bool) { return o.n.v.landed(o.n, l) }

// landed makes what has been committed the node's version; v.mu is held.
func (v *Volume) landed(n *Node, l commit.Landed) (again, interrupted bool) {
	v.finished += l.Version.Cipher
	n.changed = time.Now()
	v.forgetAttr(n) // it was of the version before; what is new since is restated
	n.content.Lock()
	drawn := v.localises(n, l.Version)
	n.content.LandLocked(l.Version, l.Gen, !drawn)
	if drawn {
		v.detachCommitted(n)
	}
	again, interrupted = n.content.GoOnLocked(l.Gen)
	rejournal, attr := n.content.Kept > l.Gen, n.content.Attr
	if n.content.Gen > l.Gen {
		attr.Mtime = l.Version.Attr().Mtime // n's is of what has been written since
	}
	restate := !rejournal && remote.Differ(attr, l.Version.Attr())
	id, filed := n.content.EntryIDLocked()
	idle := n.content.Opens == 0 && n.content.State == Clean
	n.content.Unlock()
	v.trackLocked(n)
	v.changes.RestateCarriersLocked(l.Version)
	if restate { // they were set while the file was being committed, and only its entry has them, which goes
		if err := v.restate(n, l.Version, attr); err != nil {
			v.log.Error("attributes of a file are not on their way to the store", "path", v.path(n), "cause", err)
		}
	}
	v.endOrKeepEntry(n, id, filed, rejournal)
	if idle {
		v.background(func() { v.toIdle(n) })
	}
	return again, interrupted
}
