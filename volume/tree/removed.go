package tree

import "time"

// Bury notes that a name was removed here, which the store does not have yet.
func (d *Dir[L]) Bury(name string) { d.removed[name] = time.Time{} }

// BuryIfFree is Bury of a name that leads nowhere.
func (d *Dir[L]) BuryIfFree(name string) {
	if _, there := d.entries[name]; !there {
		d.Bury(name)
	}
}

// Leave notes that a change which takes the name away is queued. A name that is made anew and
// removed again has several.
func (d *Dir[L]) Leave(name string) {
	if d.leaving == nil {
		d.leaving = make(map[string]int)
	}
	d.leaving[name]++
}

// Left notes that one of these changes is done. From after the last one on a listing says
// something about the name.
func (d *Dir[L]) Left(name string, now time.Time) {
	if d.leaving[name]--; d.leaving[name] == 0 {
		delete(d.leaving, name)
		d.removed[name] = now
	}
}

// Stay notes that one of these changes has come to nothing.
func (d *Dir[L]) Stay(name string) {
	if d.leaving[name]--; d.leaving[name] == 0 {
		delete(d.leaving, name)
		delete(d.removed, name)
	}
}

// WasRemoved reports whether this machine has removed what the store had under a name, now or
// since the last whole listing.
func (d *Dir[L]) WasRemoved(name string) bool {
	_, removed := d.removed[name]
	return removed || d.leaving[name] > 0
}

// IsGone reports whether a name leads nowhere because this machine has removed it, and the store
// does not have that yet.
func (d *Dir[L]) IsGone(name string) bool {
	if _, there := d.entries[name]; there {
		return false
	}
	done, removed := d.removed[name]
	return d.leaving[name] > 0 || removed && done.IsZero()
}

// isOlder reports whether a listing that was begun then may not have what this machine has done
// to the name.
func (d *Dir[L]) isOlder(begun time.Time, name string) bool {
	if d.leaving[name] > 0 {
		return true
	}
	done, removed := d.removed[name]
	return removed && (done.IsZero() || !done.Before(begun))
}
