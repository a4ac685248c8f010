package volume

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/naming"
)

// ErrIncomplete: not all that is needed of a file in quarantine is there.
var ErrIncomplete = errors.New("it is not whole")

// Restore brings a sealed file back from quarantine, as an interrupted draft: under its
// path, where a lost draft stands for it or nothing does, or else under a name beside it.
// It gives the path. What is damaged or not whole stays where it is.
func (v *Volume) Restore(ctx context.Context, id string) (string, error) {
	if v.isClosing() {
		return "", ErrShutdown
	}
	q, err := v.spool.FindQuarantined(id)
	if err != nil {
		return "", err
	}
	unwrap := func(wrapped []byte, keyID string) ([]byte, error) { return v.unwrap(ctx, wrapped, keyID) }
	h, lacks, err := inspect(q, unwrap)
	if err != nil {
		return "", err
	}
	taken := v.isTaken(ctx, h.Path)
	key, err := unwrap(h.Wrapped, h.KeyID)
	if err != nil {
		return "", err
	}
	defer clear(key)
	v.names.Lock()
	defer v.names.Unlock()
	n, err := v.takeBack(q, h, key, lacks, taken)
	if err != nil {
		return "", fmt.Errorf("restore %s: %w", q.ID, err)
	}
	if err := v.journalNamed(n); err != nil {
		return "", fmt.Errorf("restore %s: %w", q.ID, err)
	}
	at := n.Path()
	v.log.Info("draft restored from quarantine", "path", at, "id", q.ID)
	return at, q.Remove() // only now: a crash before leaves it in both places
}

// inspect reads all of it: a draft of which something does not authenticate would soon be
// in quarantine again.
func inspect(q spool.Quarantined, unwrap spool.Unwrap) (h spool.Header, l spool.Lacks, err error) {
	s, err := spool.OpenSalvage(q, unwrap)
	if err != nil {
		return h, l, err
	}
	defer s.Close()
	l, err = s.Read(func([]byte, int64) error { return nil })
	switch {
	case err != nil:
		return h, l, fmt.Errorf("read %s: %w", q.ID, err)
	case len(l.Damaged) > 0 || s.Headless || s.Torn:
		return h, l, fmt.Errorf("%s is damaged; what of it is whole can be exported: %w", q.ID, spool.ErrCorrupt)
	}
	return s.Header, l, nil
}

// isTaken reports whether a name is another file's, as far as that can be told now.
func (v *Volume) isTaken(ctx context.Context, name string) bool {
	n := v.root
	for _, elem := range naming.Elements(name) {
		c, err := n.lookup(ctx, elem)
		if err != nil {
			return false
		}
		if c.kind != Dir {
			return true
		}
		n = c
	}
	return true // a directory
}

// takeBack makes a draft of the sealed file; names is held.
func (v *Volume) takeBack(q spool.Quarantined, h spool.Header, key []byte, lacks spool.Lacks, taken bool) (*Node, error) {
	n := v.lostAs(h.ID)
	if len(lacks.Sent) > 0 || len(lacks.Base) > 0 && !n.hasBase() {
		return nil, fmt.Errorf("%w: parts of it were the earlier version's, or were sent and dropped; what there is can be exported", ErrIncomplete)
	}
	if n != nil {
		n.content.LetGoLost()
	}
	id, err := v.spool.Reinstate(q)
	if err != nil {
		return nil, err
	}
	f, err := v.spool.Load(id, key)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return v.bringBackAs(f, h, v.restoredPath(h.Path, taken)), nil
	}
	n.content.Reinstate(f, h)
	v.stepAside(n)
	return n, nil
}

// stepAside gives a restored draft another name if the one that it has is a sidecar's,
// which had it refused before.
func (v *Volume) stepAside(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.path(n); v.isReserved(p) {
		n.parent.dir.Drop(n.name)
		v.putNode(n, v.besidePath(p, "recovered"))
	}
}

// lostAs is the lost draft of which a sealed file in quarantine was the content; nil: none is there.
func (v *Volume) lostAs(id spool.ID) *Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.content.Lock()
		mine, filed := n.content.EntryIDLocked()
		lost := n.content.State == Lost && filed && mine == id
		n.content.Unlock()
		if lost && !n.gone {
			return n
		}
	}
	return nil
}

// hasBase reports whether there is a version that the draft's absent bytes belong to.
func (n *Node) hasBase() bool {
	if n == nil {
		return false
	}
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.BasedLocked() != nil
}

// restoredPath is a free path for a draft that is brought back.
func (v *Volume) restoredPath(name string, taken bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if taken || v.nodeAt(name) != nil || v.isReserved(name) {
		return v.besidePath(name, "recovered")
	}
	return name
}

// isReserved reports whether a name is the sidecar's of a file beside it; v.mu is held.
func (v *Volume) isReserved(name string) bool {
	dir, base := path.Split(name)
	of, ok := sidecar.Base(base)
	return ok && v.nodeAt(dir+of) != nil
}

// bringBackAs shows the file as an interrupted draft under a free name.
func (v *Volume) bringBackAs(f *spool.File, h spool.Header, name string) *Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.newNode(File, nil, "")
	n.content.BringBack(f, h, sidecar.Attr{Mode: modeFile | 0o644, UID: v.o.UID, GID: v.o.GID, Mtime: time.Now()})
	v.putNode(n, name)
	v.busy[n] = struct{}{}
	return n
}
