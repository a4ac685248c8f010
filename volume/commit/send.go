package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
	"mcfs/volume/file"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// try takes an attempt as far as it goes.
func (f *File) try(a *Attempt) error {
	if err := context.Cause(a.ctx); err != nil {
		return err
	}
	if a.stage != Stored {
		if err := f.send(a); err != nil {
			return err
		}
	}
	return f.publish(a)
}

// send makes the object.
func (f *File) send(a *Attempt) error {
	if !a.frozen {
		if err := f.content.Revive(a.ctx); err != nil {
			return err
		}
		if err := f.freeze(a); err != nil {
			return err
		}
		if err := f.judge(a); err != nil {
			return err
		}
	}
	if a.up.Load() == nil {
		up, err := f.content.StartUpload(a.ctx, a.path, nil)
		if err != nil {
			return fmt.Errorf("commit %s: %w", a.path, err)
		}
		a.up.Store(up)
	}
	f.content.Lock()
	if f.content.State == file.Queued {
		f.content.StepLocked(file.EvStart)
	}
	f.content.Unlock()
	ctx, stop := f.whileMoving(a)
	defer stop()
	last := upload.Last{Condition: a.condition(), Ready: func(ctx context.Context) error {
		if o := a.from.Load(); o != nil {
			if err := f.content.ProveBase(ctx, o); err != nil {
				return err
			}
		}
		return f.ready(ctx, a)
	}}
	res, err := a.up.Load().Finish(ctx, a.view, a.size, last)
	if err != nil {
		return fmt.Errorf("commit %s: %w", a.path, err)
	}
	f.r.cfg.Mu.Lock()
	a.stage = Stored
	a.ver.Arrived(res.ETag, res.Modified)
	f.r.cfg.Writes.Note(a.path, a.ver)
	f.r.cfg.Mu.Unlock()
	a.storedAt = time.Now()
	return nil
}

// condition guards the request that makes the object visible: it replaces what
// this machine knows to be there, or nothing.
func (a *Attempt) condition() store.Condition {
	if a.replaces == nil {
		return store.Condition{IfNone: true}
	}
	if _, etag := a.replaces.Place(); etag != "" {
		return store.Condition{IfMatch: etag}
	}
	return store.Condition{IfNone: true}
}

// whileMoving is a context that ends when no byte was acknowledged for CloseTimeout.
// stop ends it, too.
func (f *File) whileMoving(a *Attempt) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(a.ctx)
	every := f.r.cfg.CloseTimeout / 4
	last, since := int64(-1), time.Now()
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		f.r.cfg.Mu.Lock()
		asking := a.stage != Waiting // S3 puts thousands of parts together for minutes; the request has a deadline of its own
		f.r.cfg.Mu.Unlock()
		if p := a.Moved(); p != last || asking {
			last, since = p, time.Now()
		} else if time.Since(since) >= f.r.cfg.CloseTimeout {
			cancel(fmt.Errorf("nothing moved for %s: %w", f.r.cfg.CloseTimeout, store.ErrUnavailable))
		}
		if ctx.Err() == nil {
			timer.Reset(every)
		}
	})
	timer.Reset(every)
	return ctx, func() {
		cancel(nil) // before: a look that is under way does not set the timer again, or for one look more
		timer.Stop()
	}
}

// freeze takes the content that was asked for as the version to commit, as it was
// before later writes: those are the next draft's.
func (f *File) freeze(a *Attempt) error {
	f.content.Lock()
	defer f.content.Unlock()
	if err := context.Cause(a.ctx); err != nil {
		return err // called off under the same lock
	}
	if f.content.State != file.Queued && f.content.State != file.Uploading {
		return errNothing
	}
	d, err := f.content.TakeSnapshotLocked(a.path)
	if err != nil {
		return fmt.Errorf("commit %s: %w", a.path, err)
	}
	a.view, a.gen, a.size, a.replaces = d.View, d.Gen, d.Size, f.content.Replaces
	a.from.Store(d.View.Origin())
	a.frozen = true
	if d.Upload != nil {
		a.up.Store(d.Upload)
	}
	return nil
}

// ready runs when only the request that makes the object visible is left. From
// here the attempt goes through under its name; the journal knows all that is
// needed to finish it after a crash. The sidecar of what is replaced goes first (P3).
func (f *File) ready(ctx context.Context, a *Attempt) error {
	f.content.Lock()
	attr := f.content.Attr
	f.content.Unlock()
	f.r.cfg.Mu.Lock()
	if err := context.Cause(a.ctx); err != nil && a.stage == Waiting {
		f.r.cfg.Mu.Unlock()
		return err
	}
	a.stage = Ready
	up := a.up.Load()
	obj, r := up.Object(), up.Sealed()
	if a.ver == nil { // else queued changes know it already
		a.ver = remote.NewVersion(
			remote.Content{Mode: f.r.cfg.Mode, IV: obj.IV, MAC: r.MAC, Plain: r.Plain, Cipher: r.Cipher},
			remote.State{Key: a.path, Check: obj.Check, Wrapped: obj.Key, KeyID: obj.KeyID, Attr: attr, Fallback: a.replaces},
		)
	}
	f.content.Lock()
	if f.content.State == file.Uploading {
		f.content.StepLocked(file.EvReady) // with the stage: a rename goes by either
	}
	f.content.Unlock()
	f.r.cfg.Mu.Unlock()
	if err := f.host.Save(); err != nil {
		return err
	}
	return f.withdraw(ctx, a)
}

// judge has the owner decide whether the content may be committed under its path.
func (f *File) judge(a *Attempt) error {
	err := f.host.Judge(a.path, a.view, a.size)
	if errors.Is(err, ErrGone) {
		a.cancel(ErrGone)
	}
	return err
}
