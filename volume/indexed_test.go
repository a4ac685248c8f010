package volume

import (
	"slices"

	"mcfs/volume/changes"
)

// indexed checks that the queued changes are found from their nodes and drafts, each once, and
// that nothing else is.
func (r *rig) indexed() {
	r.t.Helper()
	v := r.v
	v.mu.Lock()
	defer v.mu.Unlock()
	queued := make(map[*change]bool)
	for said := range v.changes.QueuedLocked() {
		c := treeOf(said)
		queued[c] = true
		if c.node != nil && count(c.node.queued, c) != 1 {
			r.t.Errorf("%s %s is not among its node's changes, or twice", c.Op, c.Path)
		}
		if c.Op == changes.Localise && count(v.changes.LocalisingLocked(c.Entry), said) != 1 {
			r.t.Errorf("%s %s is not among its draft's changes, or twice", c.Op, c.Path)
		}
	}
	v.walk(v.root, func(n *Node) {
		ended := func(c *change) bool { return !queued[c] }
		if slices.ContainsFunc(n.queued, ended) || n.rewrite != nil && ended(n.rewrite) {
			r.t.Errorf("%s has a change that has ended", v.path(n))
		}
	})
}

// count is how often x is in the list.
func count[T comparable](list []T, x T) (n int) {
	for _, y := range list {
		if y == x {
			n++
		}
	}
	return n
}
