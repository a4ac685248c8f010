package volume

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// weather is a store that is as a step wants it.
type weather struct {
	*flaky
	gate chan struct{} // parts wait until it is closed; nil: they do not
	kind string
}

func (w *weather) PutPart(ctx context.Context, up store.Upload, n int, b store.Body) (store.Part, error) {
	w.mu.Lock()
	gate := w.gate
	w.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return store.Part{}, context.Cause(ctx)
		}
	}
	if err := w.ask("part", up.Key); err != nil {
		return store.Part{}, err
	}
	return w.flaky.PutPart(ctx, up, n, b)
}

var weathers = []string{"", "slow", "complete", "parts", "copy", "away"}

// turn changes it.
func (w *weather) turn(kind string) {
	asked := 0
	w.set(func(op, _ string) error { // one after the other
		asked++
		switch {
		case kind == "away", kind == op, kind == "complete" && op == "put", kind == "parts" && op == "part" && asked%3 > 0:
			return errDown
		}
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind = kind
	if w.gate != nil {
		close(w.gate)
		w.gate = nil
	}
	if kind == "slow" {
		w.gate = make(chan struct{})
	}
}

// inStore is what the object under a path decrypts to, by its own metadata and the keeper.
func (e *evictions) inStore(p string) ([]byte, bool) {
	ctx := e.t.Context()
	info, err := e.store.Head(ctx, p)
	if errors.Is(err, store.ErrNotExist) {
		return nil, false
	}
	e.check(err)
	obj, ok, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !ok {
		e.fail("metadata of %s: %v, %v", p, ok, err)
	}
	key, err := e.keeper.Unwrap(ctx, obj.Key, obj.KeyID)
	e.check(err)
	text, _, err := e.store.Get(ctx, p, store.Range{}, info.ETag)
	e.check(err)
	defer text.Close()
	plain := bytes.NewBuffer(make([]byte, 0, info.Size)) // the race detector counts each byte of a copy
	mode := modes[slices.IndexFunc(modes, func(m crypt.Mode) bool { return m.String() == obj.Mode })]
	if _, _, err := crypt.DecryptStream(plain, text, mode, key, obj.IV, info.Size); err != nil {
		e.fail("the object at %s: %v", p, err)
	}
	return plain.Bytes(), true
}

// stored demands that the store has exactly what the body is.
func (e *evictions) stored(when, p string, b *body) {
	got, there := e.inStore(p)
	if !there {
		e.fail("%s: the store has no %s (body %d)", when, p, b.id)
	}
	if !bytes.Equal(got, b.cur) {
		e.fail("%s: the store's %s (body %d): %s", when, p, b.id, explain(got, b.cur))
	}
}
