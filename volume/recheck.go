package volume

import (
	"bytes"
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"mcfs/volume/remote"
)

// maxRechecks is how many descriptions are compared with the store at once.
const maxRechecks = 8

// recheckAfter has what was described or written within the second of its last change
// compared with the store, once, later. Another machine may have changed it within that
// second, which no listing would show.
func (v *Volume) recheckAfter(n *Node, after time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.recheckAfterLocked(n, after)
}

// recheckAfterLocked is recheckAfter with v.mu held.
func (v *Volume) recheckAfterLocked(n *Node, after time.Duration) {
	v.rechecks[n] = time.Now().Add(after)
	select {
	case v.recheckAsked <- struct{}{}:
	default:
	}
}

// recheckLoop compares what is due with the store, until the volume stops. The next mount
// rechecks the rest.
func (v *Volume) recheckLoop() {
	for {
		select {
		case <-v.recheckAsked:
		case <-v.ctx.Done():
			return
		}
		for left := 1; left > 0; {
			select {
			case <-time.After(time.Second):
			case <-v.ctx.Done():
				return
			}
			var due []*Node
			due, left = v.dueRechecks()
			var g errgroup.Group
			g.SetLimit(maxRechecks)
			for _, n := range due {
				g.Go(func() error { v.recheck(n); return nil })
			}
			_ = g.Wait()
		}
	}
}

// dueRechecks takes out what is due, and returns how much is left.
func (v *Volume) dueRechecks() (due []*Node, left int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	for n, at := range v.rechecks {
		if at.After(now) {
			continue
		}
		delete(v.rechecks, n)
		if !n.gone && !n.localLocked() { // what is changed again is rechecked again
			due = append(due, n)
		}
	}
	return due, len(v.rechecks)
}

// recheck compares one description with the store.
func (v *Volume) recheck(n *Node) {
	ctx, cancel := context.WithTimeout(v.ctx, waitUnknown)
	defer cancel()
	var err error
	if n.kind == Dir {
		err = n.readMarker(ctx)
	} else {
		err = n.recheckObject(ctx)
	}
	if err != nil && v.ctx.Err() == nil && transient(err) {
		v.recheckAfter(n, remote.RecheckLate)
	}
}

// recheckObject compares what is known of an object without a sidecar.
func (n *Node) recheckObject(ctx context.Context) error {
	v, begun := n.v, time.Now()
	n.content.Lock()
	ver := n.content.Base
	n.content.Unlock()
	if ver == nil || ver.Sidecar().ETag != "" {
		return nil
	}
	key, etag := ver.Place()
	x, err := v.remote.Describe(ctx, remote.Listing{Key: key, ETag: etag})
	if err != nil || x.Damage != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	now := x.State()
	if n.content.Base != ver || n.content.State != Clean || n.localLocked() || !n.changed.Before(begun) || now.ETag != etag || !bytes.Equal(x.IV, ver.IV) || x.IsSymlink() != ver.IsSymlink() {
		return nil
	}
	ver.Rechecked(x)
	n.content.Attr, n.listed.Modified = now.Attr, now.Modified
	v.remote.Remember(ver)
	return nil
}
