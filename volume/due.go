package volume

import (
	"context"
	"fmt"
	"time"

	"mcfs/volume/upload"
)

// A close has its file committed as it is at that instant, but the commit may have
// to wait for its turn: behind others, for a store that is away, or, with
// SpoolDurable, always. If the file is written again meanwhile, half of the next
// content must not leave in the place of what was finished (P6), nor take its
// place in the spool (P5). So the first write after a close that waits keeps what
// the close asked for: here, in memory, and on the disk by not syncing over it.

// due is content whose commit was asked for, as it was before a later write.
type due struct {
	view frozenView
	size int64
	gen  uint64
	up   *upload.Upload // its parts that have left; may be nil
}

// frozenView is a View that can be had once more, to be released by itself.
type frozenView interface {
	upload.View
	again() frozenView
	origin() *origin // of bytes of the base in it; nil: there are none
}

// preserve is to be called before the content changes: it keeps what was asked for
// and has not been taken by an attempt yet; n is locked.
func (n *Node) preserve() (obstacle, error) {
	switch n.state {
	case Queued, Uploading, Publishing:
	default:
		return nil, nil
	}
	if n.gen != n.asked || n.asked <= max(n.taken, n.committed) || n.stored != nil {
		return nil, nil
	}
	if max(n.kept, n.unsafe) < n.asked { // what is written from now on is not synced before the next close
		return func(context.Context) error {
			if err := n.v.keep(n, closed); !isSent(err) {
				return err
			}
			return nil
		}, nil
	}
	if n.keeping > 0 { // nor by who has begun to before
		return n.awaitKeeping, nil
	}
	view, err := n.freezeView()
	if err != nil {
		return nil, err
	}
	n.retire(n.up)
	n.due = &due{view: view, size: n.size(), gen: n.gen, up: n.up}
	n.up, n.eager = nil, false
	return nil, nil
}

// awaitKeeping waits for the syncs of the file that are under way.
func (n *Node) awaitKeeping(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		n.lock()
		busy := n.keeping > 0
		n.unlock()
		if !busy {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// freezeView is the content as it is now; n is locked.
func (n *Node) freezeView() (frozenView, error) {
	if n.file != nil {
		z, err := n.file.Freeze(0, -1)
		if err != nil {
			return nil, fromSpool(fmt.Errorf("freeze: %w", err))
		}
		return &view{v: n.v, n: n, z: z, from: n.originOf()}, nil
	}
	if n.blank || n.ver == nil {
		return blankView{}, nil
	}
	return nil, fmt.Errorf("freeze: no content: %w", ErrIO)
}

// rewritten says that the spool has what a close asked for, that this is not
// committed yet, and that the content is another by now: only a promise about the
// later content may take the place of the earlier in the spool. n is locked.
func (n *Node) rewritten() bool {
	return n.gen > n.asked && n.asked > n.committed && n.kept == n.asked
}

// promisable is the gen that a rename's promise is about, which is none that an upload alone
// has some of; n is locked.
func (n *Node) promisable() uint64 {
	if n.isSentAway() {
		return n.kept
	}
	if n.rewritten() {
		return n.asked
	}
	return n.gen
}

// supersede drops what an earlier close asked for: the content as it is now is wanted
// in its place, or none. It stays, to be committed first, where its upload alone has
// some bytes. n is locked.
func (n *Node) supersede() {
	d := n.due
	if d == nil {
		return
	}
	if err := n.giveUp(d.up, d.view); err != nil {
		n.v.log.Debug("an earlier close is committed first", "cause", err)
		return
	}
	n.due = nil
}

// forsakeDue drops it in any case, as forsake does; n is locked.
func (n *Node) forsakeDue() {
	if d := n.due; d != nil {
		n.due = nil
		n.forsake(d.up, d.view)
	}
}

// isDueAlone reports whether the upload of what an earlier close asked for cannot be
// given up; n is locked.
func (n *Node) isDueAlone() bool {
	d := n.due
	return d != nil && d.up != nil && n.file != nil && n.file.GiveUp(uploadID(d.up.Object().IV), frozenOf(d.view)) != nil
}

// stopDue takes back what has left of what is due, since its name changes:
// holdForRename has seen that it is all here. n is locked.
func (n *Node) stopDue() {
	if n.due == nil || n.due.up == nil {
		return
	}
	if err := n.giveUp(n.due.up, nil); err != nil {
		n.v.log.Error("an upload goes on under the name that its file had", "inode", n.ino, "cause", err)
		return
	}
	n.due.up = nil
}

// returnDue keeps what an attempt that ends early was to commit, if it was written
// over meanwhile: the next attempt is to commit the same; n is locked.
func (n *Node) returnDue(a *attempt) {
	if a.view == nil || a.gen != n.asked || n.gen == a.gen || n.due != nil {
		return
	}
	n.due = &due{view: a.view.again(), size: a.size, gen: a.gen}
}

// again implements frozenView.
func (w *view) again() frozenView {
	return &view{v: w.v, n: w.n, z: w.z.Again(), from: w.from.again()}
}

// origin implements frozenView.
func (w *view) origin() *origin { return w.from }

func (w blankView) again() frozenView { return w }

func (blankView) origin() *origin { return nil }
