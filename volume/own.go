package volume

import (
	"bytes"
	"slices"
	"sync"

	"mcfs/sidecar"
	"mcfs/store"
)

// maxOwn is how many names are remembered as this machine's own doing, the latest.
const maxOwn = 1024

// own is what this mount has put under a name last, or what the request of one that was
// killed may still put there. Where a commit finds that version under that name, no other
// machine has been there: work on a name is done in the order in which it was asked for,
// so that what the commit brings is the newer. The same version under another name, or one
// that was replaced since, is another machine's doing: it has moved it there.
type own struct {
	mu     sync.Mutex
	byName map[string]*version
	names  []string // the oldest first
}

// put notes that x stands under the name, or may come to.
func (o *own) put(name string, x *version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(name)
	if o.byName == nil {
		o.byName = make(map[string]*version)
	}
	if len(o.names) == maxOwn {
		o.drop(o.names[0])
	}
	o.byName[name] = x
	o.names = append(o.names, name)
}

// leave notes that another machine has changed what stands under the name.
func (o *own) leave(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(name)
}

// drop forgets a name; o.mu is held.
func (o *own) drop(name string) {
	if o.byName[name] == nil {
		return
	}
	delete(o.byName, name)
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
}

// standing is the version that an object is, if this machine has put it there; else nil.
func (o *own) standing(name string, info store.Info) *version {
	obj, stated, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !stated {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if x := o.byName[name]; x != nil && bytes.Equal(x.iv, obj.IV) {
		return x
	}
	return nil
}

// replaceOwn has the attempt replace an object that turned out to be this machine's own.
func (v *Volume) replaceOwn(a *attempt, info store.Info) bool {
	x := v.own.standing(a.path, info)
	if x == nil {
		v.own.leave(a.path)
		return false
	}
	x.moved(a.path, info.ETag, x.sidecar())
	a.replaces, a.withdrew = x, false
	return true
}
