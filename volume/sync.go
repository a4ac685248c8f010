package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"mcfs/volume/commit"
	"mcfs/volume/naming"
)

// Sync waits until everything at and under path ("" for all) is committed and
// finished. What bears a temporary name is committed under it, what was interrupted if path names it. What waits for another
// keeper, and a draft that is lost, are not waited for, and then named by the error; so
// is, once, a change of names there that was given up.
func (v *Volume) Sync(ctx context.Context, path string) error {
	path = strings.Trim(path, "/")
	by := commit.Itself
	if path != "" {
		by = commit.ByHand
	}
	for {
		v.mu.Lock()
		v.changes.BeginDelayedLocked()
		waiting, locked, stranded := v.pendingUnder(path)
		settled := v.ended
		v.mu.Unlock()
		if len(waiting) == 0 {
			if err := errors.Join(v.lockedLeft(locked), v.strandedLeft(stranded)); err != nil {
				return err
			}
			return errors.Join(v.failedUnder(path), v.givenUpUnder(path))
		}
		for _, n := range waiting {
			if n != nil && n.content.OpenWriters() == 0 { // else what its next close is to finish
				n.commit.Ask(by)
			}
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return fmt.Errorf("sync %s: %w", shownPath(path), context.Cause(ctx))
		}
	}
}

// pendingUnder lists what Sync waits for, and what it would but for its key or its name;
// v.mu is held. A nil node stands for a change of names.
func (v *Volume) pendingUnder(path string) (list, locked, stranded []*Node) {
	for n := range v.busy {
		if n.gone || !naming.Within(v.path(n), path) {
			continue
		}
		switch state := n.content.PeekState(); {
		case n.content.PeekStranded():
			stranded = append(stranded, n)
		case state == Clean, state == Local, state == Lost:
		case state == Interrupted && path == "":
		case (state == Writing || state == Temporary) && n.content.OpenWriters() > 0:
		case n.content.WaitsForKeeper():
			locked = append(locked, n)
		default:
			list = append(list, n)
		}
	}
	for c := range v.changes.QueuedLocked() {
		if naming.Within(c.Path, path) || naming.Within(c.To, path) {
			list = append(list, nil)
		}
	}
	return list, locked, stranded
}

// failedUnder reports a draft that cannot be committed any more.
func (v *Volume) failedUnder(path string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		if p := v.path(n); !n.gone && naming.Within(p, path) && n.content.PeekState() == Lost {
			return fmt.Errorf("%s cannot be committed (what is left of it is in quarantine): %w: %w", p, errLost, ErrIO)
		}
	}
	return nil
}

// shownPath is a path for people: an empty one says nothing.
func shownPath(path string) string { return cmp.Or(path, "/") }
