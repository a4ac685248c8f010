package volume

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"mcfs/sidecar"
	"mcfs/volume/lately"
	dirs "mcfs/volume/listing"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// dirState is what is known of a directory; guarded by Volume.mu.
type dirState struct {
	children      map[string]*Node
	tombs         map[string]*tomb // names removed here that a listing may still show
	leaving       map[string]int   // changes under way that take a name away, by name
	listedAt      time.Time        // when the last whole listing was begun; zero: never
	large         bool             // more than one page: single names are looked up singly
	probes        int              // how often, since the last whole listing
	pruned        bool             // the metadata cache has forgotten what is not there any more
	beside        map[string]bool  // directories that hide a file of their name, of which the log has been told
	fresh         map[string]time.Time
	flight        *flight
	scan          []*Node                          // what the last ReadDir showed, in its order, whose description may be wanted next
	walked        dirs.Walk                        // whether a program goes through it without having listed it
	sidecarWrites lately.Map[string, *Node]        // settings documents taken a moment ago, by their names
	behind        map[string]*tombstone            // of sidecars, by their names
	movedSidecars lately.Map[string, movedSidecar] // where sidecars were moved to a moment ago, by the names they were given
	attr          sidecar.Attr
	staging       staging
	dirTimes
	// described says that attr is what marker states, or this machine has set.
	// shown is the marker in the last listing, retry when one that could not be
	// read is asked for again.
	described    bool
	wasDescribed bool // it was described before a listing showed another marker
	marker       remote.Marker
	shown        remote.Marker
	retry        time.Time
}

// tomb marks a name that was removed by this machine. A listing that was begun
// before the removal was done in the store says nothing about the name.
type tomb struct{ done time.Time } // zero: not done yet

// leaves notes that a change that takes the name away is queued. One that is made
// anew and removed again, and again, has several.
func (d *dirState) leaves(name string) {
	if d.leaving == nil {
		d.leaving = make(map[string]int)
	}
	d.leaving[name]++
}

// left notes that one of them is done, and after the last of them, from when on
// a listing says something about the name.
func (d *dirState) left(name string, now time.Time) {
	if d.leaving[name]--; d.leaving[name] == 0 {
		delete(d.leaving, name)
		d.tombs[name] = &tomb{done: now}
	}
}

// stays notes that one of them has come to nothing.
func (d *dirState) stays(name string) {
	if d.leaving[name]--; d.leaving[name] == 0 {
		delete(d.leaving, name)
		delete(d.tombs, name)
	}
}

// flight is a listing under way; those who need it wait for done.
type flight struct {
	onePage bool // no more is asked for
	pages   atomic.Int64
	done    chan struct{}
	err     error // these two once it is done
	enough  bool  // to look further would tell no more
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
	stale := time.Since(n.dir.listedAt) >= v.o.Fresh
	v.mu.Unlock()
	if stale {
		if err := v.refresh(ctx, n, ""); err != nil {
			return nil, err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	names := make([]string, 0, len(n.dir.children))
	for name := range n.dir.children {
		names = append(names, name)
	}
	slices.Sort(names)
	entries := make([]DirEntry, 0, 2*len(names))
	n.dir.scan = n.dir.scan[:0]
	hidden := v.o.Hidden || naming.HidesSidecars(v.path(n))
	for _, name := range names {
		c := n.dir.children[name]
		n.dir.scan = append(n.dir.scan, c)
		if c.kind == File {
			side := sidecar.Name(name)
			if !hidden && name[0] != '.' && n.dir.children[side] == nil && v.sideShown(c) {
				entries = append(entries, DirEntry{side, c.ino - 1, Sidecar})
				if c.side != nil {
					c.side.disowned = false
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
