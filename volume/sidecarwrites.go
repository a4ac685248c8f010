package volume

import (
	"context"
	"fmt"
	"io"
	"path"
	"time"

	"mcfs/sidecar"
	"mcfs/volume/commit"
	"mcfs/volume/document"
)

// Programs that copy or restore a tree write sidecars as they write files, then stat
// them, set their times, or remove them first. Such a write is discarded and such a
// removal changes nothing, but each is shown for a moment as if it had been done.
const (
	sidecarWriteFor = 2 * time.Second
	unlinkedFor     = time.Second
)

// judgeDraft decides about a draft saved under a sidecar's name. A settings document is
// discarded; other content is an ordinary file, unless it stands beside a file whose
// settings it would be.
func (v *Volume) judgeDraft(n *Node, at string, content io.ReaderAt, length int64) error {
	base, ok := sidecar.Base(path.Base(at))
	if !ok {
		return nil
	}
	if length <= document.Most {
		text := make([]byte, length)
		if k, err := content.ReadAt(text, 0); int64(k) < length {
			return fmt.Errorf("judge %s: %w", at, err)
		}
		if _, err := sidecar.Parse(text); err == nil {
			v.discardSidecarWrite(n)
			return commit.ErrGone
		}
	}
	if !v.makeOrdinary(n, base) {
		return fmt.Errorf("%s is reserved for the settings of %s: %w", at, base, ErrPermission)
	}
	return v.fitsFile(at) // as a settings document it would have none of its own
}

// makeOrdinary makes a draft under a sidecar's name an ordinary file, and reports whether
// it could: not beside a file whose settings it would be.
func (v *Volume) makeOrdinary(n *Node, base string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.parent != nil {
		if file := n.parent.dir.Get(base); file != nil && file.kind == File {
			return false
		}
	}
	n.content.Lock()
	defer n.content.Unlock()
	n.content.Ordinary = true
	return true
}

// judgeAtClose judges a draft under a sidecar's name at its close already. If it is an
// ordinary file, no other file gets the name whose settings it would be while it waits.
func (v *Volume) judgeAtClose(ctx context.Context, n *Node) {
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
	if size <= document.Most {
		text := make([]byte, size)
		if k, err := n.content.Read(ctx, nil, text, 0); int64(k) < size {
			v.log.Debug("not judged at close", "path", n.Path(), "cause", err)
			return // the commit will tell
		}
		if _, err := sidecar.Parse(text); err == nil {
			return
		}
	}
	v.makeOrdinary(n, base)
}

// discardSidecarWrite takes a settings document written under a sidecar's name out of the tree.
func (v *Volume) discardSidecarWrite(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	id, filed := n.content.EntryIDLocked()
	n.content.Unlock()
	v.discard(n)
	if d := n.parent; d != nil {
		v.unlink(d, n)
		d.dir.sidecarWrites.Note(n.name, n, sidecarWriteFor)
		if base, ok := sidecar.Base(n.name); ok && d.dir.Get(base) != nil && d.dir.Get(base).side != nil {
			d.dir.Get(base).side.doc.unlinked = time.Time{} // and the true one is shown again
		}
	}
	v.trackLocked(n)
	if filed {
		v.finishEntry(id)
	}
}

// sidecarWriteNode is the settings document that was written under the name a moment ago.
func (v *Volume) sidecarWriteNode(d *Node, name string) (*Node, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, recent := d.dir.sidecarWrites.Get(name); recent {
		return n, nil
	}
	return nil, ErrNotExist
}

// endSidecarWrite is what the removal of a discarded settings document does; it reports
// whether n is one.
func (v *Volume) endSidecarWrite(d, n *Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if written, _ := d.dir.sidecarWrites.Get(n.name); !n.gone || written != n {
		return false
	}
	d.dir.sidecarWrites.Forget(n.name)
	return true
}

// openSidecarWrite opens a discarded settings document, so that its mode can be set
// through a descriptor; nil if n is none. For writing it is ErrStale: the kernel looks the name up again.
func (v *Volume) openSidecarWrite(n *Node, h *Handle) (*Handle, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !n.gone || n.parent == nil {
		return nil, nil
	}
	if written, _ := n.parent.dir.sidecarWrites.Get(n.name); written != n {
		return nil, nil
	}
	if h.writable() {
		n.parent.dir.sidecarWrites.Forget(n.name)
		return nil, ErrStale
	}
	h.document = document.New(nil)
	return h, nil
}

// findSidecar returns the node of the sidecar of that name, if there is one.
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
		return v.sidecarWriteNode(d, name)
	}
	return v.sidecarNode(file), nil
}

// unlinkSidecar succeeds and changes nothing.
func (v *Volume) unlinkSidecar(side *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	side.doc.unlinked, side.doc.disowned = time.Now(), true
}

// UnlinkedJustNow reports whether a program has removed this sidecar a moment ago. It is
// hidden then: tar removes what is in its way, and tries again as long as it is there.
func (n *Node) UnlinkedJustNow() bool {
	if n.kind != Sidecar {
		return false
	}
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	return time.Since(n.doc.unlinked) < unlinkedFor
}
