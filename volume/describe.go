package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
	"mcfs/volume/clock"
	"mcfs/volume/file"
)

// describe makes stat answerable: it loads the version of a clean file that
// only a listing has named so far, or has shown to be described otherwise now.
func (n *Node) describe(ctx context.Context) error {
	if err := n.awaitInFlight(ctx); err != nil {
		return err
	}
	if n.content.IsKnown() {
		n.awaitRefresh(ctx)
		return nil
	}
	if err := n.content.LockOpening(ctx); err != nil {
		return err
	}
	defer n.content.UnlockOpening()
	if n.content.IsKnown() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, waitUnknown)
	defer cancel()
	begun := time.Now()
	ver, err := n.v.loadListed(ctx, n)
	if errors.Is(err, store.ErrNotExist) {
		n.v.expireAbove(n)
		return fmt.Errorf("describe: removed elsewhere: %w", ErrStale) // the kernel looks the name up again
	}
	if err != nil {
		return file.AsIO(err)
	}
	n.content.Lock()
	if !n.content.KnownLocked() {
		n.content.SetBaseLocked(ver)
	}
	n.content.Unlock()
	if ver.FromStore {
		n.v.mu.Lock()
		n.seen = clock.At(begun)
		n.v.mu.Unlock()
	}
	if after := ver.Recheck(); after > 0 {
		n.v.rechecks.After(n, after)
	}
	return nil
}
