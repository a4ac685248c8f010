package volume

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"mcfs/sidecar"
	dirs "mcfs/volume/listing"
	"mcfs/volume/naming"
)

// takes refuses a key of which the store can make no object.
func (v *Volume) takes(key string) error {
	if err := v.store.CheckKey(key); err != nil {
		return fmt.Errorf("%w: %w", ErrNameTooLong, err)
	}
	return nil
}

// fits refuses the path of a file or directory that is to be made, if there is no room
// for it and its sidecar. Under a sidecar's name there may be a settings document.
func (v *Volume) fits(at string) error {
	if !sidecar.Is(at) {
		return v.fitsFile(at)
	}
	return v.takes(at)
}

// fitsFile is fits of what is to have a sidecar, whatever it is called.
func (v *Volume) fitsFile(at string) error {
	if err := naming.CheckSidecar(at); err != nil {
		return err
	}
	return v.takes(sidecar.Name(at))
}

// besidePath is a path beside p that nothing has, for what must give way there.
func (v *Volume) besidePath(p, whose string) string {
	return naming.Beside(p, whose, time.Now(), func(file string) bool { return v.fits(file) == nil })
}

// checkOwnName refuses to change a file that was made elsewhere under a name that leaves
// no room for a sidecar: it could not be committed. Under another name it can.
func (n *Node) checkOwnName() error {
	v := n.v
	v.mu.Lock()
	at, named := v.path(n), n.parent != nil && !n.gone && n.kind == File
	v.mu.Unlock()
	if !named {
		return nil
	}
	return v.fits(at)
}

// fitsBelow refuses a new path for a node if it, or something below it that is known,
// would be too long there; v.mu is held.
func (v *Volume) fitsBelow(c *Node, newPath string) error {
	oldPath := v.path(c)
	var failed error
	v.walk(c, func(n *Node) {
		if failed != nil || n.gone {
			return
		}
		if err := v.fitsAt(n, newPath+strings.TrimPrefix(v.path(n), oldPath)); err != nil {
			failed = fmt.Errorf("%s below it: %w", n.name, err)
		}
	})
	return failed
}

// fitsAt says whether the store can take what the node has there already, or will have; v.mu is held.
func (v *Volume) fitsAt(n *Node, at string) error {
	switch {
	case n.kind == Dir:
		return v.takes(at + "/")
	case n.kind == File && n.hasSidecar():
		return v.fits(at)
	}
	return v.takes(at)
}

// hasSidecar reports whether a file has one, or will; v.mu is held.
func (n *Node) hasSidecar() bool {
	if n.listed.Sidecar.ETag != "" || n.localLocked() {
		return true
	}
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.Base != nil && !n.content.Base.Foreign()
}

// lengthsBelow asks the store for what is below a directory where the tree does not know
// all of it, as long as P7 lets a rename wait. What it cannot learn in that time is no
// obstacle: an object of which the new key is too long stays where it is (moveObjects).
func (v *Volume) lengthsBelow(ctx context.Context, c *Node, newPath string) error {
	v.mu.Lock()
	oldPath := v.path(c)
	places, listed := v.moves.Sources(oldPath+"/"), v.allListed(c)
	v.mu.Unlock()
	if listed || len(newPath) <= len(oldPath) {
		return nil
	}
	var long error
	_ = v.patience.Do(ctx, true, func(ctx context.Context) error { // a failure means that it is not known
		for _, place := range places {
			err := v.eachBelow(ctx, place, func(key string) bool {
				rest := strings.TrimPrefix(key, place)
				if v.removed(c, rest) || v.destinationOf(key) != oldPath+"/"+rest {
					return true
				}
				if err := v.takes(newPath + "/" + rest); err != nil {
					long = fmt.Errorf("%s below it: %w", path.Base(rest), err)
				}
				return long == nil
			})
			if err != nil || long != nil {
				return err
			}
		}
		return nil
	})
	return long
}

// eachBelow calls f with each key below a prefix of the store, until it says false.
func (v *Volume) eachBelow(ctx context.Context, prefix string, f func(key string) bool) error {
	for page, err := range dirs.Pages(ctx, v.store, prefix) {
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if !f(o.Key) {
				return nil
			}
		}
	}
	return nil
}

// allListed reports whether the tree has all that is below a directory, as of some time; v.mu is held.
func (v *Volume) allListed(c *Node) bool {
	all := true
	v.walk(c, func(n *Node) { all = all && (n.kind != Dir || n.dir.IsListed()) })
	return all
}

// removed reports whether a path below a directory was removed here, or renamed away.
func (v *Volume) removed(d *Node, rest string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for elem := range strings.SplitSeq(rest, "/") {
		switch c := d.dir.Get(elem); {
		case c != nil && c.kind == Dir:
			d = c
		case c != nil:
			return false
		default:
			return d.dir.WasRemoved(elem)
		}
	}
	return false
}

func (v *Volume) destinationOf(key string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.moves.Destination(key)
}
