package volume

import (
	"bytes"
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// lookers is how many descriptions are compared with the store at once.
const lookers = 8

// doubt has what was described or written within the second of its last change
// compared with the store, once, later: another machine may have changed it
// within that second, which no listing would show.
func (v *Volume) doubt(n *Node, after time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.doubtLocked(n, after)
}

func (v *Volume) doubtLocked(n *Node, after time.Duration) {
	v.doubts[n] = time.Now().Add(after)
	select {
	case v.doubted <- struct{}{}:
	default:
	}
}

// settleDoubts runs until the volume stops. What is not settled by then, the
// next mount looks at.
func (v *Volume) settleDoubts() {
	for {
		select {
		case <-v.doubted:
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
			due, left = v.dueDoubts()
			var g errgroup.Group
			g.SetLimit(lookers)
			for _, n := range due {
				g.Go(func() error { v.lookAgain(n); return nil })
			}
			_ = g.Wait()
		}
	}
}

// dueDoubts takes out what is due, and says how much is left.
func (v *Volume) dueDoubts() (due []*Node, left int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	for n, at := range v.doubts {
		if at.After(now) {
			continue
		}
		delete(v.doubts, n)
		if !n.gone && !n.localLocked() { // what is changed again is doubted again
			due = append(due, n)
		}
	}
	return due, len(v.doubts)
}

func (v *Volume) lookAgain(n *Node) {
	ctx, cancel := context.WithTimeout(v.ctx, waitUnknown)
	defer cancel()
	var err error
	if n.kind == Dir {
		err = n.lookAtMarker(ctx)
	} else {
		err = n.lookAtObject(ctx)
	}
	if err != nil && v.ctx.Err() == nil && transient(err) {
		v.doubt(n, lookLate)
	}
}

// lookAtObject compares what is known of an object without a sidecar.
func (n *Node) lookAtObject(ctx context.Context) error {
	v, begun := n.v, time.Now()
	n.lock()
	ver := n.ver
	n.unlock()
	if ver == nil || ver.sidecar().etag != "" {
		return nil
	}
	key, etag := ver.place()
	x, err := v.describeObject(ctx, listing{key: key, etag: etag})
	if err != nil || x.damage != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n.lock()
	defer n.unlock()
	if n.ver != ver || n.state != Clean || n.localLocked() || n.changed.After(begun) || x.etag != etag || !bytes.Equal(x.iv, ver.iv) || x.isLink() != ver.isLink() {
		return nil
	}
	ver.mu.Lock()
	ver.attr, ver.modified, ver.unsure = x.attr, x.modified, x.unsure
	ver.side.itself = x.side.itself
	ver.mu.Unlock()
	n.attr, n.listed.modified = x.attr, x.modified
	v.remember(ver)
	return nil
}
