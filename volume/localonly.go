package volume

import (
	"fmt"

	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/entry"
	"mcfs/volume/naming"
)

// Local-only directories and symlinks have no object: an entry of the journal keeps
// each over a restart.

// localEntry describes a local-only directory or symlink to the journal, as it is or will be at path; v.mu is held.
func (v *Volume) localEntry(n *Node, path string) (spool.Entry, error) {
	if n.localID == (spool.ID{}) {
		n.localID = spool.NewID()
	}
	if n.kind == Dir {
		return entry.Local(n.localID, path, n.dir.Attr(), nil)
	}
	return entry.Local(n.localID, path, n.content.Attr, n.content.Base)
}

// journalLocal puts the entry of a local-only node again, soon; v.mu is held.
func (v *Volume) journalLocal(n *Node) error {
	e, err := v.localEntry(n, v.path(n))
	if err != nil {
		return err
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.PutEntry(e) })
	return nil
}

// planLocal plans the rename of a local-only symlink: under an ordinary name it becomes
// an object. v.mu is held.
func (v *Volume) planLocal(m *move, p *plan) error {
	if p.class == naming.Ordinary {
		m.dropped = append(m.dropped, p.n.localID)
		m.changes = append(m.changes, v.objectChange(p.n, p.newPath))
		return nil
	}
	e, err := v.localEntry(p.n, p.newPath)
	p.entry = &e
	return err
}

// objectChange is the change that makes the object of a directory or symlink that was local-only so far.
func (v *Volume) objectChange(n *Node, path string) *change {
	if n.kind == Dir {
		return &change{Change: changes.Change{Op: changes.Mkdir, Path: path + "/", Attr: n.dir.Attr()}, node: n}
	}
	n.content.Lock()
	defer n.content.Unlock()
	n.content.Base.SetAttr(n.content.Attr) // only the entry has stated them so far
	return &change{Change: changes.Change{Op: changes.Link, Path: path, Ver: n.content.Base, Attr: n.content.Attr, Body: n.content.Base.State().Body}, node: n}
}

// recoverLocal puts a local-only directory or symlink back into the tree; v.mu is held.
func (v *Volume) recoverLocal(e spool.Entry, r entry.Record) error {
	d, name := v.makeParents(e.Path)
	if entry.IsLocalDir(e) {
		c := d.dir.Get(name)
		if c == nil || c.kind != Dir {
			c = v.newDir(nil, "")
			v.putNode(c, e.Path)
		}
		c.dir.State(e.Attr)
		c.local, c.localID = true, e.ID
		return nil
	}
	ver, err := r.Link()
	if err != nil {
		return fmt.Errorf("symlink %s: %w", e.Path, err)
	}
	l := v.newLink(nil, "", ver)
	l.content.Attr, l.local, l.localID = e.Attr, true, e.ID
	v.putNode(l, e.Path)
	return nil
}

// makeObjects makes objects of the directories and symlinks whose names are not local-only
// any more; names is held.
func (v *Volume) makeObjects() error {
	v.mu.Lock()
	var made []*change
	var ended []spool.ID
	v.walk(v.root, func(n *Node) {
		if path := v.path(n); n.local && !v.rules.LocalOnly(path, naming.AsDirectory) {
			made, ended = append(made, v.objectChange(n, path)), append(ended, n.localID)
			n.local = false
		}
	})
	v.mu.Unlock()
	if len(made) == 0 {
		return nil
	}
	err := v.journalChanges(made, func(tx *spool.Tx) error {
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
	for _, c := range made {
		v.enqueue(c)
	}
	return nil
}
