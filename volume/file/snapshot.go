package file

import (
	"context"
	"time"

	"mcfs/volume/upload"
)

// A close has its file committed as it is at that instant, but the commit may have
// to wait for its turn: behind others, for a store that is away, or, with
// SpoolDurable, always. If the file is written again meanwhile, half of the next
// content must not leave in the place of what was finished (P6), nor take its
// place in the spool (P5). So the first write after a close that waits keeps what
// the close asked for: here, in memory, and on the disk by not syncing over it.

// Snapshot is content whose commit was asked for, as it was before a later write.
type Snapshot struct {
	View   View
	Size   int64
	Gen    uint64
	Upload *upload.Upload // its parts that have left; may be nil
}

// preserveLocked is to be called before the content changes: it keeps what was asked for
// and has not been taken by an attempt yet.
func (c *Content) preserveLocked() (obstacle, error) {
	switch c.State {
	case Queued, Uploading, Publishing:
	default:
		return nil, nil
	}
	if c.Gen != c.Asked || c.Asked <= max(c.taken, c.Committed) || c.stored != nil {
		return nil, nil
	}
	if max(c.Kept, c.unkept) < c.Asked { // what is written from now on is not synced before the next close
		return func(context.Context) error {
			if err := c.Keep(Closed); !IsSent(err) {
				return err
			}
			return nil
		}, nil
	}
	if c.syncing > 0 { // nor by who has begun to before
		return c.awaitSyncs, nil
	}
	view, err := c.freezeLocked()
	if err != nil {
		return nil, err
	}
	c.retireLocked(c.early)
	c.snapshot = &Snapshot{View: view, Size: c.SizeLocked(), Gen: c.Gen, Upload: c.early}
	c.early, c.leave = nil, stays
	return nil, nil
}

// awaitSyncs waits for the syncs of the file that are under way.
func (c *Content) awaitSyncs(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		c.Lock()
		busy := c.syncing > 0
		c.Unlock()
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

// RewrittenLocked reports whether the spool has what a close asked for, this is not
// committed yet, and the content is another by now: only a promise about the
// later content may take the place of the earlier in the spool.
func (c *Content) RewrittenLocked() bool {
	return c.Gen > c.Asked && c.Asked > c.Committed && c.Kept == c.Asked
}

// PromisableLocked is the gen that a rename's promise is about, which is none that an upload alone
// has some of.
func (c *Content) PromisableLocked() uint64 {
	if c.IsSentAwayLocked() {
		return c.Kept
	}
	if c.RewrittenLocked() {
		return c.Asked
	}
	return c.Gen
}

// SupersedeLocked drops what an earlier close asked for: the content as it is now is wanted
// in its place, or none. It stays, to be committed first, where its upload alone has
// some bytes.
func (c *Content) SupersedeLocked() {
	d := c.snapshot
	if d == nil {
		return
	}
	if err := c.GiveUpLocked(d.Upload, d.View); err != nil {
		c.shared.Log.Debug("an earlier close is committed first", "cause", err)
		return
	}
	c.snapshot = nil
}

// abandonSnapshotLocked drops it in any case, as AbandonLocked does.
func (c *Content) abandonSnapshotLocked() {
	if d := c.snapshot; d != nil {
		c.snapshot = nil
		c.AbandonLocked(d.Upload, d.View)
	}
}

// IsSnapshotAloneLocked reports whether the upload of what an earlier close asked for cannot be
// given up.
func (c *Content) IsSnapshotAloneLocked() bool {
	d := c.snapshot
	return d != nil && d.Upload != nil && c.sealed != nil && c.sealed.GiveUp(uploadID(d.Upload.Object().IV), frozenOf(d.View)) != nil
}

// StopSnapshotLocked takes back what has left of a snapshot, since its name changes:
// HoldForRenameLocked has seen that it is all here.
func (c *Content) StopSnapshotLocked() {
	if c.snapshot == nil || c.snapshot.Upload == nil {
		return
	}
	if err := c.GiveUpLocked(c.snapshot.Upload, nil); err != nil {
		c.shared.Log.Error("an upload goes on under the name that its file had", "inode", c.host.Ino(), "cause", err)
		return
	}
	c.snapshot.Upload = nil
}

// ReturnSnapshotLocked keeps what an attempt that ends early was to commit, if it was written
// over meanwhile: the next attempt is to commit the same.
func (c *Content) ReturnSnapshotLocked(view View, size int64, gen uint64) {
	if view == nil || gen != c.Asked || c.Gen == gen || c.snapshot != nil {
		return
	}
	c.snapshot = &Snapshot{View: view.again(), Size: size, Gen: gen}
}

// SupersedeOlderLocked does so where that is another content than the one there is now.
func (c *Content) SupersedeOlderLocked() {
	if c.snapshot != nil && c.snapshot.Gen < c.Gen {
		c.SupersedeLocked()
	}
}

// HasSnapshotLocked reports whether what an earlier close asked for is kept apart.
func (c *Content) HasSnapshotLocked() bool { return c.snapshot != nil }
