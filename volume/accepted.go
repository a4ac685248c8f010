package volume

import (
	"context"
	"fmt"
	"path"
	"time"

	"mcfs/sidecar"
)

// Programs that copy or restore a tree write sidecars as they write files, and
// go on to stat them, to set their times, or to remove one before they make it
// anew. What they wrote is discarded and what they removed is still there, but
// for a moment they are left in the belief that it is as they did.
const (
	acceptedFor = 2 * time.Second
	unlinkedFor = time.Second
)

// accepted is a settings document that was taken and discarded.
type accepted struct {
	n  *Node
	at time.Time
}

// judgeDraft decides about a draft saved under a sidecar's name. Content that
// is a settings document is accepted and discarded: the true one is made anew
// with its file. Other content is an ordinary file, unless a file stands beside
// it whose settings these would be.
func (v *Volume) judgeDraft(n *Node, a *attempt) error {
	base, ok := sidecar.Base(path.Base(a.path))
	if !ok {
		return nil
	}
	if a.size <= maxDocument {
		text := make([]byte, a.size)
		if k, err := a.view.ReadAt(text, 0); int64(k) < a.size {
			return fmt.Errorf("judge %s: %w", a.path, err)
		}
		if _, err := sidecar.Parse(text); err == nil {
			v.accept(n)
			a.cancel(errGone)
			return errGone
		}
	}
	if !v.ordain(n, base) {
		return fmt.Errorf("%s is reserved for the settings of %s: %w", a.path, base, ErrPermission)
	}
	return v.fitsFile(a.path) // as a settings document it would have none of its own
}

// ordain makes a draft under a sidecar's name an ordinary file, unless a file
// stands beside it whose settings these would be.
func (v *Volume) ordain(n *Node, base string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.parent != nil {
		if file := n.parent.dir.children[base]; file != nil && file.kind == File {
			return false
		}
	}
	n.content.Lock()
	defer n.content.Unlock()
	n.content.Ordinary = true
	return true
}

// foresee tells at the close of a draft under a sidecar's name what its commit is
// going to find, should it be no settings document: from then on no other file
// gets the name whose settings it would be, however long the commit may take.
func (v *Volume) foresee(ctx context.Context, n *Node) {
	v.mu.Lock()
	base, ok := sidecar.Base(n.name)
	v.mu.Unlock()
	if !ok {
		return
	}
	n.content.Lock()
	size, open := n.content.SizeLocked(), n.content.State == Writing && n.content.Base == nil && !n.content.Ordinary
	n.content.Unlock()
	if !open {
		return
	}
	if size <= maxDocument {
		text := make([]byte, size)
		if k, err := n.content.Read(ctx, nil, text, 0); int64(k) < size {
			v.log.Debug("not judged at close", "path", n.Path(), "cause", err)
			return // the commit will tell
		}
		if _, err := sidecar.Parse(text); err == nil {
			return
		}
	}
	v.ordain(n, base)
}

// accept takes a draft out of the tree that was never to be an object.
func (v *Volume) accept(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	id, filed := n.content.EntryIDLocked()
	n.content.Unlock()
	v.discard(n)
	if d := n.parent; d != nil {
		v.unlink(d, n)
		for name, old := range d.dir.accepted {
			if time.Since(old.at) > acceptedFor {
				delete(d.dir.accepted, name)
			}
		}
		if d.dir.accepted == nil {
			d.dir.accepted = make(map[string]accepted)
		}
		d.dir.accepted[n.name] = accepted{n, time.Now()}
		if base, ok := sidecar.Base(n.name); ok && d.dir.children[base] != nil && d.dir.children[base].side != nil {
			d.dir.children[base].side.unlinked = time.Time{} // and the true one is in sight again
		}
	}
	v.trackLocked(n)
	if filed {
		v.finishEntry(id)
	}
}

// acceptedNode is the document that was accepted under the name a moment ago.
func (v *Volume) acceptedNode(d *Node, name string) (*Node, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if a, ok := d.dir.accepted[name]; ok && time.Since(a.at) < acceptedFor {
		return a.n, nil
	}
	return nil, ErrNotExist
}

// openAccepted opens such a document for one who sets its mode through a
// descriptor; nil if n is none. It ends the belief of one who wants to write:
// ErrStale has the kernel look the name up again, and find nothing.
func (v *Volume) openAccepted(n *Node, h *Handle) (*Handle, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !n.gone || n.parent == nil || n.parent.dir.accepted[n.name].n != n {
		return nil, nil
	}
	if h.writable() {
		delete(n.parent.dir.accepted, n.name)
		return nil, ErrStale
	}
	h.document = &document{}
	return h, nil
}

// findSidecar gives the node of the sidecar that bears the name, if there is one.
func (v *Volume) findSidecar(ctx context.Context, d *Node, name string) (*Node, error) {
	base, ok := sidecar.Base(name)
	if !ok {
		return nil, ErrNotExist
	}
	file, err := v.child(ctx, d, base)
	if err != nil {
		return nil, err
	}
	if file == nil || file.kind != File || !v.hasSidecar(ctx, file) {
		return v.acceptedNode(d, name)
	}
	return v.sidecarNode(file), nil
}

// unlinkSidecar succeeds and changes nothing.
func (v *Volume) unlinkSidecar(side *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	side.unlinked, side.disowned = time.Now(), true
}

// UnlinkedJustNow says of a sidecar that a program has removed it a moment ago.
// Where it cannot be known who makes a file anew, it is to be out of sight then:
// tar removes what is in its way, and tries again for as long as it is there.
func (n *Node) UnlinkedJustNow() bool {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	return time.Since(n.unlinked) < unlinkedFor
}
