package volume

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/changes"
	"mcfs/volume/commit"
	"mcfs/volume/file"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// restateCarriers has the journal know with the changes that are to carry x on what
// x states by now: the next mount would show what it stated when they were queued.
// v.mu is held.
func (v *Volume) restateCarriers(x *remote.Version) {
	for c := range v.coming {
		if c.Ver == x {
			v.restateComing(c)
		}
	}
	for _, c := range v.carriers[x] {
		if c.job.BegunLocked() || c.Ver != x {
			continue // one that has begun looks at the store when it is taken up again
		}
		if err := c.Pack(); err != nil {
			v.log.Error("journal", "what", c.Op, "path", c.Path, "cause", err)
			continue
		}
		v.journalSoon(c)
	}
}

// restateComing is restateCarriers for a change that is in the journal, or in a transaction
// that may fail, and not queued yet; v.mu is held.
func (v *Volume) restateComing(c *change) {
	if err := c.Pack(); err != nil {
		v.log.Error("journal", "what", c.Op, "path", c.Path, "cause", err)
		return
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		v.mu.Lock()
		_, coming := v.coming[c]
		there, kept := coming || v.changes[c.Seq] == c, c.Record()
		v.mu.Unlock()
		if !there {
			return nil
		}
		return tx.PutChange(kept)
	})
}

// backoff is how long a commit, a change of names or what an earlier mount has left waits
// between tries.
var backoff = queue.Backoff{First: 500 * time.Millisecond, Longest: time.Minute}

// enqueue claims the paths of a journaled change; v.mu is held, in the same
// step in which the tree changes.
func (v *Volume) enqueue(c *change) {
	delete(v.coming, c)
	v.changes[c.Seq] = c
	if c.Ver != nil {
		c.carries = c.Ver
		v.carriers[c.Ver] = append(v.carriers[c.Ver], c)
	}
	if c.node != nil {
		c.node.queued = append(c.node.queued, c)
	}
	if c.Op == changes.Localise {
		v.localising[c.Entry] = append(v.localising[c.Entry], c)
	}
	if c.dir != nil {
		c.dir.dir.leaves(c.name)
	}
	c.job = v.queue.AddLocked(func() { v.perform(c) }, c.Claims()...)
}

// forgetChange takes a change that has ended out of what v.mu guards, but for its node's; v.mu is held.
func (v *Volume) forgetChange(c *change) {
	delete(v.changes, c.Seq)
	if c.carries != nil {
		takeOut(v.carriers, c.carries, c)
	}
	if c.Op == changes.Localise {
		takeOut(v.localising, c.Entry, c)
	}
}

// takeOut takes a change out of a list, and the list away with its last one.
func takeOut[K comparable](lists map[K][]*change, key K, c *change) {
	if lists[key] = without(lists[key], c); len(lists[key]) == 0 {
		delete(lists, key)
	}
}

// without is the list without a change.
func without(list []*change, c *change) []*change {
	return slices.DeleteFunc(list, func(x *change) bool { return x == c })
}

// leave takes a change that has ended, or is another node's now, from the node; v.mu is held.
func (n *Node) leave(c *change) { n.queued = without(n.queued, c) }

// perform is one try of a change, on a worker.
func (v *Volume) perform(c *change) {
	v.mu.Lock()
	c.Next = time.Time{}
	if c.pace == nil {
		c.pace = queue.NewPace(&v.steps)
	}
	c.stride = c.pace.Stride(c.Path)
	v.mu.Unlock()
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	if c.Op == changes.Rename || c.Op == changes.Move || c.Op == changes.Localise {
		cancel()
		ctx, cancel = context.WithCancel(v.ctx) // these take as long as the size asks; the store has a deadline without progress
	}
	err := v.carryOut(ctx, c)
	cancel()
	if v.ctx.Err() != nil {
		return // the journal has it
	}
	if errors.Is(err, remote.ErrTaken) {
		if err = v.moveToConflictName(c); err == nil {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.queue.AgainLocked(c.job, 0)
			return
		}
	}
	if c.worthAnother(err) {
		v.performLater(c, err)
		return
	}
	switch {
	case errors.Is(err, store.ErrNotExist):
		v.log.Warn("what was to be renamed was removed elsewhere meanwhile", "path", c.Path, "to", c.To, "cause", err)
		v.observeFailure(c.Op, c.Path, err, false)
		v.commits.RestoreSidecar(c.Replaces, c.To)
	case err != nil:
		v.log.Error("a change of names could not be finished and is given up", "what", c.Op, "path", c.Path, "to", c.To, "cause", err)
		v.observeFailure(c.Op, c.Path, err, false)
		v.noteGivenUp(c, err)
	default:
		v.observeChange(c)
	}
	v.finishChange(c)
}

// unexplained is how long a change of names is tried that fails for a reason of which
// nobody knows whether it will pass, as an answer of the store's that is in no table.
// So long it keeps others from its names. A local disk that fails is given a day, so that
// room can be made.
const (
	unexplained = 10 * time.Minute
	diskFails   = 24 * time.Hour
)

// worthAnother reports whether a try that ended so is to be followed by another. Volume.mu
// need not be held: only one try runs at a time.
func (c *change) worthAnother(err error) bool {
	switch {
	case err == nil, errors.Is(err, store.ErrNotExist):
		return errors.Is(err, errCommitBusy)
	case errors.Is(err, errCommitBusy), transient(err):
		return true
	case c.Op != changes.Rename && errors.Is(err, file.ErrLocked):
		return true // dropped, it would take with it what only the journal has
	case commit.Permanent(err), errors.Is(err, store.ErrPrecondition), errors.Is(err, errUnknownChange):
		return false
	}
	limit := unexplained
	if errors.Is(err, spool.ErrFull) || errors.As(err, new(syscall.Errno)) {
		limit = diskFails
	}
	return c.Failing.IsZero() || time.Since(c.Failing) < limit
}

// unarrived says of a rename whose object is not there that the commit under way
// then never made it. Its draft, if there still is one, is to be committed under the
// name that it has now.
func (v *Volume) unarrived(c *change) bool {
	if c.Op != changes.Rename || c.Ver.Foreign() {
		return false
	}
	if _, etag := c.Ver.Place(); etag != "" {
		return false
	}
	return c.Again || c.draft() != nil
}

// draft is what a rename's file has that is not committed; nil: nothing.
func (c *change) draft() *Node {
	n := c.node
	if n == nil {
		return nil
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.State == Clean || n.content.Base == c.Ver {
		return nil
	}
	return n
}

// skipRename finishes a rename whose object was never made. The draft replaces what it was
// to replace; without a draft at that name, that is removed.
func (v *Volume) skipRename(ctx context.Context, c *change) error {
	n, stays := c.draft(), false
	if n != nil {
		v.mu.Lock()
		stays = !n.gone && v.path(n) == c.To
		n.content.Lock()
		if n.content.Replaces = nil; stays {
			n.content.Replaces = c.Replaces
		}
		n.content.Unlock()
		v.mu.Unlock()
	}
	if !stays && c.Replaces != nil {
		if _, err := v.remote.Remove(ctx, c.Replaces, c.To, nil); err != nil {
			return err
		}
	}
	if n == nil {
		return nil
	}
	return v.journalEntry(n)
}

func (v *Volume) performLater(c *change, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c.Tries == 0 {
		v.log.Warn("a change of names failed; it will be tried again", "what", c.Op, "path", c.Path, "cause", err)
		v.observeFailure(c.Op, c.Path, err, true)
	}
	c.reason = err.Error()
	v.queue.AgainLocked(c.job, c.FailedLocked(backoff))
}

// finishChange forgets a change that is done, or cannot be done.
func (v *Volume) finishChange(c *change) {
	if c.Op == changes.Move {
		v.forgetMove(c)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forgetChange(c)
	if c.Op == changes.Attr {
		v.restateCarriers(c.Ver)
	}
	v.steps.Add(1)
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) })
	if v.attrs[c.node] == c {
		delete(v.attrs, c.node)
	}
	now := time.Now()
	if c.node != nil {
		c.node.leave(c)
		c.node.changed = now
	}
	if c.dir != nil {
		c.dir.dir.left(c.name, now)
	}
	if c.Op == changes.Move {
		v.moves.Done(c.Path, c.To)
	}
	v.queue.FinishLocked(c.job)
	if c.aside != nil {
		v.queue.FinishLocked(c.aside)
	}
	v.signal()
}

// forgetMove takes a directory's move out of the journal at once: to do it again
// after a crash could take along what has come to its old place since.
func (v *Volume) forgetMove(c *change) {
	err := v.spool.Journal().Update(func(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) })
	if err != nil {
		v.log.Error("journal", "what", c.Op, "path", c.Path, "cause", err)
	}
}
