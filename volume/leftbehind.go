package volume

import (
	"context"
	"fmt"
	"time"

	"mcfs/sidecar"
)

// A sidecar goes with its file. Whoever has listed both and takes them one after the
// other, as "rm *" and "mv * ../y" do, still comes for the sidecar when it has gone.
// Its name stays for a moment as a tombstone: not listed, not to be opened, in nobody's
// way; it can be looked up, removed, and renamed to where its file has gone.
const (
	tombstoneFor = time.Minute
	// movedWithin is how soon a program that has looked a tombstone up goes on to take it,
	// and how long it may look at what it has taken.
	movedWithin = 2 * time.Second
)

// tombstone is the name of a sidecar that has left a directory with its file; guarded by Volume.mu.
type tombstone struct {
	d     *Node
	name  string
	file  *Node // where it has gone to; nil if it was removed
	mode  uint32
	owner [2]uint32 // user and group
	at    time.Time

	node  *Node     // made when it is first looked up
	asked time.Time // last
	asker uint32    // the thread that did
}

// errMovedAlong: the sidecar has gone with its file.
var errMovedAlong = fmt.Errorf("its file has gone, and it has gone along: %w", ErrNotExist)

// leaveTombstone notes that a file is about to leave its name, where its sidecar is
// shown; v.mu is held. A program that has taken the sidecar first comes for it no more.
func (v *Volume) leaveTombstone(file, to *Node) {
	disowned := file.side != nil && file.side.doc.disowned
	if file.side != nil {
		file.side.doc.disowned = false
	}
	d, name := file.parent, sidecar.Name(file.name)
	if d == nil {
		return
	}
	for _, name := range []string{file.name, name} { // of what was there before
		if t := d.dir.behind[name]; t != nil {
			t.end()
		}
	}
	put := d.dir.forgetPut(name)
	if disowned || !put && !v.sideShown(file) || d.dir.Get(name) != nil {
		return
	}
	t := &tombstone{d: d, name: name, at: time.Now()}
	t.ownedAs(file)
	if to != nil {
		t.file = file
		file.left = t
	}
	if d.dir.behind == nil {
		d.dir.behind = make(map[string]*tombstone)
	}
	d.dir.behind[name] = t
	v.behind = append(v.behind, t)
	v.dropTombstones()
}

// forgetPut forgets what a program has put under a sidecar's name, for it goes along with
// its file; it reports whether the program still finds it there. Volume.mu is held.
func (d *dirState) forgetPut(name string) bool {
	moved, written := d.movedSidecars.Forget(name), d.sidecarWrites.Forget(name)
	return moved || written
}

// ownedAs has the tombstone allow what the file does.
func (t *tombstone) ownedAs(file *Node) {
	file.content.Lock()
	defer file.content.Unlock()
	t.mode, t.owner = file.content.Attr.Mode&0o777, [2]uint32{file.content.Attr.UID, file.content.Attr.GID}
}

// dropTombstones forgets those whose time is over; v.mu is held.
func (v *Volume) dropTombstones() {
	for len(v.behind) > 0 && time.Since(v.behind[0].at) >= tombstoneFor {
		v.behind[0].end()
		v.behind[0] = nil
		v.behind = v.behind[1:]
	}
}

// end takes the name away, unless it is another's by now; Volume.mu is held.
func (t *tombstone) end() {
	if t.d.dir.behind[t.name] == t {
		delete(t.d.dir.behind, t.name)
	}
	if t.file != nil && t.file.left == t {
		t.file.left = nil
	}
}

// stands reports whether it is there to be looked up: nothing has come to its name or
// its file's since; Volume.mu is held.
func (t *tombstone) stands() bool {
	base, _ := sidecar.Base(t.name)
	file := t.d.dir.Get(base)
	return t.d.dir.behind[t.name] == t && time.Since(t.at) < tombstoneFor &&
		t.d.dir.Get(t.name) == nil && (file == nil || file.kind != File)
}

// findTombstone returns the node of the tombstone that bears the name; nil if there is none.
func (v *Volume) findTombstone(d *Node, name string) *Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := d.dir.behind[name]
	if t == nil {
		return nil
	}
	if !t.stands() {
		t.end()
		return nil
	}
	if t.node == nil {
		t.node = v.tombstoneNode(t)
	}
	return t.node
}

// tombstoneNode makes its node, with a number of its own: the sidecar has taken the
// other along. v.mu is held.
func (v *Volume) tombstoneNode(t *tombstone) *Node {
	v.lastIno += 2
	return &Node{v: v, ino: v.lastIno, kind: Tombstone, parent: t.d, name: t.name, tomb: t}
}

// tombstoneAttr describes it: nothing is in it, and what was allowed with the file is with it.
func (n *Node) tombstoneAttr() Attr {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	t := n.tomb
	return Attr{
		Ino: n.ino, Mode: modeFile | t.mode, UID: t.owner[0], GID: t.owner[1], Nlink: 1,
		Mtime: t.at, Atime: t.at, Ctime: t.at,
	}
}

// openTombstone refuses. For writing, or to read what has been moved there, it ends the
// tombstone: ErrStale has the kernel look the name up again.
func (n *Node) openTombstone(h *Handle) error {
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	d, name := n.tomb.d.dir, n.tomb.name
	if moved, _ := d.movedSidecars.Get(name); moved.n == n {
		d.movedSidecars.Forget(name)
		return fmt.Errorf("open: %w", ErrStale)
	}
	if h.writable() && d.behind[name] == n.tomb {
		n.tomb.end()
		return fmt.Errorf("open: %w", ErrStale)
	}
	return fmt.Errorf("open: %w", errMovedAlong)
}

// endTombstone is what its removal does.
func (v *Volume) endTombstone(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.tomb.end()
}

// Ask notes which thread has looked up a sidecar, or what it has left behind: it may be
// about to take it elsewhere.
func (n *Node) Ask(thread uint32) {
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.kind == Sidecar {
		n.doc.asker = thread
		v.askers.Note(thread, asked{n, n.doc.file.parent}, movedWithin)
		return
	}
	v.askers.Forget(thread)
	n.tomb.asker, n.tomb.asked = thread, time.Now()
}

// asked is a sidecar that a thread has just looked up.
type asked struct {
	side *Node
	d    *Node // where it was then
}

// movedSidecar is a name to which a program has renamed a sidecar, or what it has left behind.
type movedSidecar struct {
	n      *Node
	thread uint32
}

// Taking says what a thread is to find under a name if it moves sidecars. While it comes
// from a tombstone, or from a sidecar to where a tombstone is, nothing (expected): file
// managers ask what to do, and "mv -n" does nothing, where something is in the way. After
// that, what it has moved (put), which mv looks at once more. To all others, and in the
// end, the sidecar is there with its file.
func (n *Node) Taking(name string, thread uint32) (put *Node, expected bool) {
	base, ok := sidecar.Base(name)
	if !ok || n.kind != Dir {
		return nil, false
	}
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.dir.Get(name) != nil {
		return nil, false
	}
	file := n.dir.Get(base)
	if file != nil && file.kind == File && file.left != nil && file.left.isAskedBy(thread) {
		return nil, true
	}
	if t := n.dir.behind[name]; t != nil && t.stands() && v.brings(thread, n, name) {
		return nil, true
	}
	t, recent := n.dir.movedSidecars.Get(name)
	if !recent || t.thread != thread || file != nil && v.sideShown(file) {
		return nil, false
	}
	return t.n, false
}

// isAskedBy reports whether a thread has just looked the tombstone up; Volume.mu is held.
func (t *tombstone) isAskedBy(thread uint32) bool {
	return t.node != nil && t.asker == thread && time.Since(t.asked) < movedWithin && t.stands()
}

// brings reports whether a thread has just looked up a sidecar of that name in another
// directory, and it is still there; v.mu is held.
func (v *Volume) brings(thread uint32, to *Node, name string) bool {
	last, recent := v.askers.Get(thread)
	if !recent || last.d == to || last.side.doc.disowned {
		return false
	}
	file := last.side.doc.file
	return !file.gone && file.parent == last.d && sidecar.Name(file.name) == name
}

// noteMovedSidecar notes that a sidecar, or a tombstone, was renamed to a name; v.mu is held.
func (v *Volume) noteMovedSidecar(c, to *Node, name string) {
	t := tombstone{d: to, name: name, at: time.Now()}
	var thread uint32
	if c.kind == Sidecar {
		t.ownedAs(c.doc.file)
		thread = c.doc.asker
	} else {
		t.mode, t.owner, thread = c.tomb.mode, c.tomb.owner, c.tomb.asker
	}
	to.dir.movedSidecars.Note(name, movedSidecar{v.tombstoneNode(&t), thread}, movedWithin)
}

// renameSidecar succeeds and changes nothing, as unlinking a sidecar does, or what it
// has left behind: it goes where its file goes. Nothing else is replaced by it.
func (v *Volume) renameSidecar(ctx context.Context, c, to *Node, newName string, flags RenameFlags) error {
	if err := v.checkName(to, newName, false); err != nil {
		return err
	}
	target, err := v.child(ctx, to, newName)
	switch {
	case err != nil:
		return err
	case target != nil && flags&NoReplace != 0:
		return ErrExist
	case target != nil:
		return fmt.Errorf("a sidecar replaces no file: %w", ErrPermission)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if c.kind == Sidecar {
		c.doc.disowned = true
		v.noteMovedSidecar(c, to, newName)
		return nil
	}
	t := c.tomb
	if file := t.file; file != nil && !file.gone && file.parent != to {
		return fmt.Errorf("rename %s: %w", c.name, errMovedAlong)
	}
	t.end()
	v.noteMovedSidecar(c, to, newName)
	return nil
}
