package tree

import (
	"time"

	"mcfs/store"
)

// IsListed reports whether all names were known once.
func (d *Dir[L]) IsListed() bool { return !d.listedAt.IsZero() }

// IsFresh reports whether all names were known so short a time ago.
func (d *Dir[L]) IsFresh(within time.Duration) bool { return time.Since(d.listedAt) < within }

// IsNameFresh reports whether it is known since so short a time ago whether a name is there.
func (d *Dir[L]) IsNameFresh(name string, within time.Duration) bool {
	return d.IsFresh(within) || time.Since(d.probed[name]) < within
}

// MarkListed notes that all names are known, as of a time. Removals that the store had before that
// are forgotten.
func (d *Dir[L]) MarkListed(begun time.Time) {
	for name, done := range d.removed {
		if !done.IsZero() && done.Before(begun) {
			delete(d.removed, name)
		}
	}
	d.listedAt = begun
}

// mostProbed is how many names are known to be fresh by themselves.
const mostProbed = 4096

// MarkProbed notes that a single name is known, as of a time.
func (d *Dir[L]) MarkProbed(name string, begun time.Time) {
	if d.probed == nil {
		d.probed = make(map[string]time.Time)
	}
	if len(d.probed) > mostProbed {
		clear(d.probed)
	}
	d.probed[name] = begun
}

// Expire has the next look at a name, and at the directory, ask the store. What is known is the
// last-known answer meanwhile.
func (d *Dir[L]) Expire(name string) {
	if d.IsListed() {
		d.listedAt = time.Unix(0, 0)
	}
	delete(d.probed, name)
}

// IsLarge reports whether a listing of the directory has more than one page: single names are
// looked up singly then.
func (d *Dir[L]) IsLarge() bool { return d.large }

// SetLarge notes whether it has.
func (d *Dir[L]) SetLarge(large bool) { d.large = large }

// CountProbe notes that a name which is there was looked up singly, and reports whether that has been
// done so often that a listing of all names is cheaper.
func (d *Dir[L]) CountProbe() bool {
	const few, perPage = 8, store.MaxPage / 2 // a file has two keys
	d.probes++
	return d.probes > few+len(d.entries)/perPage
}

// BeginListing notes that all names are being listed, so that single look-ups are counted anew.
func (d *Dir[L]) BeginListing() { d.probes = 0 }
