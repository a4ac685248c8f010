package volume

import (
	"strings"
	"time"

	"mcfs/volume/naming"
)

// takeClass tells the state machine what the draft's name means; n is locked.
func (n *Node) takeClass(c naming.Class) {
	switch c {
	case naming.Temporary:
		n.step(evGuess)
	case naming.LocalOnly:
		n.step(evHide)
	}
}

// stateUnder is the state of a draft whose name is of the class; ok is false for an ordinary
// one, which says nothing of it.
func stateUnder(c naming.Class) (s State, ok bool) {
	switch c {
	case naming.Temporary:
		return Temporary, true
	case naming.LocalOnly:
		return Local, true
	}
	return Clean, false
}

// classOfNew is the class of a file's name that is made in d; v.mu is held.
func (v *Volume) classOfNew(d *Node, name string, e naming.Evidence) naming.Class {
	e.Beside = d.hasFile
	return v.rules.ClassOf(join(v.path(d), name), e)
}

// classAfter is the class of a name in to which a file or symlink gets by a rename; swapped says
// that a file with a temporary name leaves it in exchange. What had an ordinary name becomes
// temporary only as a backup beside its file, or by such an exchange. v.mu is held and n locked.
func (v *Volume) classAfter(n, to *Node, newName string, swapped bool) naming.Class {
	switch {
	case v.rules.LocalOnly(join(v.path(to), newName), n.madeAs(newName)):
		return naming.LocalOnly
	case n.kind != File:
		return naming.Ordinary
	}
	was := n.name
	e := naming.Evidence{Creation: naming.AsFile, Beside: func(name string) bool {
		return to == n.parent && name == was || to.hasFile(name)
	}}
	if n.state == Temporary {
		e.Creation = naming.Mkstemp
	}
	if swapped || (n.state == Temporary || strings.HasSuffix(newName, "~")) && v.rules.LooksTemporary(newName, e) {
		return naming.Temporary
	}
	return naming.Ordinary
}

// classOfRenamed is classAfter for who has not locked n; v.mu is held.
func (v *Volume) classOfRenamed(n, to *Node, newName string) naming.Class {
	swapped := v.isTemporary(to.dir.children[newName])
	n.lock()
	defer n.unlock()
	return v.classAfter(n, to, newName, swapped)
}

// classBelow is the class of a draft's path which a rename of a directory above changes; v.mu is held and n locked.
func (v *Volume) classBelow(n *Node, path string) naming.Class {
	switch {
	case v.rules.LocalOnly(path, n.madeAs(n.name)):
		return naming.LocalOnly
	case n.state == Temporary:
		return naming.Temporary
	}
	return naming.Ordinary
}

// classByPath is the class of a draft whose evidence was looked at before.
func (v *Volume) classByPath(k Kind, at string) naming.Class {
	class := v.rules.ClassByPath(at)
	if class == naming.Temporary && k != File {
		return naming.Ordinary
	}
	return class
}

// isTemporary reports whether the node bears a name that looks temporary, and waits for another.
func (v *Volume) isTemporary(n *Node) bool {
	return n != nil && n.kind == File && n.peekState() == Temporary
}

// hasFile reports whether a file of that name is known in the directory; v.mu is held.
func (n *Node) hasFile(name string) bool {
	c := n.dir.children[name]
	return c != nil && c.kind == File
}

// sqliteHead is how each database of SQLite's begins.
const sqliteHead = "SQLite format 3\x00"

// isDatabase reports whether the file to which a journal of that name would belong is one
// of SQLite's, or is just being made: as far as the spool can tell, which has what is open.
func (v *Volume) isDatabase(d *Node, journal string) bool {
	i := strings.LastIndexByte(journal, '-')
	if i < 0 {
		return false
	}
	v.mu.Lock()
	base := d.dir.children[journal[:i]]
	v.mu.Unlock()
	if base == nil || base.kind != File {
		return false
	}
	base.lock()
	defer base.unlock()
	if base.size() == 0 {
		return base.opens > 0
	}
	if base.file == nil {
		return false
	}
	head := make([]byte, len(sqliteHead))
	_, err := base.file.ReadAt(head, 0)
	return err == nil && string(head) == sqliteHead
}

// awaitName begins the wait for another name of a file that has just been closed; n is locked.
func (n *Node) awaitName() {
	n.stopWaiting()
	if n.state != Temporary || n.opens > 0 || n.isStranded() {
		return
	}
	v := n.v
	n.claims = time.Now().Add(v.o.Grace)
	n.ripens = v.queue.RunAfter(v.o.Grace, func() { v.ripen(n) })
}

// stopWaiting ends it; n is locked.
func (n *Node) stopWaiting() {
	if n.ripens != nil {
		n.ripens.Stop()
		n.ripens, n.claims = nil, time.Time{}
	}
}

// ripen commits a file under the temporary name that it bears still: whoever made it
// has neither renamed nor opened it since it was closed, and so may mean it.
func (v *Volume) ripen(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.lock()
	ripe := !n.gone && n.state == Temporary && n.opens == 0 && !n.claims.IsZero() && !time.Now().Before(n.claims)
	if ripe && n.flaws != nil {
		n.step(evSpoil)
		ripe = false
		defer v.keepInterrupted(n)
	}
	if ripe && n.untell() != nil {
		n.stopWaiting()
		ripe = false
	}
	if ripe {
		n.stopWaiting()
		n.asked = n.gen
		n.step(evAsk)
	}
	n.unlock()
	if !ripe {
		return
	}
	v.log.Info("a file with a temporary name is committed under it: it was closed and not renamed", "path", v.path(n), "grace", v.o.Grace)
	v.startAttempt(n)
}
