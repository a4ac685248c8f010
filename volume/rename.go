package volume

import (
	"context"
	"fmt"
	"io"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
)

// move is one rename of a file, from its check to the moment when the tree shows it.
type move struct {
	n, target *Node // target: what is replaced; nil if nothing
	from, to  *Node // directories
	name      string
	oldPath   string
	newPath   string
	changes   []*change
	entry     *spool.Entry // of a draft, under its new name
	dropped   []spool.ID   // entries that end with the replaced file
	carried   *version     // the version that moves in the store; nil: the draft has none of its own
	over      *version     // what the new name has in the store
	local     bool         // the new name is local-only
}

// Rename gives a file another name, over an existing one if need be. It is a
// journal transaction, true at once; copies and deletions follow behind.
func (n *Node) Rename(ctx context.Context, name string, dir *Node, newName string, flags RenameFlags) error {
	v := n.v
	if flags&^NoReplace != 0 {
		return ErrInvalid
	}
	c, err := n.Lookup(ctx, name)
	if err != nil {
		return err
	}
	if err := v.checkName(dir, newName, c.kind != Dir); err != nil {
		return err
	}
	target, err := v.child(ctx, dir, newName)
	if err != nil {
		return err
	}
	switch {
	case c.kind == Sidecar:
		// It goes where its file goes; alone it cannot be moved.
		return ErrPermission
	case target == c:
		return nil
	case target != nil && flags&NoReplace != 0:
		return ErrExist
	case c.kind == Dir:
		return v.renameDir(ctx, n, c, dir, newName, target)
	case target != nil && target.kind == Dir:
		return ErrIsDir
	}
	if base, ok := sidecar.Base(newName); ok && target == nil {
		done, err := v.renameOntoSidecar(ctx, n, c, dir, base)
		if done || err != nil {
			return err
		}
	}
	if err := v.settleForRename(ctx, c, target); err != nil {
		return err
	}
	v.names.Lock()
	defer v.names.Unlock()
	m := &move{n: c, target: target, from: n, to: dir, name: newName}
	if err := v.plan(m); err != nil {
		return err
	}
	if err := v.journalMove(m); err != nil {
		return err
	}
	v.apply(m)
	v.keepDir(n)
	return nil
}

// settleForRename makes sure, before any lock is held, that all a rename needs is known and durable.
func (v *Volume) settleForRename(ctx context.Context, c, target *Node) error {
	if err := c.describe(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	file, draft := c.file, c.state != Clean
	dropped := false
	if draft && file != nil && c.ver == nil && c.up != nil {
		_, _, dropped = file.Absent(0)
	}
	c.mu.Unlock()
	if dropped {
		return fmt.Errorf("parts of it were sent and dropped from the full spool: %w", ErrBusy)
	}
	if draft && file != nil {
		if err := file.Sync(false); err != nil {
			return fromSpool(err)
		}
	}
	return nil
}

// plan works out what a rename means for the store; names is held.
func (v *Volume) plan(m *move) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := m.n
	if c.gone || m.to.gone || m.from.dir.children[c.name] != c {
		return ErrNotExist
	}
	m.target = m.to.dir.children[m.name]
	m.oldPath, m.newPath = v.path(c), join(v.path(m.to), m.name)
	m.local = v.local.match(m.newPath, named)
	if m.target == nil && c.kind == File {
		if err := v.roomForSidecar(m.to, m.name); err != nil {
			return err
		}
	}
	if m.target != nil {
		m.over = v.standing(m.target)
		m.target.mu.Lock()
		if id, filed := m.target.entryID(); filed && m.target.state != Clean {
			m.dropped = append(m.dropped, id)
		}
		m.target.mu.Unlock()
	}
	standing := v.standing(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	settled := c.attempt == nil || c.attempt.stage == waiting
	switch {
	case standing == nil && m.over != nil && m.local:
		// The old target goes; the draft stays in the spool.
		m.changes = append(m.changes, &change{Change: spool.Change{Op: opRemove, Path: m.newPath}, ver: m.over, dir: m.to, name: m.name})
	case standing == nil:
	case !settled || standing == c.ver:
		m.carried = standing
		m.changes = append(m.changes, &change{
			Change: spool.Change{Op: opRename, Path: m.oldPath, To: m.newPath}, ver: standing, replaces: m.over,
			node: c, dir: m.from, name: c.name,
		})
	default:
		// What stands under the old name was to be replaced by the draft, which now goes elsewhere.
		m.changes = append(m.changes, &change{Change: spool.Change{Op: opRemove, Path: m.oldPath}, ver: standing, dir: m.from, name: c.name})
	}
	if c.state == Clean {
		return nil
	}
	e, err := v.entry(c)
	if err != nil {
		return err
	}
	e.Path = m.newPath
	m.entry = &e
	c.kept = max(c.kept, c.gen)
	return nil
}

// journalMove makes the rename durable in one transaction.
func (v *Volume) journalMove(m *move) error {
	return v.journalChanges(m.changes, func(tx *spool.Tx) error {
		for _, id := range m.dropped {
			if err := tx.DeleteEntry(id); err != nil {
				return err
			}
		}
		if m.entry == nil {
			return nil
		}
		return tx.PutEntry(*m.entry)
	})
}

// apply makes the rename true in the tree, and has the rest follow.
func (v *Volume) apply(m *move) {
	v.mu.Lock()
	c := m.n
	if m.target != nil {
		v.discard(m.target)
		v.unlink(m.to, m.target)
		v.trackLocked(m.target)
	}
	v.callOff(c, errMoved)
	delete(m.from.dir.children, c.name)
	oldName := c.name
	c.parent, c.name = m.to, m.name
	m.to.dir.children[m.name] = c
	now := time.Now()
	c.changed, m.from.dir.attr.Mtime, m.to.dir.attr.Mtime = now, now, now
	delete(m.to.dir.tombs, m.name)
	for _, ch := range m.changes {
		if ch.Op == opRename || ch.Path == m.oldPath {
			m.from.dir.tombs[oldName] = &tomb{}
		}
		v.enqueue(ch)
	}
	c.mu.Lock()
	up := c.up
	c.up, c.eager = nil, false
	if m.carried == nil && !m.local {
		c.replaces = m.over
	} else if m.carried == nil {
		c.replaces = nil
	}
	commit := c.retitle(m.local)
	c.mu.Unlock()
	if up != nil {
		v.abandon(up, func() {})
	}
	v.trackLocked(c)
	if commit {
		v.startAttempt(c)
	}
	v.mu.Unlock()
}

// retitle moves the state machine for a new name, and says whether the commit
// is due now; n.mu is held.
func (n *Node) retitle(local bool) (commit bool) {
	was := n.state
	switch {
	case was == Clean || was == Publishing || was == Lost:
		return false
	case local:
		n.step(evHide)
		return false
	}
	n.step(evMove)
	if was == Local && n.writers == 0 {
		n.asked = n.gen
		n.step(evAsk)
	}
	return n.state == Queued
}

// renameOntoSidecar judges a file that is renamed onto the name of a sidecar
// (rsync's temporary file, say): a settings document is accepted and discarded,
// for the true one is there already; anything else is refused.
func (v *Volume) renameOntoSidecar(ctx context.Context, d, c, to *Node, base string) (done bool, err error) {
	file, err := v.child(ctx, to, base)
	if err != nil || file == nil || file.kind != File {
		return false, err
	}
	h, err := c.Open(ctx, 0, nil)
	if err != nil {
		return false, err
	}
	defer h.Release()
	buf := make([]byte, maxDocument+1)
	k, err := h.ReadAt(ctx, buf, 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	if _, err := sidecar.Parse(buf[:k]); err != nil {
		return false, fmt.Errorf("%s is reserved for the settings of %s: %w", sidecar.Name(base), base, ErrPermission)
	}
	return true, d.Remove(ctx, c.name)
}
