package offline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/listing"
	"mcfs/volume/remote"
)

// entry is an object of a walk, or why something in its place cannot be looked at.
type entry struct {
	listing remote.Listing
	lost    bool // a sidecar, by its name, without its object
	unasked bool // it has its key from an inventory, and the store has not been asked
	err     error
}

// pairs puts objects and their sidecars together, which come in the order of their keys. Those that
// may still meet their sidecar begin each other, so that they are few.
type pairs struct {
	open []entry
	emit func(entry) bool
}

// add takes the next object; false: no more are wanted.
func (p *pairs) add(o store.Info) bool {
	if !p.settle(o.Key) {
		return false
	}
	base, isSidecar := sidecar.Base(o.Key)
	for i := range p.open {
		if isSidecar && p.open[i].listing.Key == base {
			p.open[i].listing.Sidecar, p.open[i].lost = remote.SidecarOf(o), false
			return true
		}
	}
	if !strings.HasSuffix(o.Key, "/") { // else it is a directory's marker
		l := remote.Listing{Key: o.Key, ETag: o.ETag, Size: o.Size, Modified: o.Modified}
		p.open = append(p.open, entry{listing: l, lost: isSidecar})
	}
	return true
}

// settle emits those that cannot meet their sidecar any more when a key has come.
func (p *pairs) settle(key string) bool {
	for len(p.open) > 0 {
		last := p.open[len(p.open)-1]
		if strings.HasPrefix(key, last.listing.Key) && key <= sidecar.Name(last.listing.Key) {
			return true
		}
		p.open = p.open[:len(p.open)-1]
		if !p.emit(last) {
			return false
		}
	}
	return true
}

// end emits the rest.
func (p *pairs) end() bool { return p.settle("\xff") }

// walk names the objects at and below a place, until do reports false.
func (v *Volume) walk(ctx context.Context, at Place, do func(entry) bool) error {
	found := 0
	count := func(e entry) bool { found++; return do(e) }
	if at.Key != "" && !at.Folder {
		e, err := v.single(ctx, at.Key)
		if err != nil {
			return err
		}
		if e != nil && !count(*e) {
			return nil
		}
	}
	p := pairs{emit: count}
	for page, err := range listing.Pages(ctx, v.store, at.prefix()) {
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if !p.add(o) {
				return nil
			}
		}
	}
	if p.end() && found == 0 && at.Key != "" {
		return fmt.Errorf("%s: %w", v.name(at.Key), store.ErrNotExist)
	}
	return nil
}

// single is the object of a key, or its sidecar alone; nil: neither is there.
func (v *Volume) single(ctx context.Context, key string) (*entry, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	info, err := v.store.Head(ctx, key)
	if err == nil {
		info.Key = key
		return &entry{listing: remote.ListingOf(info)}, nil
	}
	if !errors.Is(err, store.ErrNotExist) {
		return nil, err
	}
	info, err = v.store.Head(ctx, sidecar.Name(key))
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	info.Key = sidecar.Name(key)
	return &entry{listing: remote.ListingOf(info), lost: true}, err
}
