package volume

import (
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
	undone := c.Op == changes.Rename && c.Path == from && c.To == to && c.Replaces == nil && !v.passesLocked(from, c)
	if undone && v.changes.RetractLocked(&c.Change) {
		return c
	}
	return nil
}

// passesLocked reports whether a queued change other than c takes something to or from the path.
func (v *Volume) passesLocked(path string, c *change) bool {
	for other := range v.changes.QueuedLocked() {
		if other != &c.Change && (other.Path == path || other.To == path) {
			return true
		}
	}
	return false
}

// notMade finds the queued change that is to make the object of a directory or
// symlink, if it has not begun; nil if there is none. v.mu is held.
func (v *Volume) notMade(n *Node) *change {
	if len(n.queued) != 1 {
		return nil
	}
	c := n.queued[0]
	if made := c.Op == changes.Link || c.Op == changes.Mkdir && c.makes; made && v.changes.RetractLocked(&c.Change) {
		return c
	}
	return nil
}

// cancel forgets a retracted change, which its journal entry's end has made durable; v.mu is held.
func (v *Volume) cancel(c *change) {
	c.node.leave(c)
	if c.dir != nil {
		c.dir.dir.Stay(c.name)
	}
	v.changes.CancelLocked(&c.Change)
}
