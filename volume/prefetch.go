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
// follow n in its directory: "ls -l" and rsync ask for them next.
func (v *Volume) prefetch(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.parent == nil || n.gone || n.kind == Dir && n.dir.described {
		return
	}
	d := n.parent.dir
	at, there := d.scanned(n)
	if !there {
		if !d.walked.Step(n.name) {
			return
		}
		d.scan, at = d.from(n.name), 0
		if len(d.scan) == 0 || d.scan[0] != n {
			return
		}
	}
	scan := d.scan
	batch := append([]*Node(nil), scan[at:min(len(scan), at+prefetchAhead)]...)
	// What is being fetched leaves the list, so that the next miss begins behind it.
	d.scan = scan[min(len(scan), at+prefetchAhead):]
	d.walked.Ahead(batch[len(batch)-1].name)
	var next atomic.Int64
	for range min(prefetchers, len(batch)) {
		v.background(func() {
			for i := next.Add(1) - 1; int(i) < len(batch); i = next.Add(1) - 1 {
				v.describeAhead(batch[i])
			}
		})
	}
}

// scanned finds n in what the last listing has left to be described. It is in the
// order of names, as ReadDir left it, but for what was renamed since; v.mu is held.
func (d *dirState) scanned(n *Node) (at int, there bool) {
	at, there = slices.BinarySearchFunc(d.scan, n.name, func(c *Node, name string) int { return strings.Compare(c.name, name) })
	return at, there && d.scan[at] == n
}

// from is what is known of the directory's files from a name on, in their order; v.mu is held.
func (d *dirState) from(name string) []*Node {
	var rest []*Node
	for other, c := range d.children {
		if other >= name {
			rest = append(rest, c)
		}
	}
	slices.SortFunc(rest, func(a, b *Node) int { return strings.Compare(a.name, b.name) })
	return rest
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
