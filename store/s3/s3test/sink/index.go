package sink

import "slices"

// index holds keys in order. Who fills a directory adds most of them at the end, and asks
// for a listing before each: a key finds its place at once, and is not sorted in later.
type index []string

func (x *index) add(key string) {
	if n := len(*x); n == 0 || key > (*x)[n-1] {
		*x = append(*x, key)
		return
	}
	if i, found := slices.BinarySearch(*x, key); !found {
		*x = slices.Insert(*x, i, key)
	}
}

func (x *index) remove(key string) {
	if i, found := slices.BinarySearch(*x, key); found {
		*x = slices.Delete(*x, i, i+1)
	}
}
