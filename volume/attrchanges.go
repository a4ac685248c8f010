package volume

import (
	"mcfs/sidecar"
	"mcfs/volume/changes"
	"mcfs/volume/remote"
)

// queueAttr has the sidecar of a clean file put again, soon: changes that come
// a moment later share its request.
func (v *Volume) queueAttr(n *Node) error {
	v.mu.Lock()
	if n.local && !n.gone {
		defer v.mu.Unlock()
		return v.journalLocal(n)
	}
	n.content.Lock()
	attr, ver := n.content.Attr, n.content.Base
	n.content.Unlock()
	fresh := n.rewrite == nil
	err := v.restate(n, ver, attr)
	v.mu.Unlock()
	if err != nil || !fresh {
		return err
	}
	return v.changes.Flush()
}

// restate queues the attributes that a version is to state. They are in the
// journal before whatever is queued there from now on; v.mu is held.
func (v *Volume) restate(n *Node, ver *remote.Version, attr sidecar.Attr) error {
	if n.gone || ver == nil {
		return nil
	}
	if c := n.rewrite; c != nil {
		return v.changes.RestateLocked(&c.Change, attr)
	}
	return v.waitForMore(&change{Change: changes.Change{Op: changes.Attr, Path: v.path(n), Ver: ver, Attr: attr}, node: n})
}

// waitForMore has a change of attributes begin a little later; v.mu is held.
func (v *Volume) waitForMore(c *change) error {
	if err := v.changes.DelayLocked(&c.Change, work{v, c}); err != nil {
		return err
	}
	c.node.rewrite = c
	c.node.queued = append(c.node.queued, c)
	return nil
}

// noMore has what changes of the attributes from now on be another change than c; v.mu is held.
func (n *Node) noMore(c *change) {
	if n.rewrite == c {
		n.rewrite = nil
	}
}

// forgetAttr drops the change of the node's attributes that has not begun, because the node is
// gone, or has been committed anew; v.mu is held.
func (v *Volume) forgetAttr(n *Node) {
	c := n.rewrite
	if c == nil || !v.changes.IsDelayedLocked(&c.Change) {
		return
	}
	n.leave(c)
	v.changes.ForgetLocked(&c.Change)
}

// followName journals the change of the node's attributes that has not begun under its name of now; v.mu is held.
func (v *Volume) followName(n *Node) {
	if c := n.rewrite; c != nil {
		v.changes.FollowLocked(&c.Change)
	}
}
