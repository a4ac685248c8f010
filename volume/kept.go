package volume

import (
	"encoding/json"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/naming"
)

// Directories and symlinks under local-only names have no object: an entry of
// the journal keeps each, so that they survive a restart.

// keptEntry describes such a node, as it is or will be at path; v.mu is held.
func (v *Volume) keptEntry(n *Node, path string) (spool.Entry, error) {
	if n.keptID == (spool.ID{}) {
		n.keptID = spool.NewID()
	}
	r := record{Promised: true, Blank: true}
	attr := n.content.Attr
	if n.kind == Dir {
		attr = n.dir.attr
	} else {
		r.Base, r.Body = n.content.Base.Record(), n.content.Base.State().Body
	}
	data, err := json.Marshal(r)
	if err != nil {
		return spool.Entry{}, fmt.Errorf("journal %s: %w", path, err)
	}
	return spool.Entry{ID: n.keptID, Path: path, State: Local.String(), Attr: attr, Updated: time.Now(), Data: data}, nil
}

// restateKept writes its entry again, soon; v.mu is held.
func (v *Volume) restateKept(n *Node) error {
	e, err := v.keptEntry(n, v.path(n))
	if err != nil {
		return err
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.PutEntry(e) })
	return nil
}

// moveKept routes a symlink that the journal keeps: under an ordinary name it
// becomes an object. v.mu is held.
func (v *Volume) moveKept(m *move, p *plan) error {
	if p.class == naming.Ordinary {
		m.dropped = append(m.dropped, p.n.keptID)
		m.changes = append(m.changes, v.release(p.n, p.newPath))
		return nil
	}
	e, err := v.keptEntry(p.n, p.newPath)
	p.entry = &e
	return err
}

// release is the change that makes the object of a directory or symlink that the journal kept so far.
func (v *Volume) release(n *Node, path string) *change {
	if n.kind == Dir {
		return &change{Change: spool.Change{Op: opMkdir, Path: path + "/"}, node: n, attr: n.dir.attr}
	}
	n.content.Lock()
	defer n.content.Unlock()
	n.content.Base.SetAttr(n.content.Attr) // nothing but the entry has stated them so far
	return &change{Change: spool.Change{Op: opLink, Path: path}, node: n, ver: n.content.Base, attr: n.content.Attr, body: n.content.Base.State().Body}
}

// recoverKept brings such a node back; v.mu is held.
func (v *Volume) recoverKept(e spool.Entry, r record) error {
	d, name := v.grow(e.Path)
	if e.Attr.Mode&modeType == modeDir {
		c := d.dir.children[name]
		if c == nil || c.kind != Dir {
			c = v.newDir(nil, "")
			v.plant(c, e.Path)
		}
		c.dir.attr, c.dir.described, c.local, c.keptID = e.Attr, true, true, e.ID
		return nil
	}
	ver, err := r.Base.Version()
	if err != nil || ver == nil {
		return fmt.Errorf("symlink %s: no version in its entry: %w", e.Path, err)
	}
	ver.SetJournaled(r.Body)
	l := v.newLink(nil, "", ver)
	l.content.Attr, l.local, l.keptID = e.Attr, true, e.ID
	v.plant(l, e.Path)
	return nil
}

// releaseKept makes objects of the directories and symlinks that the journal has kept under
// a name that is local-only no more; names is held.
func (v *Volume) releaseKept() error {
	v.mu.Lock()
	var changes []*change
	var ended []spool.ID
	v.walk(v.root, func(n *Node) {
		if path := v.path(n); n.local && !v.rules.LocalOnly(path, naming.AsDirectory) {
			changes, ended = append(changes, v.release(n, path)), append(ended, n.keptID)
			n.local = false
		}
	})
	v.mu.Unlock()
	if len(changes) == 0 {
		return nil
	}
	err := v.journalChanges(changes, func(tx *spool.Tx) error {
		for _, id := range ended {
			if err := tx.DeleteEntry(id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range changes {
		v.enqueue(c)
	}
	return nil
}

// keepsNode tells such an entry from a draft's.
func keepsNode(a sidecar.Attr) bool {
	t := a.Mode & modeType
	return t == modeDir || t == modeSymlink
}
