package tree

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"mcfs/volume/listing"
)

// Dir is one directory's names. L is what a name leads to, and its zero value is nothing.
type Dir[L comparable] struct {
	entries map[string]L
	// removed are names removed here that a listing may still show, and when the store had
	// that; zero: it has not yet.
	removed map[string]time.Time
	leaving map[string]int // how many queued changes take a name away
	hides   map[string]bool

	listedAt time.Time            // when the last whole listing was begun; zero: there was none
	probed   map[string]time.Time // when a single name was asked for
	large    bool
	probes   int // of names that are there, since the last whole listing

	scan   []Entry[L] // what the last List has left to be described, in its order
	walked listing.Walk
}

// Entry is a name and what it leads to.
type Entry[L comparable] struct {
	Name string
	Leaf L
}

// NewDir makes a directory without names, of which no listing is known.
func NewDir[L comparable]() Dir[L] {
	return Dir[L]{entries: make(map[string]L), removed: make(map[string]time.Time)}
}

// Get returns what a name leads to; zero: nothing.
func (d *Dir[L]) Get(name string) L { return d.entries[name] }

// Put has a name lead somewhere. That it was removed before still holds against older listings.
func (d *Dir[L]) Put(name string, l L) { d.entries[name] = l }

// Enter is Put of what comes to the name from elsewhere: the name counts as never removed.
func (d *Dir[L]) Enter(name string, l L) {
	d.entries[name] = l
	delete(d.removed, name)
}

// Drop has a name lead nowhere.
func (d *Dir[L]) Drop(name string) { delete(d.entries, name) }

// DropIf is Drop of a name that still leads to l.
func (d *Dir[L]) DropIf(name string, l L) {
	if d.entries[name] == l {
		delete(d.entries, name)
	}
}

// Len is how many names lead somewhere.
func (d *Dir[L]) Len() int { return len(d.entries) }

// All are the names and what they lead to, in no order. Names may be dropped meanwhile.
func (d *Dir[L]) All() iter.Seq2[string, L] { return maps.All(d.entries) }

// List returns the names in their order, and notes that they are likely to be described next.
// What it returns is good until the next call.
func (d *Dir[L]) List() []Entry[L] {
	d.scan = d.from("", d.scan[:0])
	return d.scan
}

// from appends what is known from a name on to a list, in order.
func (d *Dir[L]) from(name string, list []Entry[L]) []Entry[L] {
	for other, l := range d.entries {
		if other >= name {
			list = append(list, Entry[L]{other, l})
		}
	}
	slices.SortFunc(list, func(a, b Entry[L]) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// most is how many entries are described ahead at once.
const most = 256

// Ahead notes that the description of an entry was missing, and returns what is to be described with
// it: what follows it in the last List, or in the directory if a program goes through that name by
// name. What is returned once is not returned again.
func (d *Dir[L]) Ahead(name string, l L) []L {
	at, there := slices.BinarySearchFunc(d.scan, name, func(e Entry[L], name string) int { return strings.Compare(e.Name, name) })
	if !there || d.scan[at].Leaf != l {
		if !d.walked.Step(name) {
			return nil
		}
		d.scan, at = d.from(name, nil), 0
		if len(d.scan) == 0 || d.scan[0].Leaf != l {
			return nil
		}
	}
	end := min(len(d.scan), at+most)
	batch := make([]L, 0, end-at)
	for _, e := range d.scan[at:end] {
		batch = append(batch, e.Leaf)
	}
	d.walked.Ahead(d.scan[end-1].Name)
	d.scan = d.scan[end:]
	return batch
}
