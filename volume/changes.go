package volume

import (
	"context"
	"errors"
	"slices"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/changes"
	"mcfs/volume/remote"
)

// change is one queued change of names: what it says, and whose it is in the tree.
type change struct {
	changes.Change
	node *Node  // whose change it is; nil if nothing here knows it any more
	dir  *Node  // from which it takes a name away; nil: from none
	name string // which that is

	makes bool // a mkdir that makes the directory, and not one that restates its attributes
	// relocation is how far a rename of an object is.
	relocation remote.Relocation
}

// work implements changes.Host.
type work struct {
	v *Volume
	c *change
}

// treeOf is the tree's side of a queued change.
func treeOf(c *changes.Change) *change { return c.Host().(work).c }

// journalChanges makes changes durable, together with what else belongs to the same step;
// enqueue is to follow.
func (v *Volume) journalChanges(list []*change, also func(tx *spool.Tx) error) error {
	said := make([]*changes.Change, 0, len(list))
	for _, c := range list {
		said = append(said, &c.Change)
	}
	return v.changes.Journal(said, also)
}

// enqueue claims the paths of a journaled change; v.mu is held, in the same
// step in which the tree changes.
func (v *Volume) enqueue(c *change) {
	if c.node != nil {
		c.node.queued = append(c.node.queued, c)
	}
	if c.dir != nil {
		c.dir.dir.Leave(c.name)
	}
	v.changes.AddLocked(&c.Change, work{v, c})
}

// leave takes a change that has ended, or is another node's now, from the node; v.mu is held.
func (n *Node) leave(c *change) {
	n.queued = slices.DeleteFunc(n.queued, func(x *change) bool { return x == c })
	n.noMore(c)
}

// CarryOut implements changes.Host.
func (w work) CarryOut(ctx context.Context) error { return w.v.carryOut(ctx, w.c) }

// GiveWay implements changes.Host.
func (w work) GiveWay() error { return w.v.moveToConflictName(w.c) }

// GivenUp implements changes.Host.
func (w work) GivenUp(cause error) {
	if errors.Is(cause, store.ErrNotExist) {
		w.v.commits.RestoreSidecar(w.c.Replaces, w.c.To)
		return
	}
	w.v.noteGivenUp(w.c, cause)
}

// EndedLocked implements changes.Host.
func (w work) EndedLocked() {
	c, now := w.c, time.Now()
	if c.node != nil {
		c.node.leave(c)
		c.node.changed = now
	}
	if c.dir != nil {
		c.dir.dir.Left(c.name, now)
	}
	if c.Op == changes.Move {
		w.v.moves.Done(c.Path, c.To)
	}
}

// PathLocked implements changes.Host.
func (w work) PathLocked() string {
	path := w.v.path(w.c.node)
	if w.c.Op == changes.Mkdir {
		path += "/"
	}
	return path
}

// PutOffLocked implements changes.Host: a directory's marker comes after what is under way in
// the directory. Stores that keep directories as a disk does change a marker's time with each entry.
func (w work) PutOffLocked() bool {
	n := w.c.node
	if w.c.Op != changes.Mkdir || n.gone {
		return false
	}
	for _, child := range n.dir.All() {
		if len(child.queued) > 0 || child.commit.AttemptLocked() != nil {
			return true
		}
	}
	return false
}
