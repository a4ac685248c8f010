package orphans

import (
	"context"
	"errors"
	"slices"

	"mcfs/store"
)

// gone reports whether the store has nothing of an upload. Its parts are asked for, since
// a store may list no upload to which parts came after its abort; the listing decides
// where an upload that is gone has none, or parts must not be listed. Where neither may
// be listed the abort is repeated.
func (a *Aborter) gone(ctx context.Context, up store.Upload) (bool, error) {
	parts, err := a.c.Store.Parts(ctx, up)
	switch {
	case errors.Is(err, store.ErrNoUpload):
		return true, nil
	case err != nil && !errors.Is(err, store.ErrDenied):
		return false, err
	case len(parts) > 0:
		return false, nil
	}
	left, err := a.c.Store.Uploads(ctx, up.Key)
	if errors.Is(err, store.ErrDenied) {
		return true, a.c.Store.Abort(ctx, up) // what may not be seen is taken away unseen
	}
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(left, func(u store.Upload) bool { return u.ID == up.ID }), nil
}

// byDue is a heap of orphans by when they are due.
type byDue []*orphan

func (q byDue) Len() int           { return len(q) }
func (q byDue) Less(i, k int) bool { return q[i].due.Before(q[k].due) }
func (q byDue) Swap(i, k int)      { q[i], q[k] = q[k], q[i] }
func (q *byDue) Push(x any)        { *q = append(*q, x.(*orphan)) }

func (q *byDue) Pop() any {
	last := len(*q) - 1
	o := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return o
}
