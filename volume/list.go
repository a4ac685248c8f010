package volume

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/naming"
)

// dirState is what is known of a directory; guarded by Volume.mu.
type dirState struct {
	children map[string]*Node
	tombs    map[string]*tomb // names removed here that a listing may still show
	leaving  map[string]int   // changes under way that take a name away, by name
	listedAt time.Time        // when the last whole listing was begun; zero: never
	large    bool             // more than one page: single names are looked up singly
	probes   int              // how often, since the last whole listing
	pruned   bool             // the metadata cache has forgotten what is not there any more
	beside   map[string]bool  // directories that hide a file of their name, of which the log has been told
	fresh    map[string]time.Time
	flight   *flight
	scan     []*Node               // what the last ReadDir showed, in its order, whose description may be wanted next
	walked   walk                  // whether a program goes through it without having listed it
	accepted map[string]accepted   // settings documents taken a moment ago, by their names
	behind   map[string]*tombstone // of sidecars, by their names
	taken    map[string]taken      // where sidecars were moved to a moment ago, by the names they were given
	attr     sidecar.Attr
	dirTimes
	// described says that attr is what marker states, or this machine has set.
	// shown is the marker in the last listing, retry when one that could not be
	// read is asked for again.
	described bool
	told      bool // it was so before a listing showed another marker
	marker    marker
	shown     marker
	retry     time.Time
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

// listed is what a listing said of one name.
type found struct {
	object *store.Info
	side   *store.Info
	folder bool
}

// prefixOf is what the keys in a directory begin with.
func prefixOf(path string) string {
	if path == "" {
		return ""
	}
	return path + "/"
}

// list reads a directory from the places where it may be, older ones first (what
// moves is seen at the old place, at the new, or at both); whole is false if
// the one page that was wanted was not enough.
func (v *Volume) list(ctx context.Context, places []string, f *flight) (names map[string]*found, whole bool, err error) {
	names = make(map[string]*found)
	for _, prefix := range places {
		whole, err = v.listPrefix(ctx, names, prefix, f)
		if err != nil || !whole {
			return names, false, err
		}
	}
	pairUp(names)
	return names, true, nil
}

// listPrefix adds what stands at one prefix. A name that is there already stays as it was found.
func (v *Volume) listPrefix(ctx context.Context, names map[string]*found, prefix string, f *flight) (whole bool, err error) {
	seen := pages{most: maxPages}
	for token := ""; ; {
		rctx, cancel := context.WithTimeout(ctx, requestTimeout)
		page, err := v.store.List(rctx, prefix, "/", token, 0)
		cancel()
		if err != nil {
			return false, fmt.Errorf("list %s: %w", shownPath(prefix), err)
		}
		v.collect(names, page, prefix)
		f.pages.Add(1)
		if page.Next == "" {
			return true, nil
		}
		if f.onePage {
			return false, nil
		}
		if err := seen.turn(page.Next); err != nil {
			return false, fmt.Errorf("list %s: %w", shownPath(prefix), err)
		}
		token = page.Next
	}
}

// maxPages is how many pages of one directory are listed: four million keys.
// Its names can be opened all the same, one by one.
const maxPages = 4096

var (
	errRepeats = fmt.Errorf("the store repeats itself: %w", store.ErrUnavailable)
	errEndless = fmt.Errorf("the store's listing does not end within %d pages: %w", maxPages, store.ErrUnavailable)
)

// pages finds out whether a listing goes in a circle, by the tokens that led
// from page to page, or goes on for ever.
type pages struct {
	most   int // 0: any number
	tokens map[string]bool
}

func (p *pages) turn(next string) error {
	if p.tokens == nil {
		p.tokens = make(map[string]bool)
	}
	if p.tokens[next] {
		return errRepeats
	}
	p.tokens[next] = true
	if p.most > 0 && len(p.tokens) >= p.most {
		return errEndless
	}
	return nil
}

// collect adds a page's names. Keys that no path can spell are not shown.
func (v *Volume) collect(names map[string]*found, page store.Page, prefix string) {
	at := func(name string) *found {
		f := names[name]
		if f == nil {
			f = &found{}
			names[name] = f
		}
		return f
	}
	for i := range page.Objects {
		o := &page.Objects[i]
		if isMarker(o.Key, prefix) {
			at("").object = o
			continue
		}
		if name, below := strings.CutPrefix(o.Key, prefix); below && naming.Showable(name) && at(name).object == nil {
			at(name).object = o
		}
	}
	for _, p := range page.Prefixes {
		if name, below := strings.CutPrefix(strings.TrimSuffix(p, "/"), prefix); below && naming.Showable(name) {
			at(name).folder = true
		}
	}
}

// pairUp moves each sidecar from a name of its own to its file's.
func pairUp(names map[string]*found) {
	for name, f := range names {
		base, ok := sidecar.Base(name)
		if !ok || f.object == nil {
			continue
		}
		if own := names[sidecar.Name(name)]; own != nil && own.object != nil {
			continue // it has a sidecar itself: a file of somebody's that is called so
		}
		if file := names[base]; file != nil && file.object != nil {
			file.side = f.object
		}
	}
	for name, f := range names {
		if base, ok := sidecar.Base(name); ok && f.object != nil && names[base] != nil && names[base].side == f.object {
			f.object = nil
			if !f.folder {
				delete(names, name)
			}
		}
	}
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
	if n.kind != File || n.listed.side.etag != "" || n.localLocked() {
		return n.kind
	}
	n.lock()
	defer n.unlock()
	if n.known() {
		return File
	}
	return Unknown
}
