package volume

import (
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// queueAttr has the sidecar of a clean file put again, soon: changes that come
// within attrDelay share one request.
func (v *Volume) queueAttr(n *Node) error {
	v.mu.Lock()
	if n.local && !n.gone {
		defer v.mu.Unlock()
		return v.journalLocal(n)
	}
	n.content.Lock()
	attr, ver := n.content.Attr, n.content.Base
	n.content.Unlock()
	fresh := v.attrs[n] == nil
	err := v.restate(n, ver, attr)
	v.mu.Unlock()
	if err != nil || !fresh {
		return err
	}
	return v.flush()
}

// restate queues the attributes that a version is to state. They are in the
// journal before whatever is queued there from now on; v.mu is held.
func (v *Volume) restate(n *Node, ver *remote.Version, attr sidecar.Attr) error {
	if n.gone || ver == nil {
		return nil
	}
	if c := v.attrs[n]; c != nil {
		return v.restateChange(c, attr)
	}
	return v.waitForMore(&change{Change: changes.Change{Op: changes.Attr, Path: v.path(n), Ver: ver, Attr: attr}, node: n})
}

// flush makes durable what was journaled to be written a little later.
func (v *Volume) flush() error {
	if err := v.spool.Journal().Flush(); err != nil {
		return file.FromSpool(fmt.Errorf("journal: %w", err))
	}
	return nil
}

// forgetAttr drops a change of attributes that has not begun, because its file or
// directory is gone, or has been committed anew: carried out later, or after a
// crash, it would bring a directory back, or fall upon the next file or version of
// that name. What has overtaken it is in the journal already, and is done there
// no sooner than this. v.mu is held.
func (v *Volume) forgetAttr(c *change) {
	c.timer.Stop()
	delete(v.attrs, c.node)
	delete(v.changes, c.Seq)
	c.node.leave(c)
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) })
	v.signal()
}

// followName journals a change of attributes anew, behind the rename that has just
// given its file or directory another name: under the old one, the next mount
// would bring that back. v.mu is held.
func (v *Volume) followName(c *change) {
	path := v.path(c.node)
	if c.Op == changes.Mkdir {
		path += "/"
	}
	if path == c.Path || c.job != nil {
		return
	}
	c.Path = path
	if err := c.Pack(); err != nil {
		v.log.Error("journal", "what", c.Op, "path", path, "cause", err)
		return
	}
	old := c.Seq
	delete(v.changes, old)
	c.Seq = v.spool.Journal().Number()
	v.changes[c.Seq] = c
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteChange(old) })
	v.journalSoon(c)
}

// beginAttr claims the path under which the file is by now.
func (v *Volume) beginAttr(c *change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changes[c.Seq] != c {
		return // forgotten
	}
	if v.comesLater(c) && c.waited < maxWaits && c.job == nil {
		c.waited++
		c.timer = time.AfterFunc(attrDelay, func() { v.beginAttr(c) })
		return
	}
	v.beginAttrLocked(c)
}

// maxWaits is how often a marker waits attrDelay for what is under way in its directory.
const maxWaits = 30

// comesLater reports whether a change is of a directory in which something is under
// way: its marker comes last. Stores that keep directories as a disk does change
// a marker's time with each entry. v.mu is held.
func (v *Volume) comesLater(c *change) bool {
	if c.Op != changes.Mkdir || c.node == nil || c.node.gone {
		return false
	}
	for _, child := range c.node.dir.children {
		if len(child.queued) > 0 || child.commit.AttemptLocked() != nil {
			return true
		}
	}
	return false
}

func (v *Volume) beginAttrLocked(c *change) {
	if c.job != nil {
		return
	}
	if c.node != nil {
		c.Path = v.path(c.node)
		if c.Op == changes.Mkdir {
			c.Path += "/"
		}
	}
	c.job = v.queue.AddLocked(func() { v.perform(c) }, c.Claims()...)
}

// beginDelayed begins what waits for more to come; v.mu is held.
func (v *Volume) beginDelayed() {
	for _, c := range v.attrs {
		if c.timer != nil && c.job == nil && !v.comesLater(c) {
			c.timer.Stop()
			v.beginAttrLocked(c)
		}
	}
}
