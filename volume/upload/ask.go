package upload

import (
	"context"
	"fmt"
	"slices"

	"mcfs/store"
)

// ask sends the one request that makes the object visible. What fails before
// it leaves is a localError.
func (u *Upload) ask(ctx context.Context, last Last, ready *bool) (store.Info, error) {
	if u.plan.single {
		return u.put(ctx, last, ready)
	}
	if err := last.ready(ctx, ready); err != nil {
		return store.Info{}, err
	}
	u.e.mu.Lock()
	parts := make([]store.Part, len(u.parts))
	for i, p := range u.parts {
		parts[i] = p.ack
	}
	u.e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	u.requests.Add(1)
	info, err := u.e.c.Store.Complete(ctx, u.up, parts, last.Condition)
	if err != nil {
		return store.Info{}, fmt.Errorf("complete upload: %w", err)
	}
	return info, nil
}

// put sends a small file. It holds a place and a buffer meanwhile, as a part does.
func (u *Upload) put(ctx context.Context, last Last, ready *bool) (store.Info, error) {
	j := &job{kind: jobPut, cost: u.cost(u.parts[0]), granted: make(chan struct{})}
	if err := u.acquire(ctx, j); err != nil {
		return store.Info{}, &localError{err}
	}
	defer u.e.endJob(u, j.cost)
	buf, err := u.e.pool.get(j.cost)
	if err != nil {
		return store.Info{}, &localError{err}
	}
	defer u.e.pool.put(buf)
	w, _, leave, err := u.open(0)
	if err != nil {
		return store.Info{}, &localError{err}
	}
	defer leave()
	c, err := u.seal(ctx, 0, w, buf)
	if err != nil {
		return store.Info{}, &localError{err}
	}
	if err := last.ready(ctx, ready); err != nil {
		return store.Info{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout(c.size))
	defer cancel()
	u.requests.Add(1)
	info, err := u.e.c.Store.Put(ctx, u.t.Key, c.body(), u.attr, last.Condition)
	if err := c.revoke(err); err != nil {
		return store.Info{}, fmt.Errorf("put: %w", err)
	}
	u.progress.Store(c.size)
	return info, nil
}

// acquire waits for the job's turn. endJob gives back what it got.
func (u *Upload) acquire(ctx context.Context, j *job) error {
	u.e.mu.Lock()
	u.enqueue(j, true)
	u.e.mu.Unlock()
	select {
	case <-j.granted:
		return nil
	case <-ctx.Done():
	}
	u.e.mu.Lock()
	at := slices.Index(u.jobs, j)
	if at >= 0 {
		u.jobs = slices.Delete(u.jobs, at, at+1)
	}
	u.e.mu.Unlock()
	select {
	case <-j.granted:
		u.e.endJob(u, j.cost)
	default:
	}
	return context.Cause(ctx)
}

// ready calls Ready once.
func (l Last) ready(ctx context.Context, called *bool) error {
	if *called || l.Ready == nil {
		return nil
	}
	if err := l.Ready(ctx); err != nil {
		return &localError{fmt.Errorf("prepare to publish: %w", err)}
	}
	*called = true
	return nil
}
