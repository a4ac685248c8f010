package volume

import (
	"path"
	"strings"
	"time"
)

// place is what a name means to the draft that bears it.
type place uint8

const (
	leaves place = iota // it is committed as others are
	waits               // the name looks temporary: it is committed under it after Options.Grace, unless it gets another
	stays               // the name is local-only: it stays in the spool until it gets another
)

func (p place) String() string { return [...]string{"leaves", "waits", "stays"}[p] }

// stepInto tells the state machine that a draft has got its name; n is locked.
func (n *Node) stepInto(p place) {
	switch p {
	case waits:
		n.step(evGuess)
	case stays:
		n.step(evHide)
	}
}

// state is that of a draft whose name has this place; ok is false for leaves, which says nothing of it.
func (p place) state() (s State, ok bool) {
	switch p {
	case waits:
		return Temporary, true
	case stays:
		return Local, true
	}
	return Clean, false
}

// placeOfNew is the place of a file that is made under a name in d; v.mu is held.
func (v *Volume) placeOfNew(d *Node, name string, c clues) place {
	if v.local.match(join(v.path(d), name), c.made) {
		return stays
	}
	c.beside = d.hasFile
	if isGuessed(v.guesses, name, c) {
		return waits
	}
	return leaves
}

// placeAfter is the place of a file or symlink that is renamed to a name in to, which
// a file with a temporary name leaves if swapped; v.mu is held and n locked. What a program has had under an ordinary name it has not made in
// passing: only a backup beside what it is of is one, and what changes places with a
// file whose name is temporary.
func (v *Volume) placeAfter(n, to *Node, newName string, swapped bool) place {
	switch {
	case v.local.match(join(v.path(to), newName), n.madeAs(newName)):
		return stays
	case n.kind != File:
		return leaves
	}
	was := n.name
	c := clues{made: named, beside: func(name string) bool {
		return to == n.parent && name == was || to.hasFile(name)
	}}
	if n.state == Temporary {
		c.made = mkstemp
	}
	if swapped || (n.state == Temporary || strings.HasSuffix(newName, "~")) && isGuessed(v.guesses, newName, c) {
		return waits
	}
	return leaves
}

// placeBelow is the place of a draft whose path a rename of a directory above makes another; v.mu is held and n locked.
func (v *Volume) placeBelow(n *Node, path string) place {
	switch {
	case v.local.match(path, n.madeAs(n.name)):
		return stays
	case n.state == Temporary:
		return waits
	}
	return leaves
}

// isTemporary reports whether the node bears a name that looks temporary, and waits for another.
func (v *Volume) isTemporary(n *Node) bool {
	return n != nil && n.kind == File && n.peekState() == Temporary
}

// placeByName is the place of a draft whose evidence was looked at before: by its path alone.
func (v *Volume) placeByName(k Kind, at string) place {
	if v.local.match(at, mkstemp) {
		return stays
	}
	c := clues{made: mkstemp, database: true, beside: func(string) bool { return true }}
	if k == File && isGuessed(v.guesses, path.Base(at), c) {
		return waits
	}
	return leaves
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
	if n.state != Temporary || n.opens > 0 {
		return
	}
	v := n.v
	n.claims = time.Now().Add(v.o.Grace)
	n.ripens = time.AfterFunc(v.o.Grace, func() { v.work.add(func() { v.ripen(n) }) })
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
