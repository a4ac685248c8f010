package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

// dirState is what is known of a directory; guarded by Volume.mu.
type dirState struct {
	children map[string]*Node
	tombs    map[string]*tomb // names removed here that a listing may still show
	listedAt time.Time        // when the last whole listing was begun; zero: never
	large    bool             // more than one page: single names are looked up singly
	fresh    map[string]time.Time
	flight   *flight
	scan     []*Node // files of the last ReadDir, in its order, whose description may be wanted next
	attr     sidecar.Attr
}

// tomb marks a name that was removed by this machine. A listing that was begun
// before the removal was done in the store says nothing about the name.
type tomb struct{ done time.Time } // zero: not done yet

// flight is a listing under way; those who need it wait for done.
type flight struct {
	done chan struct{}
	err  error
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

// Lookup finds a name. It asks the store where what is known is older than
// Fresh, and waits for it no longer than P7 allows.
func (n *Node) Lookup(ctx context.Context, name string) (*Node, error) {
	if n.kind != Dir {
		return nil, ErrNotDir
	}
	if err := n.v.checkName(n, name, false); err != nil {
		return nil, err
	}
	c, err := n.v.child(ctx, n, name)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return c, nil
	}
	base, ok := sidecar.Base(name)
	if !ok {
		return nil, ErrNotExist
	}
	file, err := n.v.child(ctx, n, base)
	if err != nil {
		return nil, err
	}
	if file == nil || file.kind != File || !n.v.hasSidecar(ctx, file) {
		return nil, ErrNotExist
	}
	return n.v.sidecarNode(file), nil
}

// child finds a name that is no virtual sidecar; nil if there is none.
func (v *Volume) child(ctx context.Context, d *Node, name string) (*Node, error) {
	v.mu.Lock()
	c, certain := v.known(d, name)
	v.mu.Unlock()
	if certain {
		return c, nil
	}
	if err := v.refresh(ctx, d, name); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return d.dir.children[name], nil
}

// known answers from memory if that is certain: what is local, or fresh; v.mu is held.
func (v *Volume) known(d *Node, name string) (c *Node, certain bool) {
	c = d.dir.children[name]
	if c != nil && c.localLocked() {
		return c, true
	}
	if _, removed := d.dir.tombs[name]; removed && c == nil {
		return nil, true
	}
	if time.Since(d.dir.listedAt) < v.o.Fresh || time.Since(d.dir.fresh[name]) < v.o.Fresh {
		return c, true
	}
	return c, false
}

// localLocked says that this machine knows better than a listing what the name is; v.mu is held.
func (n *Node) localLocked() bool {
	if n.attempt != nil || n.queued > 0 {
		return true
	}
	_, draft := n.v.busy[n]
	return draft
}

// refresh brings what is known of d, or of one name in it, up to date. Where
// something is known already it waits a second at most, and then leaves it at that.
func (v *Volume) refresh(ctx context.Context, d *Node, name string) error {
	v.mu.Lock()
	had := !d.dir.listedAt.IsZero() || d.dir.children[name] != nil
	if d.dir.large && name != "" {
		v.mu.Unlock()
		return v.bounded(ctx, had, func(ctx context.Context) error { return v.probe(ctx, d, name) })
	}
	f := d.dir.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		d.dir.flight = f
		v.background(func() { v.fly(d, f, name != "") })
	}
	v.mu.Unlock()
	limit := waitUnknown
	if had {
		limit = waitKnown
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
		if had {
			return nil
		}
		return fmt.Errorf("list: %w: %w", ErrIO, store.ErrUnavailable)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if f.err != nil && !had {
		return errorsIO(f.err)
	}
	v.mu.Lock()
	large := d.dir.large && name != "" && time.Since(d.dir.listedAt) >= v.o.Fresh
	v.mu.Unlock()
	if large {
		return v.bounded(ctx, had, func(ctx context.Context) error { return v.probe(ctx, d, name) })
	}
	return nil
}

// bounded runs a request under P7's limit; a failure matters only where nothing is known.
func (v *Volume) bounded(ctx context.Context, had bool, f func(context.Context) error) error {
	limit := waitUnknown
	if had {
		limit = waitKnown
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := f(ctx); err != nil && !had {
		return errorsIO(err)
	}
	return nil
}

// fly lists d. A lookup needs one page; if there are more the directory is large.
func (v *Volume) fly(d *Node, f *flight, onePage bool) {
	v.mu.Lock()
	path := v.path(d)
	v.mu.Unlock()
	begun := time.Now()
	names, whole, err := v.list(v.ctx, path, onePage)
	v.mu.Lock()
	defer v.mu.Unlock()
	d.dir.flight = nil
	f.err = err
	close(f.done)
	if err != nil {
		v.log.Warn("cannot list; what was known last is shown", "path", path, "cause", err)
		return
	}
	if d.gone || v.path(d) != path {
		return // renamed meanwhile: the next lookup lists again
	}
	d.dir.large = !whole
	if whole {
		v.merge(d, names, begun)
	}
}

// list reads the directory at path; whole is false if onePage was not enough.
func (v *Volume) list(ctx context.Context, path string, onePage bool) (names map[string]*found, whole bool, err error) {
	prefix := path
	if prefix != "" {
		prefix += "/"
	}
	names = make(map[string]*found)
	for token := ""; ; {
		rctx, cancel := context.WithTimeout(ctx, requestTimeout)
		page, err := v.store.List(rctx, prefix, "/", token, 0)
		cancel()
		if err != nil {
			return nil, false, fmt.Errorf("list %s: %w", path, err)
		}
		v.collect(names, page, prefix)
		if page.Next == "" {
			break
		}
		if page.Next == token {
			return nil, false, fmt.Errorf("list %s: the store repeats itself", path)
		}
		token = page.Next
		if onePage {
			return names, false, nil
		}
	}
	pairUp(names)
	return names, true, nil
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
		if name := strings.TrimPrefix(o.Key, prefix); showable(name) {
			at(name).object = o
		}
	}
	for _, p := range page.Prefixes {
		if name := strings.TrimSuffix(strings.TrimPrefix(p, prefix), "/"); showable(name) {
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

// probe asks for one name of a large directory with a single listing.
func (v *Volume) probe(ctx context.Context, d *Node, name string) error {
	v.mu.Lock()
	path := join(v.path(d), name)
	v.mu.Unlock()
	begun := time.Now()
	page, err := v.store.List(ctx, path, "/", "", 0)
	if err != nil {
		return fmt.Errorf("look up %s: %w", path, err)
	}
	names := make(map[string]*found)
	v.collect(names, page, strings.TrimSuffix(path, name))
	if page.Next != "" {
		if err := v.probeSidecar(ctx, names, path, name); err != nil {
			return err
		}
	}
	pairUp(names)
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.gone || join(v.path(d), name) != path {
		return nil
	}
	if d.dir.fresh == nil {
		d.dir.fresh = make(map[string]time.Time)
	}
	if len(d.dir.fresh) > 4096 {
		clear(d.dir.fresh)
	}
	d.dir.fresh[name] = begun
	v.mergeName(d, name, names[name], begun)
	return nil
}

// probeSidecar looks for the sidecar where a thousand other names come before it.
func (v *Volume) probeSidecar(ctx context.Context, names map[string]*found, path, name string) error {
	side := sidecar.Name(name)
	if names[name] == nil || names[name].object == nil || names[side] != nil {
		return nil
	}
	info, err := v.store.Head(ctx, sidecar.Name(path))
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names[side] = &found{object: &info}
	return nil
}

// merge takes over a whole listing that was begun at a certain time; v.mu is held.
func (v *Volume) merge(d *Node, names map[string]*found, begun time.Time) {
	for name, f := range names {
		v.mergeName(d, name, f, begun)
	}
	for name := range d.dir.children {
		if names[name] == nil {
			v.mergeName(d, name, nil, begun)
		}
	}
	for name, t := range d.dir.tombs {
		if !t.done.IsZero() && t.done.Before(begun) {
			delete(d.dir.tombs, name)
		}
	}
	d.dir.listedAt = begun
}

// mergeName takes over what was found under one name (nil: nothing); v.mu is held.
func (v *Volume) mergeName(d *Node, name string, f *found, begun time.Time) {
	c := d.dir.children[name]
	if t := d.dir.tombs[name]; t != nil && (t.done.IsZero() || !t.done.Before(begun)) {
		return
	}
	if c != nil && (c.localLocked() || c.changed.After(begun)) {
		return
	}
	switch {
	case f == nil:
		if c != nil && !(c.kind == Dir && v.anyLocal(c)) {
			v.detach(d, c)
		}
	case f.folder:
		if f.object != nil {
			v.log.Warn("both a file and a directory by that name: the file is not shown", "path", join(v.path(d), name))
		}
		if c != nil && c.kind == Dir {
			return
		}
		if c != nil {
			v.detach(d, c)
		}
		d.dir.children[name] = v.newDir(d, name)
	case f.object != nil:
		v.mergeFile(d, name, c, f)
	}
}

func (v *Volume) mergeFile(d *Node, name string, c *Node, f *found) {
	l := listing{etag: f.object.ETag, size: f.object.Size, modified: f.object.Modified}
	if f.side != nil {
		l.side = sideInfo{f.side.ETag, f.side.Size, f.side.Modified}
	}
	if c != nil && c.kind == Dir {
		if v.anyLocal(c) {
			return
		}
		v.detach(d, c)
		c = nil
	}
	if c != nil && !v.sameVersion(c, l) {
		v.detach(d, c)
		c = nil
	}
	if c == nil {
		c = v.newNode(File, d, name)
		d.dir.children[name] = c
	}
	c.listed = l
}

// sameVersion says whether a listing shows the version that the node has; a
// sidecar that was put again makes its description be read anew.
func (v *Volume) sameVersion(c *Node, l listing) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known() || c.ver == nil {
		return c.listed.etag == l.etag
	}
	_, etag := c.ver.place()
	if etag != l.etag {
		return false
	}
	if c.ver.sidecar().etag != l.side.etag && c.opens == 0 && c.state == Clean {
		c.letGo()
		c.ver, c.replaces, c.described = nil, nil, false
	}
	return true
}

// detach takes a name away because another machine did; open handles go on.
func (v *Volume) detach(d, c *Node) {
	delete(d.dir.children, c.name)
	c.gone = true
	name := c.name
	v.tell(d, name)
	if c.kind == File {
		v.background(c.forgetCache)
	}
}

// tell lets the kernel forget a name; v.mu may be held.
func (v *Volume) tell(d *Node, name string) {
	if f := v.notify; f != nil {
		v.background(func() { f(d, name) })
	}
}

// anyLocal says whether something at or below n is only known here; v.mu is held.
func (v *Volume) anyLocal(n *Node) bool {
	local := false
	v.walk(n, func(c *Node) { local = local || c.localLocked() || v.seq.busy(v.path(c)) })
	return local
}

// walk visits n and all that is known below it; v.mu is held.
func (v *Volume) walk(n *Node, f func(*Node)) {
	f(n)
	if n.dir == nil {
		return
	}
	for _, c := range n.dir.children {
		v.walk(c, f)
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
	hidden := v.o.Hidden || dotted(v.path(n))
	for _, name := range names {
		c := n.dir.children[name]
		if c.kind == File {
			n.dir.scan = append(n.dir.scan, c)
			if !hidden && name[0] != '.' && v.sideShown(c) {
				entries = append(entries, DirEntry{sidecar.Name(name), c.ino - 1, Sidecar})
			}
		}
		entries = append(entries, DirEntry{name, c.ino, c.kind})
	}
	return entries, nil
}

// dotted says whether a directory is, or lies below, one whose name begins with a dot.
func dotted(path string) bool {
	return strings.HasPrefix(path, ".") || strings.Contains(path, "/.")
}
