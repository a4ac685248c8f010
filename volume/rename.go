package volume

import (
	"context"
	"fmt"
	"io"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/document"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// Rename gives a file or directory another name, over an existing one if need
// be, or lets two swap their names. It is a journal transaction, true at once;
// copies and deletions follow behind.
func (n *Node) Rename(ctx context.Context, name string, dir *Node, newName string, flags RenameFlags) error {
	v := n.v
	switch flags {
	case 0, NoReplace:
	case Exchange:
		return v.exchange(ctx, n, name, dir, newName)
	default:
		return ErrInvalid
	}
	c, err := n.Lookup(ctx, name)
	if err != nil {
		return err
	}
	if c.kind == Sidecar || c.kind == Tombstone {
		return v.renameSidecar(ctx, c, dir, newName, flags)
	}
	if err := v.checkName(dir, newName, true); err != nil {
		return err
	}
	target, err := v.child(ctx, dir, newName)
	if err != nil {
		return err
	}
	switch {
	case target == c:
		return nil
	case target != nil && flags&NoReplace != 0:
		return ErrExist
	case c.kind == Dir:
		if err := v.awaitInFlightBelow(ctx, c); err != nil {
			return err
		}
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
	return v.renameFile(ctx, n, c, dir, newName)
}

// renameFile is Rename of a file or symlink whose new name is checked.
func (v *Volume) renameFile(ctx context.Context, from, c, to *Node, newName string) error {
	if err := v.prepareRename(ctx, c, to, newName); err != nil {
		return err
	}
	release, err := v.fixFile(ctx, c, to, newName)
	if err != nil {
		return err
	}
	defer release()
	defer v.noteControl(c)
	defer v.keepDir(from)
	v.names.Lock()
	defer v.names.Unlock()
	m, err := v.planRename(from, c, to, newName)
	if err == nil {
		err = v.journalMove(m)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.resumeAll(m)
		return err
	}
	if t := m.target; t != nil {
		v.discard(t)
		v.unlink(to, t)
		v.trackLocked(t)
	}
	v.leaveTombstone(c, to)
	m.plans[0].from.dir.DropIf(m.plans[0].oldName, c)
	v.enterNewName(m.plans[0])
	v.enqueueAll(m)
	return nil
}

// prepareRename makes sure, before any lock is held, that all is known and durable that a
// rename needs. to is nil for an exchange, over which no upload goes on.
func (v *Volume) prepareRename(ctx context.Context, c, to *Node, newName string) error {
	if err := c.describe(ctx); err != nil {
		return err
	}
	v.reviveLoose(ctx, c)
	v.awaitReleases(ctx, c)
	v.mu.Lock()
	var aims []string
	if to != nil {
		aims = v.uploadKeysAfter(to, newName, v.classOfRenamed(c, to, newName))
	}
	c.content.Lock()
	err := c.content.HoldForRenameLocked(c.goesOn(aims))
	draft := c.content.State != Clean && !c.content.RewrittenLocked() && !c.content.IsSentAwayLocked()
	c.content.Unlock()
	v.mu.Unlock()
	if err != nil {
		return fmt.Errorf("rename %s: %w", c.Path(), err)
	}
	if draft {
		return c.content.Sync()
	}
	return nil
}

// fixFile makes the map durable of what is cached of a file that is about to get a
// local-only name, and keeps it from getting another sealed file until release: the
// journal's entry will name it, and a crash must not find it empty.
func (v *Volume) fixFile(ctx context.Context, c, to *Node, newName string) (release func(), err error) {
	v.mu.Lock()
	local := v.classOfRenamed(c, to, newName) != naming.Ordinary
	v.mu.Unlock()
	if !local || c.kind != File {
		return func() {}, nil
	}
	if err := c.content.LockOpening(ctx); err != nil {
		return nil, err
	}
	if err := c.content.Sync(); err != nil {
		c.content.UnlockOpening()
		return nil, err
	}
	return c.content.UnlockOpening, nil
}

// move is one rename, from its check to the moment when the tree shows it.
type move struct {
	target   *Node      // what is replaced; nil if nothing
	plans    []*plan    // one; two of an exchange
	changes  []*change  // in the order in which they are to be done
	dropped  []spool.ID // journal entries that end with it
	ended    []uint64   // queued changes of attributes that end with it
	opposite *change    // an opposite one that has not begun: both come to nothing
	below    bool       // a directory is among what is renamed, with all that is below it
}

// durable reports whether there is anything to journal.
func (m *move) durable() bool {
	return len(m.changes) > 0 || len(m.dropped) > 0 || len(m.ended) > 0 || m.opposite != nil
}

// planRename works out what a rename means for the store; names is held.
func (v *Volume) planRename(from, c, to *Node, newName string) (*move, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := &move{target: to.dir.Get(newName)}
	switch {
	case to.gone || m.target == c:
		return m, ErrNotExist
	case c.gone || from.dir.Get(c.name) != c:
		return m, from.dir.missing(c.name)
	}
	if m.target == nil && c.kind == File {
		if err := v.roomForSidecar(to, newName); err != nil {
			return m, err
		}
	}
	p, err := v.planFile(c, to, newName)
	if err != nil {
		return m, err
	}
	m.plans = []*plan{p}
	var over *remote.Version
	if t := m.target; t != nil {
		if c.content.PeekSentAway() && t.content.IsPromised() {
			return m, fmt.Errorf("rename %s over a file that is not uploaded yet: a crash could lose both: %w", p.oldPath, ErrBusy)
		}
		t.commit.PauseRemovedLocked()
		over = v.storedAfterQueue(t)
		m.drop(t)
	}
	if p.step == stepRename && m.target == nil && c.content.PeekState() == Clean {
		if m.opposite = v.opposite(c, p.newPath, p.oldPath); m.opposite != nil {
			return m, nil
		}
	}
	return m, v.planChanges(m, p, over)
}

// resumeAll lets the commits go on of a rename that was not made; v.mu is held.
func (v *Volume) resumeAll(m *move) {
	if m.opposite != nil {
		v.changes.ReinstateLocked(&m.opposite.Change)
	}
	for _, p := range m.plans {
		p.n.commit.ResumeLocked()
	}
	if m.target != nil && m.target.kind == File {
		m.target.commit.ResumeLocked()
	}
}

// drop has the journal forget what it keeps of a file that is replaced or removed:
// its draft, and what was set of its attributes, which would bring it back; v.mu is held.
func (m *move) drop(n *Node) {
	for _, c := range n.queued {
		if c.Op == changes.Attr {
			m.ended = append(m.ended, c.Seq)
		}
	}
	if n.local {
		m.dropped = append(m.dropped, n.localID)
		return
	}
	n.content.Lock()
	defer n.content.Unlock()
	if id, filed := n.content.EntryIDLocked(); filed && n.content.State != Clean {
		m.dropped = append(m.dropped, id)
	}
	n.dropUploads()
}

// planChanges turns a plan into queued changes, and into its draft's journal
// entry; over is what its new name has in the store. v.mu is held.
func (v *Volume) planChanges(m *move, p *plan, over *remote.Version) error {
	switch {
	case p.step == stepRename:
		m.changes = append(m.changes, p.renameChange(p.oldPath, p.newPath, over))
	case over != nil && (p.class != naming.Ordinary || p.n.local):
		m.changes = append(m.changes, &change{Change: changes.Change{Op: changes.Remove, Path: p.newPath, Ver: over}, dir: p.to, name: p.newName})
	case p.class == naming.Ordinary:
		p.replaces = over
	}
	if p.n.local {
		return v.planLocal(m, p)
	}
	if err := v.describeRenamed(p); err != nil {
		return err
	}
	switch p.step {
	case stepRemove:
		m.changes = append(m.changes, &change{Change: changes.Change{Op: changes.Remove, Path: p.oldPath, Ver: p.stored}, dir: p.from, name: p.oldName})
	case stepLocalise:
		m.changes = append(m.changes, p.localiseChange())
	}
	return nil
}

// journalMove makes the rename durable in one transaction.
func (v *Volume) journalMove(m *move) error {
	err := v.journalChanges(m.changes, func(tx *spool.Tx) error {
		for _, id := range m.dropped {
			if err := v.changes.EndEntry(tx, id); err != nil {
				return err
			}
		}
		for _, seq := range m.ended {
			if err := tx.DeleteChange(seq); err != nil {
				return err
			}
		}
		if m.opposite != nil {
			if err := m.opposite.Cancel(tx); err != nil {
				return err
			}
		}
		for _, p := range m.plans {
			if p.entry == nil {
				continue
			}
			if err := tx.PutEntry(*p.entry); err != nil {
				return err
			}
			p.n.setRenaming(true)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	for _, id := range m.dropped {
		if failed := v.changes.KeepEntry(id); failed != nil {
			v.log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "id", id, "cause", failed)
		}
	}
	return err
}

// setRenaming notes that the journal knows of a rename which is not made here yet: a
// commit that ends in between leaves the entry alone, and the rename decides about it.
func (n *Node) setRenaming(is bool) {
	n.content.Lock()
	defer n.content.Unlock()
	n.content.Renaming = is
}

// enqueueAll queues the changes, each with the tomb that keeps its old name
// from coming back; v.mu is held.
func (v *Volume) enqueueAll(m *move) {
	if m.opposite != nil {
		v.cancel(m.opposite)
	}
	for _, c := range m.changes {
		if c.dir != nil {
			c.dir.dir.BuryIfFree(c.name)
		}
		v.enqueue(c)
	}
	v.followNames(m)
	for _, p := range m.plans {
		p.n.commit.ResumeLocked()
	}
}

// followNames has the changes of attributes that wait follow what has been renamed; v.mu is held.
func (v *Volume) followNames(m *move) {
	if m.below {
		v.changes.FollowAllLocked()
		return
	}
	for _, p := range m.plans {
		v.followName(p.n)
	}
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
	buf := make([]byte, document.Most+1)
	k, err := h.ReadAt(ctx, buf, 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	if _, err := sidecar.Parse(buf[:k]); err != nil {
		return false, fmt.Errorf("%s is reserved for the settings of %s: %w", sidecar.Name(base), base, ErrPermission)
	}
	return true, d.Remove(ctx, c.name)
}
