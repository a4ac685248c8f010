package volume

import (
	"fmt"
	"time"

	"mcfs/sidecar"
)

// track enters the node into the volume's list of drafts, or takes it out.
func (v *Volume) track(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trackLocked(n)
}

func (v *Volume) trackLocked(n *Node) {
	if n.stale && n.kind == File && n.content.PeekState() != Clean {
		v.toConflictName(n)
	}
	if n.content.PeekState() == Clean || n.gone {
		if _, ok := v.busy[n]; ok {
			delete(v.busy, n)
			v.signal()
		}
		return
	}
	n.changed = time.Now()
	v.busy[n] = struct{}{}
}

// changeAttr changes attributes: of a draft they are committed with it, of a
// clean file they are written behind, with others that come soon.
func (n *Node) changeAttr(s SetAttr) error {
	n.content.Lock()
	next := n.content.Attr
	s.apply(&next)
	if err := n.fits(next); err != nil {
		n.content.Unlock()
		return err
	}
	switch {
	case s.Atime != nil:
		n.content.Atime = *s.Atime
	case s.Mtime != nil:
		n.content.KeepAtimeLocked()
	}
	n.content.Ctime = time.Now()
	same := next.Mode == n.content.Attr.Mode && next.UID == n.content.Attr.UID && next.GID == n.content.Attr.GID && next.Mtime.Equal(n.content.Attr.Mtime)
	n.content.Attr = next
	n.content.Unlock()
	if same {
		return nil
	}
	return n.attrChanged()
}

// fits refuses what could not be written later; n is locked.
func (n *Node) fits(a sidecar.Attr) error {
	fits := a.Fits
	if n.kind != File {
		fits = a.FitsAlone
	}
	if err := fits(); err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}

// attrChanged has changed attributes written: with the draft, if there is one,
// else by themselves.
func (n *Node) attrChanged() error {
	n.content.Lock()
	clean, ver, promised := n.content.State == Clean, n.content.Base, n.content.Kept > n.content.Committed
	n.content.Unlock()
	switch {
	case !clean && promised:
		n.v.rejournal(n)
		return nil
	case !clean, ver == nil, ver.Foreign():
		return nil // a foreign object is never altered: the change lasts as long as the mount
	}
	return n.v.queueAttr(n)
}
