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
	"mcfs/volume/file"
	dirs "mcfs/volume/listing"
	"mcfs/volume/naming"
	"mcfs/volume/tree"
)

// Lookup finds a name, or what the sidecar of that name has left behind. It asks the
// store where what is known is older than Fresh, and waits for it no longer than P7 allows.
func (n *Node) Lookup(ctx context.Context, name string) (*Node, error) {
	c, err := n.lookup(ctx, name)
	if !errors.Is(err, ErrNotExist) {
		return c, err
	}
	if t := n.v.findTombstone(n, name); t != nil {
		return t, nil
	}
	return nil, err
}

// lookup is Lookup for who is going to make something, in whose way a tombstone is not.
func (n *Node) lookup(ctx context.Context, name string) (*Node, error) {
	if n.kind != Dir {
		return nil, ErrNotDir
	}
	if err := n.v.checkName(n, name, false); err != nil {
		return nil, err
	}
	key := naming.Join(n.Path(), name)
	if err := n.v.takes(key); err != nil {
		return nil, err
	}
	c, err := n.find(ctx, name)
	if errors.Is(err, ErrNotExist) {
		if long := n.v.fits(key); long != nil { // as on a disk, where nothing can have such a name
			return nil, long
		}
	}
	return c, err
}

// find is Lookup of what could be a name.
func (n *Node) find(ctx context.Context, name string) (*Node, error) {
	if base, ok := sidecar.Base(name); ok {
		// A sidecar that was listed with its file is found by its file's name.
		if side, err := n.sidecarOf(ctx, base, name); side != nil || err != nil {
			return side, err
		}
	}
	c, err := n.v.child(ctx, n, name)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return n.v.reveal(ctx, n, name, c)
	}
	return n.v.findSidecar(ctx, n, name)
}

// sidecarOf is the sidecar of a file that is known to have one; nil if that is
// not known yet.
func (n *Node) sidecarOf(ctx context.Context, base, name string) (*Node, error) {
	v := n.v
	v.mu.Lock()
	file := n.dir.Get(base)
	shown := file != nil && n.dir.Get(name) == nil && v.sideShown(file)
	v.mu.Unlock()
	if !shown {
		return nil, nil
	}
	file, err := v.child(ctx, n, base)
	if err != nil || file == nil {
		return nil, err
	}
	v.mu.Lock()
	shown = n.dir.Get(name) == nil && v.sideShown(file)
	v.mu.Unlock()
	if !shown {
		return nil, nil
	}
	return v.sidecarNode(file), nil
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
	return d.dir.Get(name), nil
}

// missing says what has become of a name whose file was found a moment ago, and bears it no
// more: nothing has it, or another file does, which the kernel finds when it looks again;
// v.mu is held.
func (d *dirState) missing(name string) error {
	if d.Get(name) == nil {
		return ErrNotExist
	}
	return fmt.Errorf("another machine has replaced the file: %w", ErrStale)
}

// known answers from memory if that is certain: what is local, or fresh; v.mu is held.
func (v *Volume) known(d *Node, name string) (c *Node, certain bool) {
	c = d.dir.Get(name)
	if c != nil && c.localLocked() {
		return c, true
	}
	if d.dir.IsGone(name) || d.dir.IsNameFresh(name, v.o.Fresh) {
		return c, true
	}
	// A description that has just come from the store says that the file is there: a
	// program that goes through a large directory needs no other listing of it.
	return c, c != nil && c.seen.Within(v.o.Fresh)
}

// localLocked reports whether this machine knows better than a listing what the name is; v.mu is held.
func (n *Node) localLocked() bool {
	if n.commit.AttemptLocked() != nil || len(n.queued) > 0 || n.local {
		return true
	}
	_, draft := n.v.busy[n]
	return draft
}

// refresh brings what is known of d, or of one name in it, up to date. Where
// something is known already it waits a second at most, and then leaves it at that.
func (v *Volume) refresh(ctx context.Context, d *Node, name string) error {
	for {
		v.mu.Lock()
		c := d.dir.Get(name)
		had := d.dir.IsListed() || c != nil
		if d.dir.IsLarge() && name != "" {
			all := v.listInstead(d, c != nil)
			v.mu.Unlock()
			if all && c != nil {
				return nil // what was known last, until all has been listed
			}
			err := v.patience.Do(ctx, had, func(ctx context.Context) error { return v.probe(ctx, d, name) })
			if err != nil {
				return file.AsIO(err)
			}
			return nil
		}
		f := d.dir.flight
		if f == nil {
			f = v.beginListing(d, name != "")
		}
		v.mu.Unlock()
		if enough, err := v.awaitFlight(ctx, d, f, had, name); enough || err != nil {
			return err
		}
	}
}

// listInstead counts the single look-ups of names that are there, known before or
// found by it, in a directory too large for one page: when as many were made as a
// listing has pages, all of it is listed (its names are looked up one after the other).
// It says whether a whole listing is under way; v.mu is held.
func (v *Volume) listInstead(d *Node, there bool) bool {
	f := d.dir.flight
	if f == nil && there && d.dir.CountProbe() {
		f = v.beginListing(d, false)
	}
	return f != nil && !f.IsOnePage()
}

// beginListing begins a listing; v.mu is held.
func (v *Volume) beginListing(d *Node, onePage bool) *tree.Flight {
	f := tree.NewFlight(onePage)
	d.dir.flight = f
	if !onePage {
		d.dir.BeginListing()
	}
	if !v.tasks.Begin(func() { v.listDirectory(d, f) }) {
		v.endListing(d, f, true, ErrShutdown)
	}
	return f
}

// awaitFlight waits for a listing: a second where something is known; else ten,
// and for a directory that is read for the first time as long as pages come, one
// each ten seconds. Not enough: the directory is large, and one page did not do.
func (v *Volume) awaitFlight(ctx context.Context, d *Node, f *tree.Flight, had bool, name string) (enough bool, err error) {
	limit := v.patience.Wait(had)
	outcome, enough, err := f.Await(ctx, limit, !had && name == "")
	switch {
	case outcome == tree.GivenUp:
		return true, err
	case outcome == tree.Ended && err != nil && !had:
		return true, file.AsIO(err)
	case outcome == tree.Ended:
		return enough, nil
	case had:
		if limit > 0 {
			v.patience.NoteFailure(store.ErrUnavailable)
		}
		return true, nil
	case outcome == tree.Silent:
		return true, fmt.Errorf("list: %w: %w", ErrIO, store.ErrUnavailable)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	d.dir.SetLarge(true) // one name is looked up by itself
	return false, nil
}

// listDirectory lists d. A lookup needs one page; if there are more the directory is large.
func (v *Volume) listDirectory(d *Node, f *tree.Flight) {
	settled, enough, err, begun := false, false, error(nil), time.Now()
	for i := 0; i < maxLooks && !settled && err == nil; i++ {
		settled, enough, err = v.survey(d, f)
	}
	if err == nil {
		v.patience.NoteAnswer(begun)
	} else {
		v.patience.NoteFailure(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endListing(d, f, enough || !settled, err)
	if err != nil {
		v.log.Warn("cannot list; what was known last is shown", "path", v.path(d), "cause", err)
	}
}

// endListing tells those who wait for a listing that it has ended; v.mu is held.
func (v *Volume) endListing(d *Node, f *tree.Flight, enough bool, err error) {
	d.dir.flight = nil
	f.End(enough, err)
}

// survey lists d once. It is not settled where its objects were moved meanwhile: it is to be listed
// again. It is enough where to look further would tell no more.
func (v *Volume) survey(d *Node, f *tree.Flight) (settled, enough bool, err error) {
	v.mu.Lock()
	path := v.path(d)
	places := v.moves.Sources(dirs.PrefixOf(path))
	v.mu.Unlock()
	begun, before := time.Now(), f.Pages()
	names, whole, err := v.lists.Directory(v.ctx, places, f.IsOnePage(), f.Turn)
	if err != nil {
		return false, false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.gone {
		return true, true, nil
	}
	if v.path(d) != path || !slices.Equal(places, v.moves.Sources(dirs.PrefixOf(path))) {
		return false, false, nil
	}
	d.dir.SetLarge(!whole || f.Pages()-before > int64(len(places)))
	if !whole {
		return true, false, nil
	}
	v.merge(d, names, begun)
	if !d.dir.pruned && len(places) == 1 {
		d.dir.pruned = true
		v.background(func() { v.prune(d, path, names) })
	}
	return true, true, nil
}

// prune forgets what earlier mounts remember of names that a whole listing does not
// show. What has come since it was begun, this mount has in its tree.
func (v *Volume) prune(d *Node, path string, names dirs.Names) {
	v.cache.Prune(path, func(name string) bool {
		if names.Has(name) {
			return true
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		return d.dir.Get(strings.TrimSuffix(name, "/")) != nil
	})
}

// probe asks for one name of a large directory with a single listing.
func (v *Volume) probe(ctx context.Context, d *Node, name string) error {
	for range maxLooks {
		if settled, err := v.probeOnce(ctx, d, name); settled || err != nil {
			return err
		}
	}
	return nil
}

// probeOnce is to probe what survey is to a whole listing.
func (v *Volume) probeOnce(ctx context.Context, d *Node, name string) (settled bool, err error) {
	v.mu.Lock()
	path := naming.Join(v.path(d), name)
	places := v.moves.Sources(dirs.PrefixOf(v.path(d)))
	v.mu.Unlock()
	begun := time.Now()
	names, err := v.lists.Lookup(ctx, places, name)
	if err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.gone {
		return true, nil
	}
	if naming.Join(v.path(d), name) != path || !slices.Equal(places, v.moves.Sources(dirs.PrefixOf(v.path(d)))) {
		return false, nil
	}
	d.dir.MarkProbed(name, begun)
	before := d.dir.Get(name)
	v.mergeName(d, name, names[name], begun)
	if c := d.dir.Get(name); before == nil && c != nil && !c.localLocked() {
		v.listInstead(d, true)
	}
	return true, nil
}
