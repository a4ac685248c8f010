package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

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
		return n.v.reveal(ctx, n, c)
	}
	return n.v.findSidecar(ctx, n, name)
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
	if t := d.dir.tombs[name]; t != nil && t.done.IsZero() && c == nil {
		return nil, true
	}
	if time.Since(d.dir.listedAt) < v.o.Fresh || time.Since(d.dir.fresh[name]) < v.o.Fresh {
		return c, true
	}
	return c, false
}

// localLocked says that this machine knows better than a listing what the name is; v.mu is held.
func (n *Node) localLocked() bool {
	if n.attempt != nil || n.queued > 0 || n.local {
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
	settled, err := false, error(nil)
	for i := 0; i < maxLooks && !settled && err == nil; i++ {
		settled, err = v.survey(d, onePage)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	d.dir.flight = nil
	f.err = err
	close(f.done)
	if err != nil {
		v.log.Warn("cannot list; what was known last is shown", "path", v.path(d), "cause", err)
	}
}

// survey lists d once. Not settled: its objects were moved meanwhile, and to look again tells more.
func (v *Volume) survey(d *Node, onePage bool) (settled bool, err error) {
	v.mu.Lock()
	path := v.path(d)
	places := v.sources(prefixOf(path))
	v.mu.Unlock()
	begun := time.Now()
	names, whole, err := v.list(v.ctx, places, onePage)
	if err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.gone {
		return true, nil
	}
	if v.path(d) != path || !slices.Equal(places, v.sources(prefixOf(path))) {
		return false, nil
	}
	d.dir.large = !whole
	if whole {
		v.merge(d, names, begun)
	}
	return true, nil
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
	path := join(v.path(d), name)
	places := v.sources(prefixOf(v.path(d)))
	v.mu.Unlock()
	begun := time.Now()
	names := make(map[string]*found)
	for _, prefix := range places {
		page, err := v.store.List(ctx, prefix+name, "/", "", 0)
		if err != nil {
			return false, fmt.Errorf("look up %s: %w", path, err)
		}
		v.collect(names, page, prefix)
		if page.Next != "" {
			if err := v.probeSidecar(ctx, names, prefix+name, name); err != nil {
				return false, err
			}
		}
	}
	pairUp(names)
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.gone {
		return true, nil
	}
	if join(v.path(d), name) != path || !slices.Equal(places, v.sources(prefixOf(v.path(d)))) {
		return false, nil
	}
	if d.dir.fresh == nil {
		d.dir.fresh = make(map[string]time.Time)
	}
	if len(d.dir.fresh) > 4096 {
		clear(d.dir.fresh)
	}
	d.dir.fresh[name] = begun
	v.mergeName(d, name, names[name], begun)
	return true, nil
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
