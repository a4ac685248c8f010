package volume

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mcfs/volume/changes"
	"mcfs/volume/naming"
)

// renameDir moves a directory with all below it, over an empty one if there is
// one. The tree shows it at once; until the store has followed, what is listed
// at or below the new name is looked for under the old one too.
func (v *Volume) renameDir(ctx context.Context, from, c, to *Node, name string, target *Node) error {
	if target != nil {
		if target.kind != Dir {
			return ErrNotDir
		}
		if err := v.checkEmpty(ctx, target); err != nil {
			return err
		}
	}
	if err := v.lengthsBelow(ctx, c, naming.Join(to.Path(), name)); err != nil {
		return err
	}
	v.reviveBelow(ctx, c)
	defer v.keepDir(from)
	v.names.Lock()
	defer v.names.Unlock()
	if err := v.draftsBelow(c); err != nil {
		return err
	}
	m, err := v.planDir(from, c, to, name)
	if err == nil {
		err = v.journalMove(m)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.resumeAll(m)
		return err
	}
	if m.target != nil {
		v.unlink(to, m.target)
	}
	from.dir.Drop(c.name)
	v.moveNode(c, to, name)
	v.applyPlans(m)
	v.enqueueAll(m)
	return nil
}

// reviveBelow is reviveLoose of all that is below a directory, where nothing is any more that
// the kernel has yet to release.
func (v *Volume) reviveBelow(ctx context.Context, d *Node) {
	v.awaitReleases(ctx, d)
	v.mu.Lock()
	var drafts []*Node
	v.walk(d, func(n *Node) {
		if _, ok := v.busy[n]; ok {
			drafts = append(drafts, n)
		}
	})
	v.mu.Unlock()
	for _, n := range drafts {
		v.reviveLoose(ctx, n)
	}
}

// reviveLoose opens a recovered draft that was never fsynced, so that a rename makes it
// durable. Without its key it is renamed as it is: after a power cut it is interrupted.
func (v *Volume) reviveLoose(ctx context.Context, n *Node) {
	n.content.Lock()
	loose := n.content.IsLooseLocked()
	n.content.Unlock()
	if !loose {
		return
	}
	if err := n.content.Revive(ctx); err != nil {
		v.log.Warn("a file is renamed before it could be opened", "path", n.Path(), "cause", err)
	}
}

// draftsBelow makes the bytes of every draft below a directory durable, so that
// one journal transaction can move them all.
func (v *Volume) draftsBelow(d *Node) error {
	v.mu.Lock()
	var drafts []*Node
	v.walk(d, func(n *Node) {
		if _, ok := v.busy[n]; ok {
			drafts = append(drafts, n)
		}
	})
	v.mu.Unlock()
	for _, n := range drafts {
		n.content.Lock()
		safe := n.content.RewrittenLocked()
		err := n.content.HoldForRenameLocked(false)
		n.content.Unlock()
		if err != nil {
			return fmt.Errorf("move %s: %w", n.Path(), err)
		}
		if safe {
			continue
		}
		if err := n.content.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// planDir checks the move and describes it to the journal.
func (v *Volume) planDir(from, c, to *Node, name string) (*move, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := &move{target: to.dir.Get(name), below: true}
	switch {
	case to.gone:
		return m, ErrNotExist
	case c.gone || from.dir.Get(c.name) != c:
		return m, from.dir.missing(c.name)
	}
	if inside(to, c) {
		return m, fmt.Errorf("a directory cannot move into itself: %w", ErrInvalid)
	}
	newPath := naming.Join(v.path(to), name)
	if err := v.fitsBelow(c, newPath); err != nil {
		return m, err
	}
	if t := m.target; t != nil {
		if t.kind != Dir || t.dir.Len() > 0 {
			return m, ErrNotEmpty
		}
		m.drop(t)
		m.changes = append(m.changes, &change{Change: changes.Change{Op: changes.Rmdir, Path: v.path(t) + "/"}})
	}
	return m, v.planDirChanges(m, c, newPath)
}

// inside reports whether n is d or below it; v.mu is held.
func inside(n, d *Node) bool {
	for ; n != nil; n = n.parent {
		if n == d {
			return true
		}
	}
	return false
}

// planDirChanges turns the move of a directory into queued changes, and into the
// journal entries of all that the journal knows below it; v.mu is held.
func (v *Volume) planDirChanges(m *move, c *Node, newPath string) error {
	oldPath := v.path(c)
	m.changes = append(m.changes, c.moveChange(oldPath, newPath))
	return v.planBelow(m, c, oldPath, newPath)
}

// moveChange is the change that moves a directory's objects; v.mu is held.
func (n *Node) moveChange(oldPath, newPath string) *change {
	return &change{
		Change: changes.Change{
			Op: changes.Move, Path: oldPath + "/", To: newPath + "/", Attr: n.dir.Attr(), Stated: n.dir.IsKnown(),
		},
		node: n, dir: n.parent, name: n.name,
	}
}

// planBelow plans the renames of all drafts below a directory, and of
// local-only directories and symlinks; v.mu is held.
func (v *Volume) planBelow(m *move, c *Node, oldPath, newPath string) error {
	var failed error
	v.walk(c, func(n *Node) {
		_, draft := v.busy[n]
		if failed != nil || n.gone || !draft && !n.local {
			return
		}
		path := newPath + strings.TrimPrefix(v.path(n), oldPath)
		if n.kind != File {
			failed = v.planLocalBelow(m, n, path)
			return
		}
		p := &plan{n: n, from: n.parent, to: n.parent, oldName: n.name, newName: n.name, newPath: path, step: stepRename}
		if failed = v.checkHeld(n, nil); failed != nil {
			return
		}
		through := !n.commit.PauseLocked()
		n.content.Lock()
		p.replaces = n.content.Replaces
		if n.content.Replaces == nil && !through {
			p.step = stepNone
		}
		p.class = v.classBelow(n, path)
		n.content.Unlock()
		m.plans = append(m.plans, p)
		failed = v.describeRenamed(p)
	})
	return failed
}

// planLocalBelow plans the rename of a local-only directory or symlink.
func (v *Volume) planLocalBelow(m *move, n *Node, path string) error {
	p := &plan{n: n, from: n.parent, to: n.parent, oldName: n.name, newName: n.name, newPath: path}
	if v.rules.LocalOnly(path, naming.AsDirectory) {
		p.class = naming.LocalOnly
	}
	m.plans = append(m.plans, p)
	return v.planLocal(m, p)
}

// moveNode gives a directory its new place in the tree; v.mu is held.
func (v *Volume) moveNode(c, to *Node, name string) {
	now := time.Now()
	from := c.parent
	c.parent, c.name, c.changed = to, name, now
	to.dir.Enter(name, c)
	from.dir.Touch(now)
	to.dir.Touch(now)
	c.renamed(now)
}

// applyPlans moves the drafts below a directory on, under their new names; v.mu is held.
func (v *Volume) applyPlans(m *move) {
	for _, p := range m.plans {
		v.applyPlan(p)
	}
	for _, c := range m.changes {
		if c.Op == changes.Move {
			v.moves.Begin(c.Path, c.To)
		}
	}
}
