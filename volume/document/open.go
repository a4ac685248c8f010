package document

import (
	"slices"
	"sync"
)

// Open has the documents that are open for writing, by the sidecar that each is written
// over. The zero Open has none.
type Open[K comparable] struct {
	mu  sync.Mutex
	all map[K][]*Document
}

// Hold has Truncate find a document, until it is dropped.
func (o *Open[K]) Hold(k K, d *Document) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[K][]*Document)
	}
	o.all[k] = append(o.all[k], d)
}

// Drop lets go of a document, if it is held: one that was only read is not.
func (o *Open[K]) Drop(k K, d *Document) {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := slices.DeleteFunc(o.all[k], func(held *Document) bool { return held == d })
	if len(left) > 0 {
		o.all[k] = left
		return
	}
	delete(o.all, k)
}

// Truncate sets the size of what is being written over a sidecar. That comes by its name,
// also where open(2) has asked for it: after the opening, without the handle.
func (o *Open[K]) Truncate(k K, size int64) error {
	o.mu.Lock()
	all := slices.Clone(o.all[k])
	o.mu.Unlock()
	for _, d := range all {
		if err := d.Truncate(size); err != nil {
			return err
		}
	}
	return nil
}

// Len is how many sidecars are being written over.
func (o *Open[K]) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.all)
}
