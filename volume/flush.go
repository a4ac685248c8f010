package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
)

// commitNow is what the close of a writer does: it asks for the commit, also of
// what a killed one had left, and waits for it.
func (n *Node) commitNow(ctx context.Context) error {
	v := n.v
	v.track(n)
	v.foresee(ctx, n)
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
	n.lock()
	state, gen, estranged, told := n.state, n.gen, n.estranged, n.told
	n.estranged = false
	if estranged {
		n.displaced = gen
	}
	if n.due != nil && n.due.gen < gen {
		n.supersede() // from here on this close's content is to be safe
	}
	n.unlock()
	switch {
	case estranged && state != Clean:
		if err := v.keep(n, closed); err != nil {
			return err
		}
		v.ask(n, itself)
		return n.await(ctx, gen)
	case gone, state == Clean:
		return nil // what nobody can name any more is not published
	case state == Lost:
		return fmt.Errorf("its draft is in quarantine: %w", ErrIO)
	case state == Local, state == Temporary, told:
		return v.keepFast(n)
	case v.o.SpoolDurable:
		n.want(gen) // which the journal is to know
		if err := v.keep(n, closed); !isSent(err) {
			v.ask(n, closing)
			return err
		} // else the spool is too small for it, and it is safe once it is in the store
	}
	n.tryToHold()
	v.ask(n, closing)
	n.expect(1)
	defer n.expect(-1)
	return n.await(ctx, gen)
}

// tryToHold keeps from now on in the spool what a close waits for, so that it is
// safe there if the close fails; unless some of it is in the upload alone already.
func (n *Node) tryToHold() {
	n.lock()
	defer n.unlock()
	if err := n.holdBytes(); err != nil {
		n.v.log.Debug("a file larger than the spool is not safe before its commit", "inode", n.ino, "cause", err)
	}
}

// want notes that the content as of gen is to be committed; ask begins it.
func (n *Node) want(gen uint64) {
	n.lock()
	defer n.unlock()
	switch n.state {
	case Writing, Interrupted, Queued, Uploading, Publishing:
		n.asked = max(n.asked, gen)
		n.step(evAsk)
	}
}

// expect counts the closes that wait for a commit.
func (n *Node) expect(more int) {
	n.lock()
	defer n.unlock()
	n.expected += more
}

// await waits until gen is committed, for as long as bytes move, or until it is not to be
// and is safe in the spool.
func (n *Node) await(ctx context.Context, gen uint64) error {
	v := n.v
	tick := time.NewTicker(v.o.CloseTimeout / 20)
	defer tick.Stop()
	last, since := v.progressOf(n), time.Now()
	for {
		n.lock()
		done, failure, lost, stale := n.committed >= gen || n.state == Clean, n.failure, n.state == Lost, n.displaced >= gen
		renamed := n.state == Local || n.state == Temporary
		turned := n.turning()
		n.unlock()
		switch {
		case stale:
			return fmt.Errorf("another machine saved the file meanwhile; yours is kept beside it: %w", ErrStale)
		case done:
			return nil
		case lost:
			return failure
		case renamed: // meanwhile, to a name that is not committed
			return v.keepFast(n)
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
		cause = cmp.Or(n.whyNot(), store.ErrUnavailable)
	}
	err := n.v.keep(n, behind)
	if isSent(err) {
		n.v.log.Error("close gave up waiting: the file is larger than the spool, and lost if mcfs ends before its upload, which goes on",
			"path", n.Path(), "cause", cause)
		return errorsIO(cause)
	}
	if err != nil {
		return err
	}
	n.v.log.Error("close gave up waiting: the file is safe in the spool and its upload goes on", "path", n.Path(), "cause", cause)
	return errorsIO(cause)
}

// whyNot is what keeps the node's commit, as far as that is known.
func (n *Node) whyNot() error {
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if a := n.attempt; a != nil {
		if c := v.failingBefore(a); c != nil {
			return fmt.Errorf("it waits for %s of %s, which fails: %s: %w", c.Op, c.Path, c.reason, store.ErrUnavailable)
		}
	}
	n.lock()
	defer n.unlock()
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

// turn wakes those who wait for the node; n is locked.
func (n *Node) turn() {
	if n.turned != nil {
		close(n.turned)
		n.turned = nil
	}
}

// turning is closed with the next turn; n is locked.
func (n *Node) turning() <-chan struct{} {
	if n.turned == nil {
		n.turned = make(chan struct{})
	}
	return n.turned
}

// interrupt keeps what a killed writer left (evKill), or one of whom a write failed
// (evSpoil): sealed, shown, and not published.
func (n *Node) interrupt(why event) {
	if n.stop(why) {
		n.v.keepInterrupted(n)
	}
}

// stop reports whether the draft is interrupted now, or else has what an earlier close
// asked for committed and no more. Parts that have left already are taken back: nobody
// may ever want them.
func (n *Node) stop(why event) (stays bool) {
	v := n.v
	n.lock()
	n.control = noControl
	switch n.state {
	case Writing, Temporary:
		n.step(why)
	case Queued, Uploading, Publishing:
		n.slain = n.gen
	}
	stays = n.state == Interrupted
	if stays && n.up != nil {
		if err := n.giveUpEager(); err != nil { // it stays, for what it alone has
			v.log.Warn("the upload of an interrupted file is kept: some of the file is nowhere else", "inode", n.ino, "cause", err)
		}
	}
	n.unlock()
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
	n.lock()
	wanted := n.expected > 0 || n.state != Queued && n.state != Uploading || n.isDueAlone()
	n.unlock()
	if wanted || !v.callOff(n, errKilled) {
		v.mu.Unlock()
		return
	}
	n.lock()
	n.step(evAbandon)
	n.asked = n.committed
	n.supersede()
	n.unlock()
	v.mu.Unlock()
	v.keepInterrupted(n)
}

// keepInterrupted makes an interrupted draft safe, behind: its writer must not
// be kept from ending.
func (v *Volume) keepInterrupted(n *Node) {
	v.background(func() {
		if err := v.keep(n, behind); err != nil {
			v.log.Error("an interrupted draft is not safe in the spool", "path", n.Path(), "cause", err)
		}
	})
}
