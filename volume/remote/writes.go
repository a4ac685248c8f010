package remote

import (
	"slices"
	"sync"

	"mcfs/sidecar"
	"mcfs/store"
)

// maxWrites is how many keys are remembered, the latest.
const maxWrites = 1024

// Writes maps a key to the version that this machine last wrote there, or that the request
// of a mount that was killed may still write, so that our own object is not taken for a
// conflict. The same version under another key, or one that was replaced since, is another
// machine's doing. The zero Writes is ready for use, by several goroutines.
type Writes struct {
	mu    sync.Mutex
	byKey map[string]*Version
	keys  []string // the oldest first
}

// Note notes that x stands under the key, or may come to.
func (w *Writes) Note(key string, x *Version) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropLocked(key)
	if w.byKey == nil {
		w.byKey = make(map[string]*Version)
	}
	if len(w.keys) == maxWrites {
		w.dropLocked(w.keys[0])
	}
	w.byKey[key] = x
	w.keys = append(w.keys, key)
}

// Forget notes that another machine has changed what stands under the key.
func (w *Writes) Forget(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropLocked(key)
}

func (w *Writes) dropLocked(key string) {
	if w.byKey[key] == nil {
		return
	}
	delete(w.byKey, key)
	w.keys = slices.DeleteFunc(w.keys, func(k string) bool { return k == key })
}

// Written returns the version that an object is, if this machine has put it there; else nil.
func (w *Writes) Written(key string, info store.Info) *Version {
	obj, stated, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !stated {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.byKey[key]; x != nil && x.compare(obj.IV) == same {
		return x
	}
	return nil
}
