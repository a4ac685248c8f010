package volume

import (
	"mcfs/volume/commit"
	"mcfs/volume/file"
	"mcfs/volume/naming"
)

// A program that fetches a file in pieces, as aria2 does, writes it under its final name, notes
// in a control file beside it what is there, and removes that when all is. Closed before
// that, half a file looks like a whole one, but for the control file (P6).

// controlled is the file whose control file one of that name would be; nil: there is none. v.mu is held.
func (d *Node) controlled(name string) *Node {
	base := naming.Controlled(name)
	if base == "" || !d.hasFile(base) {
		return nil
	}
	return d.dir.Get(base)
}

// isControlled reports whether a file of that name would be the control file of one that is being written.
func (v *Volume) isControlled(d *Node, name string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := d.controlled(name)
	return n != nil && n.content.IsWritten()
}

// noteControl notes that a file was written, or got its name, which may be a control file.
func (v *Volume) noteControl(c *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c.gone || c.parent == nil {
		return
	}
	if n := c.parent.controlled(c.name); n != nil {
		n.content.NoteControl()
	}
}

// control is the control file beside a file; nil: there is none.
func (n *Node) control() *Node {
	for name, c := range n.mayControl() {
		if c.isControl(name) {
			return c
		}
	}
	return nil
}

// mayControl are the files beside it that bear a control file's name.
func (n *Node) mayControl() map[string]*Node {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	if n.gone || n.parent == nil {
		return nil
	}
	found := make(map[string]*Node)
	for _, name := range naming.Controls(n.name) {
		if n.parent.hasFile(name) {
			found[name] = n.parent.dir.Get(name)
		}
	}
	return found
}

// isControl reports whether a file of such a name is a control file by its content, as far as
// the spool has that.
func (n *Node) isControl(name string) bool {
	n.content.Lock()
	defer n.content.Unlock()
	head := make([]byte, naming.ControlHead)
	if n.content.HeadLocked(head) != nil {
		head = nil
	}
	return naming.IsControl(name, n.content.SizeLocked(), head)
}

// holdUnfinished keeps the draft from being published while a control file beside it says that
// it is not whole, and reports whether one does.
func (n *Node) holdUnfinished() bool {
	c := n.control()
	if c == nil {
		return false
	}
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.Control != file.OpenUnfinished || n.gone || n.parent.dir.Get(c.name) != c || n.parent.controlled(c.name) != n {
		return false
	}
	if !n.content.HoldUnfinishedLocked() {
		return false
	}
	v.signal()
	return true
}

// hideControl has the control file of a file that is not whole stay here with it, whatever its
// name could mean.
func (v *Volume) hideControl(n *Node) {
	c := n.control()
	if c == nil {
		return
	}
	c.content.Lock()
	guessed := c.content.State == file.Temporary
	if guessed {
		c.content.StepLocked(file.EvHide)
	}
	c.content.Unlock()
	if !guessed {
		return
	}
	if err := v.journalEntry(c); err != nil {
		v.log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "path", c.Path(), "cause", err)
	}
}

// keepUnfinished is what the close of such a file does. Of one that is larger than the
// spool nothing is promised: its upload stays as it is.
func (n *Node) keepUnfinished() error {
	n.v.log.Info("a file is not uploaded before its control file is removed, which says that it is not whole", "path", n.Path())
	n.v.hideControl(n)
	err := n.content.Keep(file.Behind)
	if file.IsSent(err) {
		return nil
	}
	return err
}

// endControl has what was closed unfinished committed, now that its control file has been
// removed from the directory: it is meant as it is.
func (v *Volume) endControl(d *Node, name string) {
	if n := v.releaseUnfinished(d, name); n != nil {
		n.commit.Ask(commit.Closing)
		if err := v.journalEntry(n); err != nil {
			v.log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "path", n.Path(), "cause", err)
		}
	}
}

// releaseUnfinished finds the file; nil: there is none, or it was changed or committed since.
func (v *Volume) releaseUnfinished(d *Node, name string) *Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := d.controlled(name)
	if n == nil || d.hasFile(name) || !n.content.ReleaseUnfinished() {
		return nil
	}
	return n
}

// leaveUnfinished takes back, at the end of the mount, what has left already of a file that
// waits for its control file's removal; n is locked.
func (n *Node) leaveUnfinished() {
	if n.content.Control != file.ClosedUnfinished || n.content.State != Interrupted {
		return
	}
	if err := n.content.GiveUpEarlyLocked(); err != nil {
		n.v.log.Warn("the upload of an unfinished file is kept: some of the file is nowhere else", "inode", n.ino, "cause", err)
	}
}
