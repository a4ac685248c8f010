package tree

import (
	"maps"
	"time"

	"mcfs/volume/listing"
)

// Known is what the owner knows of what a name leads to.
type Known struct {
	Folder  bool
	Local   bool      // this machine knows better than any listing
	Changed time.Time // when this machine last changed the name
	// Below reports whether anything at or below a folder is known here alone.
	Below func() bool
}

// Verdict is what a listing's word of one name means for the tree.
type Verdict int

const (
	Keep     Verdict = iota // the tree knows as much, or better
	Forget                  // nothing has the name any more
	MakeDir                 // a directory has it, and replaces what is known
	MakeFile                // a file has it, and replaces what is known
	Compare                 // a file has it, and one is known: their versions decide
)

// Judge says what a listing that was begun at a time means for one name; a nil found says that it
// has not shown the name. hides reports, once, that a directory stands before a file of its name.
func (d *Dir[L]) Judge(name string, found *listing.Name, begun time.Time, look func(L) Known) (v Verdict, hides bool) {
	if d.isOlder(begun, name) {
		return Keep, false
	}
	var known Known
	l, there := d.entries[name]
	if there {
		if known = look(l); known.Local || !known.Changed.Before(begun) {
			return Keep, false
		}
	}
	stays := func() bool { return known.Folder && known.Below() }
	switch {
	case found == nil:
		if !there || stays() {
			return Keep, false
		}
		return Forget, false
	case found.Folder:
		hides = found.Object != nil && d.noteHidden(name)
		if there && known.Folder {
			return Keep, hides
		}
		return MakeDir, hides
	case found.Object == nil:
		return Keep, false
	case !there:
		return MakeFile, false
	case !known.Folder:
		return Compare, false
	case stays():
		return Keep, false
	}
	return MakeFile, false
}

// noteHidden reports whether it is the first time that a directory hides a file of its name.
func (d *Dir[L]) noteHidden(name string) bool {
	if d.hides[name] {
		return false
	}
	if d.hides == nil {
		d.hides = make(map[string]bool)
	}
	d.hides[name] = true
	return true
}

// Merge takes over a listing of all names that was begun at a time: it calls one for each name that
// was found, and with nil for each other that is known. It reports whether that has changed what
// was known from an earlier listing.
func (d *Dir[L]) Merge(names listing.Names, begun time.Time, one func(name string, found *listing.Name)) (changed bool) {
	before := maps.Clone(d.entries)
	for name, found := range names {
		one(name, found)
	}
	for name := range d.entries {
		if names[name] == nil {
			one(name, nil)
		}
	}
	changed = d.IsListed() && !maps.Equal(before, d.entries)
	d.MarkListed(begun)
	return changed
}
