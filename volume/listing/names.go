package listing

import (
	"strings"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/naming"
)

// Name is what the store has under one name of a directory.
type Name struct {
	Object  *store.Info // nil: none
	Sidecar *store.Info // of the object; nil: none
	Folder  bool        // there are keys below it
}

// Names are those of one directory. The empty name is the directory's own marker.
type Names map[string]*Name

// Has reports whether there is a file of that name or, with a name that ends in "/", a directory.
func (n Names) Has(name string) bool {
	name, folder := strings.CutSuffix(name, "/")
	found := n[name]
	return found != nil && (folder && found.Folder || !folder && found.Object != nil)
}

// Marker takes the directory's own marker out; nil: there is none.
func (n Names) Marker() *store.Info {
	found := n[""]
	delete(n, "")
	if found == nil {
		return nil
	}
	return found.Object
}

func (n Names) at(name string) *Name {
	if n[name] == nil {
		n[name] = &Name{}
	}
	return n[name]
}

// collect adds a page's names. A name that is there already stays as it was found, and keys that
// no path can spell are left out.
func (n Names) collect(page store.Page, prefix string) {
	for i := range page.Objects {
		o := &page.Objects[i]
		if IsMarker(o.Key, prefix) {
			n.at("").Object = o
			continue
		}
		if name, below := strings.CutPrefix(o.Key, prefix); below && naming.Showable(name) && n.at(name).Object == nil {
			n[name].Object = o
		}
	}
	for _, p := range page.Prefixes {
		if name, below := strings.CutPrefix(strings.TrimSuffix(p, "/"), prefix); below && naming.Showable(name) {
			n.at(name).Folder = true
		}
	}
}

// pair moves each sidecar from a name of its own to its file's.
func (n Names) pair() {
	for name, found := range n {
		base, ok := sidecar.Base(name)
		if !ok || found.Object == nil {
			continue
		}
		if own := n[sidecar.Name(name)]; own != nil && own.Object != nil {
			continue // it has a sidecar itself: a file of somebody's that is called so
		}
		if file := n[base]; file != nil && file.Object != nil {
			file.Sidecar = found.Object
		}
	}
	for name, found := range n {
		if base, ok := sidecar.Base(name); ok && found.Object != nil && n[base] != nil && n[base].Sidecar == found.Object {
			found.Object = nil
			if !found.Folder {
				delete(n, name)
			}
		}
	}
}

// IsMarker reports whether a listed key is the marker of the directory that is being listed.
func IsMarker(key, prefix string) bool { return key == prefix && strings.HasSuffix(key, "/") }

// PrefixOf is what the keys in a directory begin with.
func PrefixOf(dir string) string {
	if dir == "" {
		return ""
	}
	return dir + "/"
}
