package volume

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
)

// prefetchAhead is how many descriptions are fetched ahead of a program that
// stats one file of a directory after another, prefetchers how many at once.
const (
	prefetchAhead = 256
	prefetchers   = 32
)

// prefetch fetches, in the background, the descriptions of the files that
// follow n in its directory's last listing: "ls -l" and rsync ask for them next.
func (v *Volume) prefetch(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.parent == nil || n.gone || n.kind == Dir && n.dir.described {
		return
	}
	scan := n.parent.dir.scan
	// In the order of names, as ReadDir left it, but for what was renamed since.
	at, there := slices.BinarySearchFunc(scan, n.name, func(c *Node, name string) int { return strings.Compare(c.name, name) })
	if !there || scan[at] != n {
		return
	}
	batch := append([]*Node(nil), scan[at:min(len(scan), at+prefetchAhead)]...)
	// What is being fetched leaves the list, so that the next miss begins behind it.
	n.parent.dir.scan = scan[min(len(scan), at+prefetchAhead):]
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
