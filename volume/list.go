package volume

import (
	"context"

	"mcfs/sidecar"
	"mcfs/volume/lately"
	"mcfs/volume/naming"
	"mcfs/volume/tree"
)

// dirState is what is known of a directory; guarded by Volume.mu.
type dirState struct {
	tree.Dir[*Node]
	tree.Attributes
	pruned        bool                             // the metadata cache has forgotten what is not there any more
	flight        *tree.Flight                     // a listing under way; nil: none
	sidecarWrites lately.Map[string, *Node]        // settings documents taken a moment ago, by their names
	behind        map[string]*tombstone            // of sidecars, by their names
	movedSidecars lately.Map[string, movedSidecar] // where sidecars were moved to a moment ago, by the names they were given
	staging       staging
}

// DirEntry is one line of a directory.
type DirEntry struct {
	Name string
	Ino  uint64
	Kind Kind
}

// ReadDir is a snapshot, sidecars included where they are listed, without "." and "..".
func (n *Node) ReadDir(ctx context.Context) ([]DirEntry, error) {
	if n.kind != Dir {
		return nil, ErrNotDir
	}
	v := n.v
	v.mu.Lock()
	stale := !n.dir.IsFresh(v.o.Fresh)
	v.mu.Unlock()
	if stale {
		if err := v.refresh(ctx, n, ""); err != nil {
			return nil, err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	list := n.dir.List()
	entries := make([]DirEntry, 0, 2*len(list))
	hidden := v.o.Hidden || naming.HidesSidecars(v.path(n))
	for _, e := range list {
		name, c := e.Name, e.Leaf
		if c.kind == File {
			side := sidecar.Name(name)
			if !hidden && name[0] != '.' && n.dir.Get(side) == nil && v.sideShown(c) {
				entries = append(entries, DirEntry{side, c.ino - 1, Sidecar})
				if c.side != nil {
					c.side.doc.disowned = false
				}
			}
		}
		entries = append(entries, DirEntry{name, c.ino, c.shownKind()})
	}
	return entries, nil
}

// shownKind is the kind as far as it is known without asking; v.mu is held.
func (n *Node) shownKind() Kind {
	if n.kind != File || n.listed.Sidecar.ETag != "" || n.localLocked() {
		return n.kind
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.KnownLocked() {
		return File
	}
	return Unknown
}
