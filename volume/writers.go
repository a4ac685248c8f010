package volume

import (
	"context"
	"fmt"
	"time"

	"mcfs/volume/writers"
)

// Writer is a process that has a file open for writing, or must rename one that would else be lost.
type Writer = writers.Writer

// Writers lists the processes that have files open for writing, by path. What has been committed by a
// close is not among them, though the kernel may not have let go of it yet. What is closed
// and lost unless it is renamed is.
func (v *Volume) Writers() []Writer {
	open := v.writers.Open()
	list := v.unrenamed() // after that: what is closed in between is in both
	for _, h := range open {
		if h.isDone() {
			continue
		}
		w := Writer{Path: h.n.Path()}
		if s, ok := h.by.(fmt.Stringer); ok {
			w.By = s.String()
		}
		list = append(list, w)
	}
	return writers.Sorted(list)
}

// unrenamed lists what only a rename can have committed.
func (v *Volume) unrenamed() (list []Writer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.content.Lock()
		if !n.gone && n.content.Writers == 0 && n.content.IsStrandedLocked() {
			list = append(list, Writer{Path: v.path(n), Told: n.content.EarlyKeyLocked()})
		}
		n.content.Unlock()
	}
	return list
}

// AwaitWriters returns nil when no file is open for writing, or the writers there are when
// stop is closed. tell, if there is one, is called with the list whenever it changes.
func (v *Volume) AwaitWriters(stop <-chan struct{}, tell func([]Writer)) []Writer {
	return v.writers.Await(stop, v.Writers, tell)
}

// isClosed reports whether all descriptors of the file that can write are closed, also where
// the kernel has not let go of them yet.
func (v *Volume) isClosed(n *Node) bool {
	for _, h := range v.writers.Open() {
		if h.n == n && !h.isDone() {
			return false
		}
	}
	return true
}

// releasePatience is how long a rename waits for the kernel to release what is closed: it has
// sent that before close(2) returned, among what else it sends behind.
const releasePatience = time.Second

// awaitReleases waits until what is closed of a file under a passing name, or of such files below a
// directory, is released, so that a rename finds nobody writing it. It does not wait for a
// descriptor that is still there, nor for a file whose close has asked for its commit.
func (v *Volume) awaitReleases(ctx context.Context, top *Node) {
	ctx, cancel := context.WithTimeout(ctx, releasePatience)
	defer cancel()
	v.writers.Await(ctx.Done(), func() (list []Writer) {
		for _, h := range v.writers.Open() {
			if h.n.content.WaitsForName() && v.isBelow(h.n, top) && h.isClosed() {
				list = append(list, Writer{})
			}
		}
		return list
	}, nil)
}

// isBelow reports whether a node is top, or lies below it.
func (v *Volume) isBelow(n, top *Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for ; n != nil; n = n.parent {
		if n == top {
			return true
		}
	}
	return false
}

// isClosed reports whether the process that has closed the handle has no descriptor of it
// any more, as far as can be told.
func (h *Handle) isClosed() bool {
	h.mu.Lock()
	done, by := h.done, h.doneBy
	h.mu.Unlock()
	return done && by != nil && !by.Holds(h.n.ino, h.n.baseName())
}

// isDone reports whether a close has committed, or is committing, all that was written
// through the handle.
func (h *Handle) isDone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.done
}

// isDoneBy is isDone for the close of one process.
func (h *Handle) isDoneBy(p Process) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.done && h.doneBy != nil && h.doneBy.Same(p)
}

// markDone notes that a close is committing all that was written through the
// handle, so that nobody is cut off if the mount ends.
func (h *Handle) markDone(by Process) {
	h.mu.Lock()
	h.done, h.doneBy = true, by
	h.mu.Unlock()
	h.n.v.writers.Wake()
}
