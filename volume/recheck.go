package volume

import (
	"bytes"
	"context"
	"time"

	"mcfs/volume/remote"
)

// What was described or written within the second of its last change is compared with the
// store, once, later: another machine may have changed it within that second, which no
// listing would show. The next mount rechecks what is left.

// recheck compares one description with the store. What is changed here again is rechecked again.
func (v *Volume) recheck(n *Node) {
	v.mu.Lock()
	outdated := n.gone || n.localLocked()
	v.mu.Unlock()
	if outdated {
		return
	}
	ctx, cancel := context.WithTimeout(v.ctx, waitUnknown)
	defer cancel()
	var err error
	if n.kind == Dir {
		err = n.readMarker(ctx)
	} else {
		err = n.recheckObject(ctx)
	}
	if err != nil && v.ctx.Err() == nil && transient(err) {
		v.rechecks.After(n, remote.RecheckLate)
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
