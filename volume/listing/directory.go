package listing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

// Reader reads directories of a store.
type Reader struct {
	Store   store.Store
	Timeout time.Duration // of each page
}

// Directory reads a directory from the prefixes where it may be, older ones first: what is on its
// way is seen at the old place, at the new, or at both. turned is called after each page. With
// onePage no more is asked for, and whole is false where one was not enough.
func (r Reader) Directory(ctx context.Context, places []string, onePage bool, turned func()) (names Names, whole bool, err error) {
	names = make(Names)
	for _, prefix := range places {
		for page, err := range (query{delimiter: "/", timeout: r.Timeout, most: MaxPages}).pages(ctx, r.Store, prefix) {
			if err != nil {
				return nil, false, err
			}
			names.collect(page, prefix)
			turned()
			if onePage && page.Next != "" {
				return names, false, nil
			}
		}
	}
	names.pair()
	return names, true, nil
}

// Lookup reads one name of a directory, from the prefixes where that may be.
func (r Reader) Lookup(ctx context.Context, places []string, name string) (Names, error) {
	names := make(Names)
	for _, prefix := range places {
		page, err := r.Store.List(ctx, prefix+name, "/", "", 0)
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", prefix+name, err)
		}
		names.collect(page, prefix)
		if page.Next == "" {
			continue
		}
		if err := r.lookUpSidecar(ctx, names, prefix+name, name); err != nil {
			return nil, err
		}
	}
	names.pair()
	return names, nil
}

// lookUpSidecar looks for the sidecar where a thousand other names come before it.
func (r Reader) lookUpSidecar(ctx context.Context, names Names, key, name string) error {
	side := sidecar.Name(name)
	if names[name] == nil || names[name].Object == nil || names[side] != nil {
		return nil
	}
	info, err := r.Store.Head(ctx, sidecar.Name(key))
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up %s: %w", sidecar.Name(key), err)
	}
	names[side] = &Name{Object: &info}
	return nil
}
