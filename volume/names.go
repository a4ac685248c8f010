package volume

import (
	"context"
	"errors"
	"os"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/commit"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// RenameFlags are those of renameat2(2).
type RenameFlags uint32

const (
	NoReplace RenameFlags = 1
	Exchange  RenameFlags = 2
)

// checkName refuses what cannot be a name. A name that is to be made must leave
// room for its sidecar's.
func (v *Volume) checkName(d *Node, name string, making bool) error {
	if name == "" || name == "." || name == ".." {
		return ErrInvalid
	}
	if err := naming.Check(name); err != nil || !making {
		return err
	}
	v.mu.Lock()
	key := naming.Join(v.path(d), name)
	v.mu.Unlock()
	return v.fits(key)
}

// reserved reports whether the node bears a sidecar's name; v.mu is held.
func (n *Node) reserved() bool { return sidecar.Is(n.name) }

// Create makes and opens a file, or opens the one that is there, with the flags of open(2).
func (n *Node) Create(ctx context.Context, name string, flags int, mode, uid, gid uint32, by Process) (*Node, *Handle, error) {
	v := n.v
	if v.isClosing() {
		return nil, nil, ErrShutdown
	}
	c, err := n.lookup(ctx, name)
	if err == nil && (c.kind != Sidecar || flags&os.O_EXCL == 0) {
		return v.openExisting(ctx, c, flags, by)
	}
	if err != nil && !errors.Is(err, ErrNotExist) {
		return nil, nil, err
	}
	if err := v.checkName(n, name, true); err != nil {
		return nil, nil, err
	}
	seen := naming.Evidence{Creation: naming.CreationOf(flags, mode&0o777), Database: v.isDatabase(n, name), Written: v.isControlled(n, name)}
	v.names.Lock()
	c, made, err := v.makeNode(n, name, seen, mode, uid, gid)
	v.names.Unlock()
	if err != nil {
		return nil, nil, err
	}
	if !made {
		return v.openExisting(ctx, c, flags, by)
	}
	h := newHandle(c, flags, by)
	c.hold(h)
	return c, h, nil
}

func (v *Volume) openExisting(ctx context.Context, c *Node, flags int, by Process) (*Node, *Handle, error) {
	if flags&os.O_EXCL != 0 {
		return nil, nil, ErrExist
	}
	h, err := c.Open(ctx, flags, by)
	return c, h, err
}

// makeNode enters a new, empty draft into the tree.
func (v *Volume) makeNode(d *Node, name string, seen naming.Evidence, mode, uid, gid uint32) (c *Node, made bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.gone {
		return nil, false, ErrNotExist
	}
	if c := d.dir.Get(name); c != nil {
		return c, false, nil
	}
	if err := v.roomForSidecar(d, name); err != nil {
		return nil, false, err
	}
	class := v.classOfNew(d, name, seen)
	c = v.newDraft(d, name, d.born(File, mode, uid, gid))
	c.content.Lock()
	c.takeClass(class)
	c.content.Unlock()
	now := time.Now()
	d.dir.Put(name, c)
	d.dir.Touch(now)
	c.changed = now
	v.busy[c] = struct{}{}
	return c, true, nil
}

// Mkdir makes a directory; its marker is put behind.
func (n *Node) Mkdir(ctx context.Context, name string, mode, uid, gid uint32) (*Node, error) {
	v := n.v
	if n.kind != Dir {
		return nil, ErrNotDir
	}
	if v.isClosing() {
		return nil, ErrShutdown
	}
	if _, err := n.lookup(ctx, name); err == nil {
		return nil, ErrExist
	} else if !errors.Is(err, ErrNotExist) {
		return nil, err
	}
	if err := v.checkName(n, name, true); err != nil {
		return nil, err
	}
	v.names.Lock()
	defer v.names.Unlock()
	path, err := v.freeName(n, name)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	v.mu.Lock()
	attr := n.born(Dir, mode, uid, gid)
	attr.Mtime = now
	c := &change{Change: changes.Change{Op: changes.Mkdir, Path: path + "/", Attr: attr}}
	d := v.newDir(n, name)
	d.dir.State(attr)
	d.dir.MarkListed(now)
	d.changed = now
	d.local, c.makes = v.rules.LocalOnly(path, naming.AsDirectory), true
	v.mu.Unlock()
	if err := v.journalNew(d, path, c); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n.dir.Put(name, d)
	n.dir.Touch(now)
	if !d.local {
		c.node = d
		v.enqueue(c)
	}
	return d, nil
}

// journalNew makes a new directory or symlink durable: as a queued change, or
// under a local-only name as an entry.
func (v *Volume) journalNew(n *Node, path string, c *change) error {
	if !n.local {
		return v.journalChanges([]*change{c}, nil)
	}
	v.mu.Lock()
	e, err := v.localEntry(n, path)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	return v.journalChanges(nil, func(tx *spool.Tx) error { return tx.PutEntry(e) })
}

// freeName returns the path of a name that is to be made, if nothing bears it.
func (v *Volume) freeName(d *Node, name string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.gone {
		return "", ErrNotExist
	}
	if d.dir.Get(name) != nil {
		return "", ErrExist
	}
	return naming.Join(v.path(d), name), nil
}

// Rmdir removes an empty directory.
func (n *Node) Rmdir(ctx context.Context, name string) error {
	v := n.v
	c, err := n.Lookup(ctx, name)
	if err != nil {
		return err
	}
	if c.kind != Dir {
		return ErrNotDir
	}
	if err := v.checkEmpty(ctx, c); err != nil {
		return err
	}
	v.names.Lock()
	defer v.names.Unlock()
	v.mu.Lock()
	path := v.path(c)
	if c.dir.Len() > 0 || c.gone {
		v.mu.Unlock()
		return ErrNotEmpty
	}
	m := v.planRmdir(n, c, path)
	v.mu.Unlock()
	err = v.journalMove(m)
	defer v.keepDir(n)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.resumeAll(m)
		return err
	}
	v.unlink(n, c)
	v.enqueueAll(m)
	return nil
}

// planRmdir works out what is to be done about a directory's marker; v.mu is held.
func (v *Volume) planRmdir(d, c *Node, path string) *move {
	m := &move{}
	switch m.opposite = v.notMade(c); {
	case c.local:
		m.dropped = append(m.dropped, c.localID)
	case m.opposite == nil:
		m.changes = append(m.changes, &change{Change: changes.Change{Op: changes.Rmdir, Path: path + "/"}, node: c, dir: d, name: c.name})
	}
	return m
}

// checkEmpty says ErrNotEmpty of a directory that has entries, by what is fresh.
func (v *Volume) checkEmpty(ctx context.Context, d *Node) error {
	v.mu.Lock()
	stale := !d.dir.IsFresh(v.o.Fresh)
	v.mu.Unlock()
	if stale {
		if err := v.refresh(ctx, d, ""); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.dir.Len() > 0 {
		return ErrNotEmpty
	}
	return nil
}

// unlink takes a name out of the tree; v.mu is held.
func (v *Volume) unlink(d, c *Node) {
	d.dir.DropIf(c.name, c)
	c.gone = true
	now := time.Now()
	d.dir.Touch(now)
	c.renamed(now) // who has it open sees that its name has gone
	v.forgetAttr(c)
}

// Remove unlinks a file. Unlinking a sidecar succeeds and changes nothing, so
// that "rm -r" and "rsync --delete" work.
func (n *Node) Remove(ctx context.Context, name string) error {
	c, err := n.Lookup(ctx, name)
	if err != nil {
		return err
	}
	switch c.kind {
	case Dir:
		return ErrIsDir
	case Sidecar:
		n.v.unlinkSidecar(c)
		return nil
	case Tombstone:
		n.v.endTombstone(c)
		return nil
	}
	if n.v.endSidecarWrite(n, c) {
		return nil
	}
	v := n.v
	defer v.endControl(n, name)
	if v.isMoving(c) {
		// Its ETag is about to change: only its IV will tell it from another's.
		if err := c.describe(ctx); err != nil {
			return err
		}
	}
	v.names.Lock()
	defer v.names.Unlock()
	v.mu.Lock()
	if c.gone || n.dir.Get(name) != c {
		defer v.mu.Unlock()
		return n.dir.missing(name)
	}
	c.commit.PauseRemovedLocked()
	path, doomed := v.path(c), v.storedAfterQueue(c)
	m := &move{target: c}
	m.drop(c)
	if c.kind == Symlink {
		m.opposite = v.notMade(c)
	}
	if doomed != nil && m.opposite == nil {
		m.changes = append(m.changes, &change{Change: changes.Change{Op: changes.Remove, Path: path, Ver: doomed}, node: c, dir: n, name: name})
	}
	v.mu.Unlock()
	if m.durable() {
		err = v.journalMove(m)
	}
	defer v.keepDir(n)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.resumeAll(m)
		return err
	}
	v.leaveTombstone(c, nil)
	v.discard(c)
	v.unlink(n, c)
	v.enqueueAll(m)
	v.trackLocked(c)
	return nil
}

// isMoving reports whether the file's object is not yet where its name says.
func (v *Volume) isMoving(n *Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.moves.AtRest(v.path(n))
}

// storedAfterQueue is the version that the store has under the node's name once all queued
// changes are done; nil: nothing. v.mu is held.
func (v *Volume) storedAfterQueue(n *Node) *remote.Version {
	if n.local {
		return nil
	}
	if a := n.commit.AttemptLocked(); a != nil && a.StageLocked() != commit.Waiting && !v.localises(n, a.VersionLocked()) {
		return a.VersionLocked()
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.KnownLocked() {
		return n.content.Replaces
	}
	// Only listed so far: enough to remove or replace it.
	return remote.Listed(n.listed)
}

// discard ends a draft that was removed or replaced; v.mu is held. Open handles go on reading and writing it.
func (v *Volume) discard(n *Node) {
	n.commit.CancelLocked(commit.ErrGone)
	n.content.Lock()
	if n.content.DiscardLocked() {
		defer v.writers.Wake()
	}
	closed := n.content.Opens == 0
	n.content.Unlock()
	if closed {
		v.background(func() {
			v.mu.Lock()
			n.gone = true
			v.mu.Unlock()
			n.forgetCache()
		})
	}
}
