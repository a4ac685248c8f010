package volume

import (
	"fmt"
	"slices"
	"strings"
)

// Writer is a process that has a file open for writing, or must rename one that would else be lost.
type Writer struct {
	Path string // as it is now; "" where the file has no name
	By   string // the program and the id of its process; "" if that is not known
	Told string // the only path under which the file can be committed, which it has not got yet; "": it is open
}

func (w Writer) String() string {
	by, path := w.By, w.Path
	switch {
	case w.Told != "":
		by = "whoever is to rename it to " + w.Told
	case by == "":
		by = "a program"
	}
	if path == "" {
		path = "a file without a name"
	}
	return fmt.Sprintf("%s: %s", by, path)
}

// Writers lists the processes that have files open for writing, by path. What has been committed by a
// close is not among them, though the kernel may not have let go of it yet. What is closed
// and lost unless it is renamed is.
func (v *Volume) Writers() []Writer {
	v.handlesMu.Lock()
	open := make([]*Handle, 0, len(v.handles))
	for h := range v.handles {
		open = append(open, h)
	}
	v.handlesMu.Unlock()
	list := v.unrenamed()
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
	slices.SortFunc(list, func(a, b Writer) int { return strings.Compare(a.String(), b.String()) })
	slices.SortStableFunc(list, func(a, b Writer) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(list)
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

// wakeWriters is turnWriters for who does not hold handlesMu.
func (v *Volume) wakeWriters() {
	v.handlesMu.Lock()
	defer v.handlesMu.Unlock()
	v.turnWriters()
}

// writerChange is closed when a handle that can write is released or committed.
func (v *Volume) writerChange() <-chan struct{} {
	v.handlesMu.Lock()
	defer v.handlesMu.Unlock()
	if v.handled == nil {
		v.handled = make(chan struct{})
	}
	return v.handled
}

// AwaitWriters returns nil when no file is open for writing, or the writers there are when
// stop is closed. tell, if there is one, is called with the list whenever it changes.
func (v *Volume) AwaitWriters(stop <-chan struct{}, tell func([]Writer)) []Writer {
	var told []Writer
	for {
		changed := v.writerChange()
		list := v.Writers()
		if len(list) == 0 {
			return nil
		}
		if tell != nil && !slices.Equal(list, told) {
			told = list
			tell(list)
		}
		select {
		case <-changed:
		case <-stop:
			return list
		}
	}
}

// registerWriter notes a program's handle that can write; unregisterWriter, its end.
func (v *Volume) registerWriter(h *Handle) {
	v.handlesMu.Lock()
	defer v.handlesMu.Unlock()
	v.handles[h] = struct{}{}
}

func (v *Volume) unregisterWriter(h *Handle) {
	v.handlesMu.Lock()
	defer v.handlesMu.Unlock()
	delete(v.handles, h)
	v.turnWriters()
}

// isClosed reports whether all descriptors of the file that can write are closed, also where
// the kernel has not let go of them yet.
func (v *Volume) isClosed(n *Node) bool {
	v.handlesMu.Lock()
	defer v.handlesMu.Unlock()
	for h := range v.handles {
		if h.n == n && !h.isDone() {
			return false
		}
	}
	return true
}

// isDone reports whether a close has committed, or is committing, all that was written
// through the handle.
func (h *Handle) isDone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.done
}

// turnWriters wakes those who wait for writers; handlesMu is held.
func (v *Volume) turnWriters() {
	if v.handled != nil {
		close(v.handled)
		v.handled = nil
	}
}

// markDone notes that a close is committing all that was written through the
// handle, so that nobody is cut off if the mount ends.
func (h *Handle) markDone() {
	h.mu.Lock()
	h.done = true
	h.mu.Unlock()
	h.n.v.wakeWriters()
}
