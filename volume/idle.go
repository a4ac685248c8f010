package volume

// unidle takes a node that is opened out of the list of those that may be forgotten.
func (v *Volume) unidle(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.opened[n] = struct{}{}
	if !n.onIdle {
		return
	}
	n.onIdle = false
	for i, x := range v.idle {
		if x == n {
			v.idle = append(v.idle[:i], v.idle[i+1:]...)
			return
		}
	}
}

// toIdle keeps a file that is not open any more, with its key and cached blocks, and lets the
// oldest such go, and those that have no name or need not stay.
func (v *Volume) toIdle(n *Node) {
	v.mu.Lock()
	if n.content.IsOpen() { // again, by now
		v.mu.Unlock()
		return
	}
	delete(v.opened, n)
	stays := n.content.StaysWhenClosed()
	if stays && !n.onIdle {
		n.onIdle = true
		v.idle = append(v.idle, n)
	}
	var old []*Node
	for len(v.idle) > maxIdle {
		old = append(old, v.idle[0])
		v.idle[0].onIdle = false
		v.idle = v.idle[1:]
	}
	if n.gone || !stays {
		old = append(old, n)
	}
	v.mu.Unlock()
	for _, n := range old {
		n.forgetCache()
	}
}

// forgetCache lets go of a clean file's blocks and key. A draft keeps its own.
func (n *Node) forgetCache() {
	n.v.mu.Lock()
	gone := n.gone
	n.v.mu.Unlock()
	n.content.Forget(gone)
}

// background runs f, which Close waits for. Once Close has waited it runs nothing: what f would
// let go of ends with the process.
func (v *Volume) background(f func()) { v.tasks.Begin(f) }

// releaseAll closes every sealed file at the end: drafts stay on disk, caches go.
func (v *Volume) releaseAll() {
	v.mu.Lock()
	var all []*Node
	v.walk(v.root, func(n *Node) { all = append(all, n) })
	all = append(all, v.idle...)
	for n := range v.opened { // also what has no name any more
		all = append(all, n)
	}
	v.idle = nil
	clear(v.opened)
	v.mu.Unlock()
	for _, n := range all {
		n.content.Release()
	}
}
