package volume

import (
	"sync"

	"mcfs/sidecar"
	"mcfs/store"
)

// maxOwn is how many versions are remembered as this machine's own, the latest.
const maxOwn = 1024

// own is the versions that this mount has put last, and those that the requests of one
// that was killed may still put. Where a commit finds one of them under its name, no
// other machine has been there: work on a name is done in the order in which it was
// asked for, so that what the commit brings is the newer.
type own struct {
	mu    sync.Mutex
	byIV  map[string]*version
	order []string // their IVs, the oldest first
}

func (o *own) note(x *version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byIV == nil {
		o.byIV = make(map[string]*version)
	}
	iv := string(x.iv)
	if o.byIV[iv] == nil {
		o.order = append(o.order, iv)
	}
	o.byIV[iv] = x
	if len(o.order) > maxOwn {
		delete(o.byIV, o.order[0])
		o.order = o.order[1:]
	}
}

// standing is the version that an object is, nil if it is none of these.
func (o *own) standing(info store.Info) *version {
	obj, stated, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !stated {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byIV[string(obj.IV)]
}

// replaceOwn has the attempt replace an object that turned out to be one of this
// machine's own.
func (v *Volume) replaceOwn(a *attempt, info store.Info) bool {
	x := v.own.standing(info)
	if x == nil {
		return false
	}
	x.moved(a.path, info.ETag, x.sidecar())
	a.replaces, a.withdrew = x, false
	return true
}
