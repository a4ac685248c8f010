package upload

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/queue"
)

// Finish sends the rest from view (the whole frozen draft of size bytes), and
// completes. A file that fits the first part, and of which nothing was sent
// before, is one put. The view stays the caller's, and is not read any more
// when Finish has returned; parts that were frozen eagerly are not read from it.
//
// Failures of the store are tried again until ctx ends: the error then wraps
// its cause and the last failure. After any error but ErrLost, ErrAborted and
// ErrTooLarge it may be called again with the same view and size: what was sent
// is not sent again, and parts under way go on meanwhile. After ErrConflict that
// makes sense with another Condition only.
//
// An unclear answer is settled by looking (Head: our IV means success).
func (u *Upload) Finish(ctx context.Context, view View, size int64, last Last) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(u.ctx, func() { cancel(context.Cause(u.ctx)) })
	defer stop()
	if err := u.enter(ctx, view, size, u.endAhead(true)); err != nil {
		return Result{}, fmt.Errorf("commit %s: %w", u.t.Key, err)
	}
	r, err := u.finish(ctx, last)
	cancel(nil)
	u.leave(err == nil)
	if err != nil {
		return Result{}, fmt.Errorf("commit %s: %w", u.t.Key, err)
	}
	return r, nil
}

// enter admits one Finish at a time and queues what remains to be sent.
func (u *Upload) enter(ctx context.Context, view View, size int64, last *made) error {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	defer func() {
		if last != nil {
			u.e.unspare(last)
		}
	}()
	switch {
	case u.phase == aborted:
		return ErrAborted
	case u.phase == lost:
		return u.err
	case u.phase == done || u.finishes > 0:
		return errors.New("finished already, or being finished")
	case u.e.closed:
		return ErrClosed
	}
	if u.plan == nil {
		if err := u.makePlan(size); err != nil {
			return err
		}
		u.takeLast(last)
		last = nil
	}
	if u.plan.size != size {
		return fmt.Errorf("draft has %d bytes, and had %d when it was finished first", size, u.plan.size)
	}
	u.e.wg.Add(1)
	u.finishes++
	u.view, u.fctx = view, ctx
	u.local, u.failures, u.resume = nil, 0, time.Time{}
	if u.phase == fresh {
		u.begin()
	}
	if !u.plan.single {
		u.queueRest()
	}
	u.e.poke()
	return nil
}

// makePlan fixes the parts of a file of size bytes. e.mu is held.
func (u *Upload) makePlan(size int64) error {
	if size > u.mode.MaxPlain() || size > u.layout.limit() {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	for i, p := range u.parts {
		if p.state != idle && u.layout.end(i) > size {
			u.lose(fmt.Errorf("%w: part %d has left, and the draft was cut to %d bytes since", ErrLost, i+1, size))
			return u.err
		}
	}
	count := u.layout.count(size)
	single := size <= u.layout.size(0) && !u.beginJob && u.phase == fresh
	if u.tail() > 0 && u.part(count-1).state != idle {
		count++ // that part has left without the tail, which becomes a part of its own
	}
	if count > maxParts {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	for i := range count {
		p := u.part(i)
		p.last = i == count-1
		if p.state == idle {
			p.n = min(p.n, size-u.layout.offset(i))
		}
		if p.made != nil && (single || p.made.n != p.n || p.last && u.tail() > 0) {
			u.dropMade(p)
		}
	}
	for _, p := range u.parts[count:] {
		u.dropMade(p)
	}
	u.parts = u.parts[:count]
	u.plan = &plan{size: size, single: single, count: count}
	u.reach.Store(math.MaxInt64)
	u.setDue()
	return nil
}

// Parts says whether the last Finish sent its draft in parts: those need not be
// read again by the next.
func (u *Upload) Parts() bool {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	return u.plan != nil && !u.plan.single
}

// queueRest makes jobs of the parts that have none. e.mu is held.
func (u *Upload) queueRest() {
	for i, p := range u.parts {
		if p.state == idle {
			p.state = queued
			u.enqueue(&job{kind: jobPart, part: i, cost: u.cost(p)}, false)
		}
	}
	slices.SortStableFunc(u.jobs, func(a, b *job) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.part, b.part))
	})
}

// leave takes back the jobs that need the Finish's view, and waits for those under way.
func (u *Upload) leave(ok bool) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	defer u.e.wg.Done()
	u.view = nil
	u.jobs = slices.DeleteFunc(u.jobs, func(j *job) bool {
		borrowed := j.kind == jobPart && u.parts[j.part].view == nil
		if borrowed {
			u.parts[j.part].state = idle
		}
		return borrowed
	})
	for u.readers > 0 {
		ch := u.changed
		u.e.mu.Unlock()
		<-ch
		u.e.mu.Lock()
	}
	u.fctx = nil
	u.finishes--
	u.signal()
	if ok && u.move(done) {
		if u.given && u.up.ID != "" {
			u.e.c.Orphans.Forget(u.up)
		}
		u.clean()
	}
}

func (u *Upload) finish(ctx context.Context, last Last) (Result, error) {
	if err := u.await(ctx); err != nil {
		return Result{}, u.because(err)
	}
	info, err := u.publish(ctx, last)
	if err != nil {
		return Result{}, u.because(err)
	}
	u.e.mu.Lock()
	u.getOn()
	u.e.mu.Unlock()
	r := u.Sealed()
	r.ETag, r.Modified = info.ETag, info.Modified
	return r, nil
}

// because adds the last failure to the end of a context.
func (u *Upload) because(err error) error {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	ended := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if ended && u.cause != nil && !errors.Is(err, u.cause) {
		return fmt.Errorf("%w; last failure: %w", err, u.cause)
	}
	return err
}

// await waits until every part is acknowledged and no job is under way.
func (u *Upload) await(ctx context.Context) error {
	for {
		u.e.mu.Lock()
		sent := u.phase != fresh && u.active == 0 && (u.plan.single || u.prefix == u.plan.count)
		local, lostErr, ch := u.local, u.err, u.changed
		if sent && u.phase == begun {
			u.move(finishing)
		}
		u.e.mu.Unlock()
		switch {
		case lostErr != nil:
			return lostErr
		case local != nil:
			return local
		case sent:
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// publish makes the object visible, as often as it takes.
func (u *Upload) publish(ctx context.Context, last Last) (store.Info, error) {
	ready := false
	for n := 1; ; n++ {
		if u.doubt == nil {
			info, err := u.ask(ctx, last, &ready)
			if err == nil {
				return info, nil
			}
			if _, local := errors.AsType[*localError](err); local || errors.Is(err, ErrLost) {
				return store.Info{}, err
			}
			u.note(err)
			if !errors.Is(err, store.ErrDenied) && !errors.Is(err, store.ErrChecksum) {
				u.doubt = err
			}
		}
		if u.doubt != nil {
			info, ours, err := u.settle(ctx)
			if ours || err != nil {
				return info, err
			}
		}
		if err := u.rest(ctx, n); err != nil {
			return store.Info{}, err
		}
	}
}

// rest waits before the request that makes the object visible is tried again.
func (u *Upload) rest(ctx context.Context, failures int) error {
	u.e.mu.Lock()
	d := u.e.pause(failures, u.cause)
	u.stumble(u.cause, d)
	u.e.mu.Unlock()
	return queue.Sleep(ctx, d)
}

// note keeps err as the last failure.
func (u *Upload) note(err error) {
	u.e.mu.Lock()
	defer u.e.mu.Unlock()
	u.cause = err
	u.e.log.Info("upload not completed yet", "key", u.t.Key, "err", err)
}

// settle looks what became of the request that was answered by u.doubt. If it
// was not carried out it may be sent again, unless an error says why not. The
// doubt stays if nothing could be seen.
func (u *Upload) settle(ctx context.Context) (info store.Info, ours bool, err error) {
	info, ours, err = u.look(ctx)
	if err != nil {
		u.note(fmt.Errorf("%w; and then: %w", u.doubt, err))
		return store.Info{}, false, nil
	}
	doubt := u.doubt
	u.doubt = nil
	switch {
	case ours:
		return info, true, nil
	case errors.Is(doubt, store.ErrPrecondition):
		return store.Info{}, false, fmt.Errorf("%w: %w", ErrConflict, doubt)
	case errors.Is(doubt, store.ErrNoUpload):
		u.e.mu.Lock()
		defer u.e.mu.Unlock()
		err := fmt.Errorf("%w: %w", ErrLost, doubt)
		u.lose(err)
		return store.Info{}, false, err
	}
	return store.Info{}, false, nil
}

// look asks the store for the object, and whether it is this upload's.
func (u *Upload) look(ctx context.Context) (store.Info, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	u.requests.Add(1)
	info, err := u.e.c.Store.Head(ctx, u.t.Key)
	if errors.Is(err, store.ErrNotExist) {
		return store.Info{}, false, nil
	}
	if err != nil {
		return store.Info{}, false, fmt.Errorf("look at %s: %w", u.t.Key, err)
	}
	o, ok, err := sidecar.ParseObject(info.Metadata)
	return info, ok && err == nil && bytes.Equal(o.IV, u.object.IV), nil
}
