package volume

import (
	"strings"

	"mcfs/volume/file"
	"mcfs/volume/naming"
)

// takeClass tells the state machine what the draft's name means; v.mu is held and n locked.
func (n *Node) takeClass(c naming.Class) {
	n.staged = c == naming.Staged
	switch c {
	case naming.Temporary, naming.Staged:
		n.content.StepLocked(file.EvGuess)
	case naming.LocalOnly:
		n.content.StepLocked(file.EvHide)
	}
}

// classOfNew is the class of a file's name that is made in d; v.mu is held.
func (v *Volume) classOfNew(d *Node, name string, e naming.Evidence) naming.Class {
	e.Beside = d.hasFile
	class := v.rules.ClassOf(naming.Join(v.path(d), name), e)
	if class == naming.Staged && !v.isStaging(d) {
		return naming.Ordinary
	}
	return class
}

// classAfter is the class of a name in to which a file or symlink gets by a rename; swapped says
// that a file with a temporary name leaves it in exchange. What had an ordinary name becomes
// temporary only where a save puts it aside, or by such an exchange; and only what waits for
// its name becomes staged. v.mu is held and n locked.
func (v *Volume) classAfter(n, to *Node, newName string, swapped bool) naming.Class {
	switch {
	case v.rules.LocalOnly(naming.Join(v.path(to), newName), n.madeAs(newName)):
		return naming.LocalOnly
	case n.kind != File:
		return naming.Ordinary
	}
	was, guessed := n.name, n.content.State == Temporary
	e := naming.Evidence{Creation: naming.AsFile, Beside: func(name string) bool {
		return to == n.parent && name == was || to.hasFile(name)
	}}
	if guessed && !n.staged {
		e.Creation = naming.Mkstemp
	}
	switch {
	case swapped, (guessed || naming.PutsAside(newName)) && v.rules.LooksTemporary(newName, e):
		return naming.Temporary
	case (guessed || n.content.State == Local) && v.isStaging(to):
		return naming.Staged
	}
	return naming.Ordinary
}

// classOfRenamed is classAfter with n not locked; v.mu is held.
func (v *Volume) classOfRenamed(n, to *Node, newName string) naming.Class {
	swapped := v.isTemporary(to.dir.Get(newName))
	n.content.Lock()
	defer n.content.Unlock()
	return v.classAfter(n, to, newName, swapped)
}

// classBelow is the class of a draft's path which a rename of a directory above changes; v.mu is held and n locked.
func (v *Volume) classBelow(n *Node, path string) naming.Class {
	switch {
	case v.rules.LocalOnly(path, n.madeAs(n.name)):
		return naming.LocalOnly
	case n.content.State != Temporary:
		return naming.Ordinary
	case n.staged && v.rules.ClassByPath(path) != naming.Staged:
		return naming.Ordinary
	case n.staged:
		return naming.Staged
	}
	return naming.Temporary
}

// classByPath is the class of a draft whose evidence was looked at before.
func (v *Volume) classByPath(k Kind, at string) naming.Class {
	class := v.rules.ClassByPath(at)
	if class.IsGuess() && k != File {
		return naming.Ordinary
	}
	return class
}

// isTemporary reports whether the node bears a name that looks temporary, and waits for another; v.mu is held.
func (v *Volume) isTemporary(n *Node) bool {
	return n != nil && n.kind == File && !n.staged && n.content.PeekState() == Temporary
}

// hasFile reports whether a file of that name is known in the directory; v.mu is held.
func (n *Node) hasFile(name string) bool {
	c := n.dir.Get(name)
	return c != nil && c.kind == File
}

// isDatabase reports whether the file to which a journal of that name would belong is one
// of SQLite's, or is just being made: as far as the spool can tell, which has what is open.
func (v *Volume) isDatabase(d *Node, journal string) bool {
	i := strings.LastIndexByte(journal, '-')
	if i < 0 {
		return false
	}
	v.mu.Lock()
	base := d.dir.Get(journal[:i])
	v.mu.Unlock()
	return base != nil && base.kind == File && base.content.IsDatabase()
}

// commitTemporary commits a file under its temporary name, once it has been neither renamed
// nor opened for the grace after its close.
func (v *Volume) commitTemporary(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.awaitsFolder(n) {
		return
	}
	n.content.Lock()
	asked, spoilt := false, false
	if !n.gone && n.content.GraceOverLocked() {
		asked, spoilt = n.content.OwnNameLocked()
	}
	n.content.Unlock()
	if asked {
		v.log.Info("a file with a temporary name is committed under it: it was closed and not renamed", "path", v.path(n), "grace", v.o.Grace)
	}
	n.goOnAsked(asked, spoilt)
}

// goOnAsked begins the commit that was asked for, or keeps what is not to be committed; v.mu is held.
func (n *Node) goOnAsked(asked, spoilt bool) {
	switch {
	case asked:
		n.commit.StartLocked()
	case spoilt:
		n.commit.KeepInterrupted()
	}
}
