package volume

import (
	"context"
	"sync/atomic"
)

// prefetchers is how many descriptions are fetched at once ahead of a program that stats
// one file of a directory after another.
const prefetchers = 32

// prefetch fetches, in the background, the descriptions of the files that
// follow n in its directory: "ls -l" and rsync ask for them next.
func (v *Volume) prefetch(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.parent == nil || n.gone || n.kind == Dir && n.dir.IsDescribed() {
		return
	}
	batch := n.parent.dir.Ahead(n.name, n)
	var next atomic.Int64
	for range min(prefetchers, len(batch)) {
		v.background(func() {
			for i := next.Add(1) - 1; int(i) < len(batch); i = next.Add(1) - 1 {
				v.describeAhead(batch[i])
			}
		})
	}
}

func (v *Volume) describeAhead(n *Node) {
	ctx, cancel := context.WithTimeout(v.ctx, waitUnknown)
	defer cancel()
	describe := n.describe
	if n.kind == Dir {
		describe = n.describeDir
	}
	if err := describe(ctx); err != nil && v.ctx.Err() == nil {
		v.log.Debug("description not fetched ahead", "path", n.Path(), "cause", err)
	}
}
