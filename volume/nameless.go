package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/entry"
	"mcfs/volume/file"
	"mcfs/volume/naming"
)

// Tmpfile makes and opens a file without a name, as open(2) with O_TMPFILE does:
// a draft that stays in the spool, and goes with its last handle unless Link
// has given it a name before.
func (n *Node) Tmpfile(flags int, mode, uid, gid uint32, by Process) (*Node, *Handle, error) {
	v := n.v
	switch {
	case n.kind != Dir:
		return nil, nil, ErrNotDir
	case v.isClosing():
		return nil, nil, ErrShutdown
	}
	v.mu.Lock()
	if n.gone {
		v.mu.Unlock()
		return nil, nil, ErrNotExist
	}
	c := v.newDraft(nil, "", n.born(File, mode, uid, gid))
	// What the log calls it, and where it would be found after a lost journal.
	c.name = naming.Join(v.path(n), fmt.Sprintf(".nameless-%d", c.ino))
	c.gone, c.nameless = true, true
	v.mu.Unlock()
	h := newHandle(c, flags, by)
	c.hold(h)
	return c, h, nil
}

// Link gives the name to c, which Tmpfile made and which has none yet; from then
// on c is a file like others, whose close commits it. Any other file is refused:
// an object has one name.
func (n *Node) Link(ctx context.Context, c *Node, name string) error {
	v := n.v
	if v.isClosing() {
		return ErrShutdown
	}
	if !v.isNameless(c) {
		return ErrPermission
	}
	if _, err := n.lookup(ctx, name); err == nil {
		return ErrExist
	} else if !errors.Is(err, ErrNotExist) {
		return err
	}
	if err := v.checkName(n, name, true); err != nil {
		return err
	}
	if err := c.content.Sync(); err != nil {
		return err
	}
	v.names.Lock()
	defer v.names.Unlock()
	e, err := v.planLink(n, c, name)
	if err != nil {
		return err
	}
	if err := v.journalChanges(nil, func(tx *spool.Tx) error { return tx.PutEntry(e) }); err != nil {
		return err
	}
	v.applyLink(n, c, name)
	return nil
}

func (v *Volume) isNameless(n *Node) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return n.nameless
}

// planLink is the journal entry of c under its name to be; names is held.
func (v *Volume) planLink(d, c *Node, name string) (spool.Entry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case !c.nameless:
		return spool.Entry{}, ErrPermission
	case d.gone:
		return spool.Entry{}, ErrNotExist
	case d.dir.Get(name) != nil:
		return spool.Entry{}, ErrExist
	}
	if err := v.roomForSidecar(d, name); err != nil {
		return spool.Entry{}, err
	}
	c.content.Lock()
	defer c.content.Unlock()
	c.content.Kept = max(c.content.Kept, c.content.Gen)
	e, err := v.entryOf(c)
	e.Path = naming.Join(v.path(d), name)
	if s, ok := entry.StateOf(v.classOfNew(d, name, naming.Evidence{Creation: naming.Mkstemp})); ok {
		e.State = s.String()
	}
	return e, err
}

// applyLink makes the name true in the tree. If nobody has the file open for
// writing any more, no close will follow that commits it.
func (v *Volume) applyLink(d, c *Node, name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	class := v.classOfNew(d, name, naming.Evidence{Creation: naming.Mkstemp}) // as who opens it with O_TMPFILE does
	c.parent, c.name, c.changed = d, name, now
	c.gone, c.nameless = false, false
	d.dir.Enter(name, c)
	d.dir.Touch(now)
	v.trackLocked(c)
	c.content.Lock()
	c.takeClass(class)
	c.content.BeginGraceLocked()
	due := c.content.Writers == 0 && c.content.State == Writing
	if due && c.content.Flaws != nil {
		c.content.StepLocked(file.EvSpoil)
		due = false
		defer c.commit.KeepInterrupted()
	}
	if due {
		c.content.Asked = c.content.Gen
		c.content.StepLocked(file.EvAsk)
	}
	c.content.Unlock()
	if due {
		c.commit.StartLocked()
	}
}

// newDraft makes the node of a new, empty file; v.mu is held.
func (v *Volume) newDraft(d *Node, name string, a sidecar.Attr) *Node {
	c := v.newNode(File, d, name)
	c.content.BeginNew(a)
	return c
}

// roomForSidecar refuses a name whose sidecar's name is a file's already; v.mu is
// held. A draft there that has never been committed is perhaps a copied sidecar:
// its close judges it, but for an empty one, which is none.
func (v *Volume) roomForSidecar(d *Node, name string) error {
	other := d.dir.Get(sidecar.Name(name))
	if other == nil {
		return nil
	}
	other.content.Lock()
	unjudged := other.kind == File && other.content.State != Clean && other.content.Base == nil && other.content.Replaces == nil && !other.content.Ordinary
	unjudged = unjudged && (other.content.Writers > 0 || other.content.SizeLocked() > 0)
	other.content.Unlock()
	if unjudged {
		return nil
	}
	return fmt.Errorf("%s stands where its settings would: %w", sidecar.Name(name), ErrExist)
}
