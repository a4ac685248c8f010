package offline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mcfs/crypt"
	"mcfs/internal/leftover"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// origin is what a version is made of.
type origin interface {
	check(sealed upload.Result) error // refuses what is not any more what it was
	attr() sidecar.Attr
	moved() int64 // bytes that have been read
}

// publication is the making of one object visible, and of its sidecar after it.
type publication struct {
	w     *Writer
	from  origin
	key   string
	there *remote.Version      // that is replaced; nil: nothing
	side  *remote.FoundSidecar // without its object, or of one that cannot be described; nil: none
	up    *upload.Upload

	asking atomic.Bool // the request that makes the object visible is due
	made   *remote.Version
	note   *leftover.Note // until the sidecar is there
	failed error          // of the upload
}

// finish sends the rest, and publishes. It gives upload's errors.
func (p *publication) finish(ctx, moving context.Context, view upload.View, size int64) error {
	res, err := p.up.Finish(moving, view, size, upload.Last{Condition: p.condition(), Ready: p.ready})
	if err != nil {
		p.failed = err
		return err
	}
	return p.publish(ctx, res)
}

// moved counts what has been read and sent.
func (p *publication) moved() int64 { return p.up.Moved() + p.up.Progress() + p.from.moved() }

// waits reports whether the store puts thousands of parts together, which takes minutes and has a
// deadline of its own.
func (p *publication) waits() bool { return p.asking.Load() && p.up.Trouble().Tries == 0 }

// condition guards the request: it replaces what was looked at, or nothing.
func (p *publication) condition() store.Condition {
	if p.there == nil {
		return store.Condition{IfNone: true}
	}
	_, etag := p.there.Place()
	return store.Condition{IfMatch: etag}
}

// ready runs when all has been sent. From here the next run knows what is owed.
func (p *publication) ready(ctx context.Context) error {
	obj, r := p.up.Object(), p.up.Sealed()
	if err := p.from.check(r); err != nil {
		return err
	}
	mode, err := crypt.ParseMode(obj.Mode)
	if err != nil {
		return err
	}
	p.made = remote.NewVersion(
		remote.Content{Mode: mode, IV: obj.IV, MAC: r.MAC, Plain: r.Plain, Cipher: r.Cipher},
		remote.State{Key: p.key, Check: obj.Check, Wrapped: obj.Key, KeyID: obj.KeyID, Attr: p.from.attr(), Fallback: p.there},
	)
	p.asking.Store(true)
	if p.there != nil || p.side != nil || p.up.Parts() {
		p.note, err = p.w.notes.Add(leftover.Content{Object: &leftover.Object{Made: p.made.Record(), Since: time.Now()}})
		if err != nil {
			return err
		}
	}
	return p.withdraw(ctx)
}

// withdraw deletes the sidecar of what is about to be replaced (P3).
func (p *publication) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
	defer cancel()
	if p.side != nil {
		err := p.w.store.Delete(ctx, sidecar.Name(p.key), store.Condition{IfMatch: p.side.ETag})
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return fmt.Errorf("withdraw %s: %w", p.w.name(sidecar.Name(p.key)), err)
		}
	}
	if p.there == nil || !p.there.WantsSidecar() || p.there.Sidecar().ETag == "" {
		return nil
	}
	return p.w.remote.DeleteSidecar(ctx, p.there, p.key, p.there.Sidecar().ETag, nil)
}

// publish puts the sidecar of the object that has just been stored, also where the run is to end.
func (p *publication) publish(ctx context.Context, res upload.Result) error {
	ctx, cancel := tail(ctx)
	defer cancel()
	stored := time.Now()
	p.made.Arrived(res.ETag, res.Modified)
	if err := p.w.remote.PutSidecar(ctx, p.made, p.key, store.Condition{IfNone: true}, nil); err != nil {
		return fmt.Errorf("%s is stored, and its settings are not: %w", p.w.name(p.key), err)
	}
	if time.Since(stored) >= remote.Late {
		if err := p.w.remote.WithdrawLate(ctx, p.made, p.key); err != nil {
			return err
		}
	}
	if p.note == nil {
		return nil
	}
	note := p.note
	p.note = nil
	return note.Forget()
}

// end puts back the sidecar of a version that was not replaced in the end, where that is known. Else
// the note stays, and the end of the run or the next one looks.
func (p *publication) end(ctx context.Context) {
	if p.note == nil || p.failed == nil {
		return
	}
	if !errors.Is(p.failed, upload.ErrConflict) && !errors.Is(p.failed, upload.ErrLost) {
		return
	}
	ctx, cancel := tail(ctx)
	defer cancel()
	if err := p.w.remote.RestoreSidecar(ctx, p.there, p.key); err == nil {
		_ = p.note.Forget() // once more is no harm
	}
}

// tail is a context for what is to follow once something has been done, even if the caller has given up.
func tail(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), requestTimeout, errNoAnswer)
}

var errStands = errors.New("the store took nothing for too long")

// whileMoving is a context that ends when nothing has moved for too long, but for times when nothing
// is expected to.
func whileMoving(parent context.Context, limit time.Duration, moved func() int64, waits func() bool) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(max(limit/4, time.Millisecond))
		defer tick.Stop()
		last, since := moved(), time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := moved(); now != last || waits() {
				last, since = now, time.Now()
			} else if time.Since(since) >= limit {
				cancel(fmt.Errorf("%w (%v): %w", errStands, limit, store.ErrUnavailable))
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}
