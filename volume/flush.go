package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
	"mcfs/volume/file"
)

// commitNow is what the close of a writer does: it asks for the commit, also of
// what a killed one had left, and waits for it.
func (n *Node) commitNow(ctx context.Context) error {
	v := n.v
	v.track(n)
	v.judgeAtClose(ctx, n)
	v.mu.Lock()
	gone := n.gone
	v.mu.Unlock()
	if !gone {
		if err := n.holdBack(); err != nil {
			return err
		}
	}
	if n.holdUnfinished() {
		return n.keepUnfinished()
	}
	n.content.Lock()
	state, gen, divided, told := n.content.State, n.content.Gen, n.content.Divided, n.content.ToldLocked()
	n.content.Divided = false
	if divided {
		n.content.Displaced = gen
	}
	n.content.SupersedeOlderLocked() // from here on this close's content is to be safe
	n.content.Unlock()
	switch {
	case divided && state != Clean:
		if err := n.content.Keep(file.Closed); err != nil {
			return err
		}
		v.ask(n, itself)
		return n.await(ctx, gen)
	case gone, state == Clean:
		return nil // a file without a name is not published
	case state == Lost:
		return fmt.Errorf("its draft is in quarantine: %w", ErrIO)
	case state == Local, state == Temporary, told:
		return n.content.KeepFast()
	case v.o.SpoolDurable:
		n.content.Want(gen) // which the journal is to know
		if err := n.content.Keep(file.Closed); !file.IsSent(err) {
			v.ask(n, closing)
			return err
		} // else the spool is too small for it, and it is safe once it is in the store
	}
	n.content.TryToHold()
	v.ask(n, closing)
	n.content.Expect(1)
	defer n.content.Expect(-1)
	return n.await(ctx, gen)
}

// await waits until gen is committed, for as long as bytes move, or until it is not to be
// and is safe in the spool.
func (n *Node) await(ctx context.Context, gen uint64) error {
	v := n.v
	tick := time.NewTicker(v.o.CloseTimeout / 20)
	defer tick.Stop()
	last, since := v.progressOf(n), time.Now()
	for {
		n.content.Lock()
		done, failure, lost, stale := n.content.Committed >= gen || n.content.State == Clean, n.content.Failure, n.content.State == Lost, n.content.Displaced >= gen
		renamed := n.content.State == Local || n.content.State == Temporary
		turned := n.content.WakesLocked()
		n.content.Unlock()
		switch {
		case stale:
			return fmt.Errorf("another machine saved the file meanwhile; yours is kept beside it: %w", ErrStale)
		case done:
			return nil
		case lost:
			return failure
		case renamed: // meanwhile, to a name that is not committed
			return n.content.KeepFast()
		case errors.Is(failure, store.ErrDenied): // somebody has to do something first
			return n.giveUpWaiting(failure)
		}
		select {
		case <-turned:
			continue
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ErrInterrupted, context.Cause(ctx))
		case <-v.ctx.Done():
			return ErrShutdown
		}
		if now := v.progressOf(n); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) > v.o.CloseTimeout {
			return n.giveUpWaiting(failure)
		}
	}
}

// giveUpWaiting makes the draft safe; its commit goes on behind.
func (n *Node) giveUpWaiting(cause error) error {
	if cause == nil {
		cause = cmp.Or(n.obstacle(), store.ErrUnavailable)
	}
	err := n.content.Keep(file.Behind)
	if file.IsSent(err) {
		n.v.log.Error("close gave up waiting: the file is larger than the spool, and lost if mcfs ends before its upload, which goes on",
			"path", n.Path(), "cause", cause)
		n.v.observeFailure("commit", n.Path(), cause, true)
		return file.AsIO(cause)
	}
	if err != nil {
		return err
	}
	n.v.log.Error("close gave up waiting: the file is safe in the spool and its upload goes on", "path", n.Path(), "cause", cause)
	n.v.observeFailure("commit", n.Path(), cause, true)
	return file.AsIO(cause)
}

// obstacle is the reason why the node is not committed, as far as that is known.
func (n *Node) obstacle() error {
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if a := n.attempt; a != nil {
		if c := v.failingBefore(a); c != nil {
			return fmt.Errorf("it waits for %s of %s, which fails: %s: %w", c.Op, c.Path, c.reason, store.ErrUnavailable)
		}
	}
	n.content.Lock()
	defer n.content.Unlock()
	return n.trouble()
}

// progressOf counts what the node's commit has sent, or, as long as it waits for
// its turn, what everybody has done: it may stand behind a directory's move.
func (v *Volume) progressOf(n *Node) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := n.attempt
	if a == nil {
		return 0
	}
	switch before := v.failingBefore(a); {
	case a.up.Load() != nil:
		return a.moved() + int64(a.stage)
	case before != nil:
		return before.pace.Total()
	}
	return v.movedLocked() + v.steps.Load()
}

// failingBefore is a change of names that keeps the attempt from its turn, and whose last
// try has failed; nil: there is none. v.mu is held.
func (v *Volume) failingBefore(a *attempt) *change {
	if a.job == nil || !a.job.WaitsLocked() {
		return nil
	}
	for _, c := range v.changes {
		if !c.Failing.IsZero() && c.pace != nil && c.job != nil && c.job.KeepsBackLocked(a.job) {
			return c
		}
	}
	return nil
}

// interrupt keeps what a killed writer left (evKill), or one of whom a write failed
// (evSpoil): sealed, shown, and not published.
func (n *Node) interrupt(why file.Event) {
	if n.stop(why) {
		n.v.keepInterrupted(n)
	}
}

// stop reports whether the draft is interrupted now, or else has what an earlier close
// asked for committed and no more.
func (n *Node) stop(why file.Event) (stays bool) {
	v := n.v
	n.content.Lock()
	stays = n.content.InterruptLocked(why)
	n.content.Unlock()
	v.mu.Lock()
	v.signal() // nobody need wait for it any more
	v.mu.Unlock()
	return stays
}

// abandon calls off the commit for which a killed writer waited, unless somebody
// else waits for it too, or its upload alone has some of the file, or the request that
// makes the object visible may have left: that one goes through, and makes the whole
// file, once.
func (n *Node) abandon() {
	v := n.v
	v.mu.Lock()
	n.content.Lock()
	wanted := n.content.Expected > 0 || n.content.State != Queued && n.content.State != Uploading || n.content.IsSnapshotAloneLocked()
	n.content.Unlock()
	if wanted || !v.cancelCommit(n, errKilled) {
		v.mu.Unlock()
		return
	}
	n.content.Lock()
	n.content.StepLocked(file.EvAbandon)
	n.content.Asked = n.content.Committed
	n.content.SupersedeLocked()
	n.content.Unlock()
	v.mu.Unlock()
	v.keepInterrupted(n)
}

// keepInterrupted makes an interrupted draft safe, behind: its writer must not
// be kept from ending.
func (v *Volume) keepInterrupted(n *Node) {
	v.background(func() {
		v.observeFailure("commit", n.Path(), errUnfinished, false)
		if err := n.content.Keep(file.Behind); err != nil {
			v.log.Error("an interrupted draft is not safe in the spool", "path", n.Path(), "cause", err)
		}
	})
}
