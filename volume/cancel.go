package volume

import (
	"mcfs/spool"
	"mcfs/volume/changes"
)

// Opposite changes of names that have not left yet cancel out: while the store
// is slow or away, "mv a b; mv b a" or "mkdir d; rmdir d" leaves nothing to do.

// opposite finds the queued rename of n from one path to another that has not
// begun, if undoing it leaves the store as it is; nil if there is none. v.mu is held.
func (v *Volume) opposite(n *Node, from, to string) *change {
	if len(n.queued) != 1 || n.commit.AttemptLocked() != nil {
		return nil
	}
	c := n.queued[0]
	if c.Op == changes.Rename && c.Path == from && c.To == to && c.Replaces == nil && v.retract(c) {
		return c
	}
	return nil
}

// notMade finds the queued change that is to make the object of a directory or
// symlink, if it has not begun; nil if there is none. v.mu is held.
func (v *Volume) notMade(n *Node) *change {
	if len(n.queued) != 1 {
		return nil
	}
	c := n.queued[0]
	if made := c.Op == changes.Link || c.Op == changes.Mkdir && c.makes; made && v.retract(c) {
		return c
	}
	return nil
}

// retract keeps a change from beginning, unless it has, or may have in an earlier
// mount; v.mu is held.
func (v *Volume) retract(c *change) bool {
	return !c.Again && c.job.RetractLocked()
}

// reinstate is the end of a cancellation that could not be journaled; v.mu is held.
func (v *Volume) reinstate(c *change) {
	if c != nil {
		v.queue.ReinstateLocked(c.job)
	}
}

// cancel forgets a retracted change, which its journal entry's end has made durable; v.mu is held.
func (v *Volume) cancel(c *change) {
	v.forgetChange(c)
	if v.attrs[c.node] == c {
		delete(v.attrs, c.node)
	}
	c.node.leave(c)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.dir != nil {
		c.dir.dir.stays(c.name)
	}
	v.queue.FinishLocked(c.job)
	v.signal()
}

// forget is the journal's part of a cancellation; nothing where c is nil.
func (c *change) forget(tx *spool.Tx) error {
	if c == nil {
		return nil
	}
	return tx.DeleteChange(c.Seq)
}
