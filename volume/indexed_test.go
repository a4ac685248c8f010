package volume

import (
	"slices"

	"mcfs/volume/changes"
)

// indexed checks that the queued changes are found from their nodes, versions and drafts, each
// once, and that nothing else is.
func (r *rig) indexed() {
	r.t.Helper()
	v := r.v
	v.mu.Lock()
	defer v.mu.Unlock()
	once := func(list []*change, c *change) bool {
		n := 0
		for _, x := range list {
			if x == c {
				n++
			}
		}
		return n == 1
	}
	for _, c := range v.changes {
		switch {
		case c.node != nil && !once(c.node.queued, c):
			r.t.Errorf("%s %s is not among its node's changes, or twice", c.Op, c.Path)
		case c.carries != nil && !once(v.carriers[c.carries], c):
			r.t.Errorf("%s %s is not among its version's changes, or twice", c.Op, c.Path)
		case c.Op == changes.Localise && !once(v.localising[c.Entry], c):
			r.t.Errorf("%s %s is not among its draft's changes, or twice", c.Op, c.Path)
		}
	}
	ended := func(c *change) bool { return v.changes[c.Seq] != c }
	v.walk(v.root, func(n *Node) {
		if slices.ContainsFunc(n.queued, ended) {
			r.t.Errorf("%s has a change that has ended", v.path(n))
		}
	})
	for _, list := range v.carriers {
		if len(list) == 0 || slices.ContainsFunc(list, ended) {
			r.t.Error("a version has a change that has ended")
		}
	}
	for _, list := range v.localising {
		if len(list) == 0 || slices.ContainsFunc(list, ended) {
			r.t.Error("a draft has a change that has ended")
		}
	}
}
