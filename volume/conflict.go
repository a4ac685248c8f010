package volume

import (
	"errors"
	"os"
	"path"
	"time"

	"mcfs/volume/file"
	"mcfs/volume/naming"
)

// GiveWay implements commit.Host.
func (o owner) GiveWay(at string, end func()) {
	v, n := o.n.v, o.n
	v.names.Lock()
	defer v.names.Unlock()
	v.giveWay(n, at, end)
	if err := errors.Join(n.content.KeepBytes(file.Behind), v.journalNamed(n)); err != nil {
		v.log.Error("a conflicting draft is not safe in the spool", "path", at, "cause", err)
	}
}

// giveWay is the tree's part of GiveWay; names is held.
func (v *Volume) giveWay(n *Node, at string, end func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was := v.path(n)
	name := path.Base(v.conflictPath(was))
	v.log.Error("another machine saved the file meanwhile; ours is kept beside it", "path", at, "kept as", name)
	end()
	if !n.gone && n.parent != nil && n.parent.dir.Get(name) == nil {
		v.applyConflictName(n, name)
		v.noteConflict(was, v.path(n), n)
	}
}

// TheirsAsideLocked implements commit.Host.
func (o owner) TheirsAsideLocked(at, aside string) {
	if d := o.n.parent; d != nil {
		d.dir.Expire(o.n.name)
	}
	o.n.v.noteConflict(at, aside, nil)
}

// applyConflictName gives a node its other name in the tree; v.mu is held.
func (v *Volume) applyConflictName(n *Node, name string) {
	d, old, now := n.parent, n.name, time.Now()
	d.dir.DropIf(old, n)
	d.dir.Expire(old)
	n.name, n.changed = name, now
	d.dir.Put(name, n)
	n.misled = now.Add(believed)
	v.followName(n)
}

// moveToConflictName sends what was to go to a name that another machine has saved
// meanwhile to the conflict name beside it.
func (v *Volume) moveToConflictName(c *change) error {
	v.names.Lock()
	defer v.names.Unlock()
	taken := *c.Target()
	to := v.conflictPath(taken)
	v.log.Error("another machine saved the name meanwhile; ours is kept beside it", "path", taken, "kept as", to)
	v.mu.Lock()
	if n := c.node; n != nil && !n.gone && n.parent != nil && v.path(n) == taken {
		v.applyConflictName(n, path.Base(to))
	}
	v.noteConflict(taken, to, c.node)
	v.changes.DivertLocked(&c.Change, to)
	v.mu.Unlock()
	return v.changes.Save(&c.Change)
}

// toConflictName makes a draft of a file whose name another machine has taken since it
// was opened: nothing that is written to it may be lost, nor go over what is
// there now. It appears under the conflict name, and the next close tells. v.mu is held.
func (v *Volume) toConflictName(n *Node) {
	d := n.parent
	for d.gone && d.parent != nil {
		d = d.parent
	}
	name := path.Base(v.conflictPath(naming.Join(v.path(d), n.name)))
	v.log.Error("another machine saved the file since it was opened here; what is written is kept beside it",
		"path", v.path(n), "kept as", naming.Join(v.path(d), name))
	v.noteConflict(v.path(n), naming.Join(v.path(d), name), n)
	n.stale, n.gone, n.parent, n.name = false, false, d, name
	d.dir.Put(name, n)
	n.content.Lock()
	n.content.Divided, n.content.Replaces = true, nil
	n.content.Unlock()
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return naming.Host(host)
}

// conflictPath is where the version is kept that has to give way at p.
func (v *Volume) conflictPath(p string) string { return v.besidePath(p, hostname()) }
