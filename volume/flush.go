package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
)

// commitNow is what close does: it asks for the commit and waits for it.
func (n *Node) commitNow(ctx context.Context) error {
	v := n.v
	v.track(n)
	v.mu.Lock()
	gone := n.gone
	v.mu.Unlock()
	n.mu.Lock()
	state, gen, estranged := n.state, n.gen, n.estranged
	n.estranged = false
	if estranged {
		n.displaced = gen
	}
	n.mu.Unlock()
	switch {
	case estranged && state != Clean:
		if err := v.keep(n, false); err != nil {
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
		if err := v.keep(n, false); err != nil {
			return err
		}
		v.ask(n, false)
		return nil
	}
	v.ask(n, false)
	return n.await(ctx, gen)
}

// await waits until gen is committed, for as long as bytes move.
func (n *Node) await(ctx context.Context, gen uint64) error {
	v := n.v
	tick := time.NewTicker(v.o.CloseTimeout / 20)
	defer tick.Stop()
	last, since := v.progressOf(n), time.Now()
	for {
		n.mu.Lock()
		done, failure, lost, stale := n.committed >= gen || n.state == Clean, n.failure, n.state == Lost, n.displaced >= gen
		turned := n.turned
		n.mu.Unlock()
		switch {
		case stale:
			return fmt.Errorf("another machine saved the file meanwhile; yours is kept beside it: %w", ErrStale)
		case done:
			return nil
		case lost:
			return failure
		case errors.Is(failure, store.ErrDenied):
			return errorsIO(failure)
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
	if err := n.v.keep(n, false); err != nil {
		return err
	}
	n.v.log.Error("close gave up waiting: the file is safe in the spool and its upload goes on", "path", n.Path(), "cause", cause)
	return errorsIO(cause)
}

func (v *Volume) progressOf(n *Node) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.attempt == nil {
		return 0
	}
	return n.attempt.moved() + int64(n.attempt.stage)
}

// turn wakes those who wait for the node; n.mu is held.
func (n *Node) turn() {
	close(n.turned)
	n.turned = make(chan struct{})
}

// interrupt keeps what a killed writer left: sealed, shown, and not published.
func (n *Node) interrupt() {
	v := n.v
	n.mu.Lock()
	if n.state == Writing {
		n.step(evKill)
	}
	stays := n.state == Interrupted
	n.mu.Unlock()
	if !stays {
		return
	}
	v.background(func() {
		if err := v.keep(n, false); err != nil {
			v.log.Error("draft of a killed writer is not safe in the spool", "path", n.Path(), "cause", err)
		}
	})
}
