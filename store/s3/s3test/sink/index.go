package sink

import "slices"

// index holds keys in order. It sorts when somebody looks: many are added
// between two listings.
type index struct {
	keys  []string
	dirty bool
}

func (x *index) add(key string) {
	if n := len(x.keys); n > 0 && key <= x.keys[n-1] {
		x.dirty = true
	}
	x.keys = append(x.keys, key)
}

func (x *index) remove(key string) {
	if i, found := slices.BinarySearch(x.sorted(), key); found {
		x.keys = slices.Delete(x.keys, i, i+1)
	}
}

func (x *index) sorted() []string {
	if x.dirty {
		slices.Sort(x.keys)
		x.dirty = false
	}
	return x.keys
}
