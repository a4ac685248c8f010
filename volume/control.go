package volume

import (
	"slices"

	"mcfs/volume/commit"
	"mcfs/volume/file"
	"mcfs/volume/naming"
)

// A program that fetches a file in pieces, as aria2 does, writes it under its final name, notes
// in a control file beside it what is there, and removes that when all is. Closed before
// that, half a file looks like a whole one, but for the control file (P6).

// noteControl notes that a file was written, or got its name, which may be a control file.
func (v *Volume) noteControl(c *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	base := naming.Controlled(c.name)
	if base == "" || c.gone || c.parent == nil {
		return
	}
	n := c.parent.dir.children[base]
	if n == nil || n.kind != File {
		return
	}
	n.content.NoteControl()
}

// holdUnfinished keeps the draft from being published while a control file beside it says that
// it is not whole, and reports whether one does.
func (n *Node) holdUnfinished() bool {
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.Control != file.OpenUnfinished || n.gone || !slices.ContainsFunc(naming.Controls(n.name), n.parent.hasFile) {
		return false
	}
	if !n.content.HoldUnfinishedLocked() {
		return false
	}
	v.signal()
	return true
}

// keepUnfinished is what the close of such a file does. Of one that is larger than the
// spool nothing is promised: its upload stays as it is.
func (n *Node) keepUnfinished() error {
	n.v.log.Info("a file is not uploaded before its control file is removed, which says that it is not whole", "path", n.Path())
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
			v.log.Error("journal", "path", n.Path(), "cause", err)
		}
	}
}

// releaseUnfinished finds the file; nil: there is none, or it was changed or committed since.
func (v *Volume) releaseUnfinished(d *Node, name string) *Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := d.dir.children[naming.Controlled(name)]
	if n == nil || n.kind != File || d.hasFile(name) {
		return nil
	}
	if !n.content.ReleaseUnfinished() {
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
