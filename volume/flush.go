package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
	"mcfs/volume/upload"
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
	n.lock()
	state, gen, estranged := n.state, n.gen, n.estranged
	n.estranged = false
	if estranged {
		n.displaced = gen
	}
	if n.due != nil && n.due.gen < gen {
		n.supersedeLocked() // from here on this close's content is to be safe
	}
	n.unlock()
	switch {
	case estranged && state != Clean:
		if err := v.keep(n, closed); err != nil {
			return err
		}
		v.ask(n, false)
		return n.await(ctx, gen)
	case gone, state == Clean:
		return nil // what nobody can name any more is not published
	case state == Lost:
		return fmt.Errorf("its draft is in quarantine: %w", ErrIO)
	case state == Local:
		return v.keepFast(n)
	case v.o.SpoolDurable:
		n.want(gen) // which the journal is to know
		err := v.keep(n, closed)
		v.ask(n, true)
		return err
	}
	v.ask(n, true)
	n.expect(1)
	defer n.expect(-1)
	return n.await(ctx, gen)
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

// await waits until gen is committed, for as long as bytes move.
func (n *Node) await(ctx context.Context, gen uint64) error {
	v := n.v
	tick := time.NewTicker(v.o.CloseTimeout / 20)
	defer tick.Stop()
	last, since := v.progressOf(n), time.Now()
	for {
		n.lock()
		done, failure, lost, stale := n.committed >= gen || n.state == Clean, n.failure, n.state == Lost, n.displaced >= gen
		turned := n.turning()
		n.unlock()
		switch {
		case stale:
			return fmt.Errorf("another machine saved the file meanwhile; yours is kept beside it: %w", ErrStale)
		case done:
			return nil
		case lost:
			return failure
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
		cause = store.ErrUnavailable
	}
	if err := n.v.keep(n, behind); err != nil {
		return err
	}
	n.v.log.Error("close gave up waiting: the file is safe in the spool and its upload goes on", "path", n.Path(), "cause", cause)
	return errorsIO(cause)
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
	if a.up.Load() == nil {
		return v.movedLocked() + v.steps.Load()
	}
	return a.moved() + int64(a.stage)
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

// interrupt keeps what a killed writer left: sealed, shown, and not published.
// Parts that have left already are taken back: nobody may ever want them.
func (n *Node) interrupt() {
	v := n.v
	n.lock()
	switch n.state {
	case Writing:
		n.step(evKill)
	case Queued, Uploading, Publishing:
		n.slain = n.gen
	}
	stays := n.state == Interrupted
	var up *upload.Upload
	if stays && n.up != nil {
		up, _, _ = n.retract()
	}
	n.unlock()
	if up != nil {
		v.abandon(up, func() {})
	}
	if stays {
		v.keepInterrupted(n)
	}
}

// abandon calls off the commit for which a killed writer waited, unless somebody
// else waits for it too, or the request that makes the object visible may have
// left: that one goes through, and makes the whole file, once.
func (n *Node) abandon() {
	v := n.v
	v.mu.Lock()
	n.lock()
	wanted := n.expected > 0 || n.state != Queued && n.state != Uploading
	n.unlock()
	if wanted || !v.callOff(n, errKilled) {
		v.mu.Unlock()
		return
	}
	n.lock()
	n.step(evAbandon)
	n.asked = n.committed
	n.supersedeLocked()
	n.unlock()
	v.mu.Unlock()
	v.keepInterrupted(n)
}

// keepInterrupted makes an interrupted draft safe, behind: its writer must not
// be kept from ending.
func (v *Volume) keepInterrupted(n *Node) {
	v.background(func() {
		if err := v.keep(n, behind); err != nil {
			v.log.Error("draft of a killed writer is not safe in the spool", "path", n.Path(), "cause", err)
		}
	})
}
