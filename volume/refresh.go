package volume

import (
	"bytes"
	"context"
	"slices"
	"time"

	"mcfs/sidecar"
	"mcfs/volume/remote"
)

// descriptionRefresh is the refresh of a description that a listing has shown to be stale.
type descriptionRefresh struct {
	done  chan struct{} // of the try under way; nil: none is
	begun time.Time     // of the last try
	retry time.Time     // none is made before
}

// markOutdated has a description refreshed before it is shown again; n is locked.
func (n *Node) markOutdated() {
	if n.refresh == nil {
		n.refresh = &descriptionRefresh{}
	}
}

// awaitRefresh waits, a second at most, until a stale description has been refreshed. A
// store that does not answer leaves what was known last (P7).
func (n *Node) awaitRefresh(ctx context.Context) {
	n.content.Lock()
	r := n.refresh
	if r == nil || n.content.State != Clean || time.Now().Before(r.retry) {
		n.content.Unlock()
		return
	}
	if r.done == nil && !n.beginRefresh(r) {
		n.content.Unlock()
		return
	}
	done, left := r.done, time.Until(r.begun.Add(waitKnown))
	n.content.Unlock()
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// beginRefresh reports whether a try has begun, whose end closes r.done; the content's lock is held.
func (n *Node) beginRefresh(r *descriptionRefresh) bool {
	done := make(chan struct{})
	begun := n.v.tasks.Begin(func() {
		defer close(done)
		n.refreshDescription(r)
	})
	if begun {
		r.done, r.begun = done, time.Now()
	}
	return begun
}

// refreshDescription is one try of a refresh.
func (n *Node) refreshDescription(r *descriptionRefresh) {
	v := n.v
	ctx, cancel := context.WithTimeout(v.ctx, waitUnknown)
	defer cancel()
	ver, err := v.loadListed(ctx, n)
	n.content.Lock()
	defer n.content.Unlock()
	r.done = nil
	if err != nil {
		r.retry = time.Now().Add(v.o.Fresh)
		v.log.Warn("a changed description cannot be read; what was known last is shown", "inode", n.ino, "cause", err)
		return
	}
	n.refresh = nil
	if n.content.State == Clean && n.content.Base != nil {
		n.takeRefreshed(ver)
	}
}

// loadListed describes what the last listing showed under the node's name. While a
// directory above is moving, it looks at each place where the object may be.
func (v *Volume) loadListed(ctx context.Context, n *Node) (ver *remote.Version, err error) {
	for range maxLooks {
		v.mu.Lock()
		l := n.listed
		places := v.moves.Sources(v.path(n))
		v.mu.Unlock()
		if len(places) == 1 {
			return v.remote.Load(ctx, l)
		}
		if ver, err = v.remote.LoadMoving(ctx, places); v.comesFrom(n, places) {
			break
		}
	}
	return ver, err
}

// comesFrom reports whether these still are the places where the node may be.
func (v *Volume) comesFrom(n *Node, places []string) bool {
	suffix := ""
	if n.kind == Dir {
		suffix = "/"
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Equal(places, v.moves.Sources(v.path(n)+suffix))
}

// takeRefreshed takes over a refreshed description of the same object; what was set here
// meanwhile stays. n is locked.
func (n *Node) takeRefreshed(x *remote.Version) {
	old := n.content.Base
	if old.Mode != x.Mode || !bytes.Equal(old.IV, x.IV) || (old.Damage == nil) != (x.Damage == nil) {
		if n.content.Opens == 0 {
			n.content.LetGoLocked()
			n.content.SetBaseLocked(x)
		}
		return
	}
	if x.IsSymlink() != old.IsSymlink() {
		n.v.log.Warn("the store calls a symlink what was a file, or a file what was a symlink: that is not believed", "inode", n.ino)
		return
	}
	if before, stated := old.Refresh(x); stated {
		n.content.Attr = sidecar.Merge(before, n.content.Attr, x.Attr())
	}
}
