package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/file"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// try takes an attempt as far as it goes.
func (v *Volume) try(n *Node, a *attempt) error {
	if err := context.Cause(a.ctx); err != nil {
		return err
	}
	if a.stage != stored {
		if err := v.send(n, a); err != nil {
			return err
		}
	}
	return v.publish(n, a)
}

// send makes the object.
func (v *Volume) send(n *Node, a *attempt) error {
	if !a.frozen {
		if err := n.content.Revive(a.ctx); err != nil {
			return err
		}
		if err := v.freeze(n, a); err != nil {
			return err
		}
		if err := v.judgeDraft(n, a); err != nil {
			return err
		}
	}
	if a.up.Load() == nil {
		up, err := n.content.StartUpload(a.ctx, a.path, nil)
		if err != nil {
			return fmt.Errorf("commit %s: %w", a.path, err)
		}
		a.up.Store(up)
	}
	n.content.Lock()
	if n.content.State == Queued {
		n.content.StepLocked(file.EvStart)
	}
	n.content.Unlock()
	ctx, stop := v.whileMoving(a)
	defer stop()
	last := upload.Last{Condition: a.condition(), Ready: func(ctx context.Context) error {
		if o := a.from.Load(); o != nil {
			if err := n.content.ProveBase(ctx, o); err != nil {
				return err
			}
		}
		return v.ready(ctx, n, a)
	}}
	res, err := a.up.Load().Finish(ctx, a.view, a.size, last)
	if err != nil {
		return fmt.Errorf("commit %s: %w", a.path, err)
	}
	v.mu.Lock()
	a.stage = stored
	a.ver.Arrived(res.ETag, res.Modified)
	v.writes.Note(a.path, a.ver)
	v.mu.Unlock()
	a.storedAt = time.Now()
	return nil
}

// condition guards the request that makes the object visible: it replaces what
// this machine knows to be there, or nothing.
func (a *attempt) condition() store.Condition {
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
func (v *Volume) whileMoving(a *attempt) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(a.ctx)
	every := v.o.CloseTimeout / 4
	last, since := int64(-1), time.Now()
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		v.mu.Lock()
		asking := a.stage != waiting // S3 puts thousands of parts together for minutes; the request has a deadline of its own
		v.mu.Unlock()
		if p := a.moved(); p != last || asking {
			last, since = p, time.Now()
		} else if time.Since(since) >= v.o.CloseTimeout {
			cancel(fmt.Errorf("nothing moved for %s: %w", v.o.CloseTimeout, store.ErrUnavailable))
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
func (v *Volume) freeze(n *Node, a *attempt) error {
	n.content.Lock()
	defer n.content.Unlock()
	if err := context.Cause(a.ctx); err != nil {
		return err // called off under the same lock
	}
	if n.content.State != Queued && n.content.State != Uploading {
		return errNothing
	}
	d, err := n.content.TakeSnapshotLocked(a.path)
	if err != nil {
		return fmt.Errorf("commit %s: %w", a.path, err)
	}
	a.view, a.gen, a.size, a.replaces = d.View, d.Gen, d.Size, n.content.Replaces
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
func (v *Volume) ready(ctx context.Context, n *Node, a *attempt) error {
	n.content.Lock()
	attr := n.content.Attr
	n.content.Unlock()
	v.mu.Lock()
	if err := context.Cause(a.ctx); err != nil && a.stage == waiting {
		v.mu.Unlock()
		return err
	}
	a.stage = ready
	up := a.up.Load()
	obj, r := up.Object(), up.Sealed()
	if a.ver == nil { // else queued changes know it already
		a.ver = remote.NewVersion(
			remote.Content{Mode: v.o.Mode, IV: obj.IV, MAC: r.MAC, Plain: r.Plain, Cipher: r.Cipher},
			remote.State{Key: a.path, Check: obj.Check, Wrapped: obj.Key, KeyID: obj.KeyID, Attr: attr, Fallback: a.replaces},
		)
	}
	n.content.Lock()
	if n.content.State == Uploading {
		n.content.StepLocked(file.EvReady) // with the stage: a rename goes by either
	}
	n.content.Unlock()
	v.mu.Unlock()
	if err := v.journalEntry(n); err != nil {
		return err
	}
	return v.withdraw(ctx, n, a)
}

// withdraw deletes the sidecar of the version that is about to be replaced. What
// another machine has set of its attributes meanwhile goes over to the new version.
func (v *Volume) withdraw(ctx context.Context, n *Node, a *attempt) error {
	if a.replaces == nil || a.withdrew {
		return nil
	}
	side := a.replaces.Sidecar().ETag
	key, etag := a.replaces.Place()
	if etag == "" || side == "" && !a.replaces.WantsSidecar() {
		return nil
	}
	if key != a.path {
		side = "" // the move of a directory has brought it here, and made its sidecar anew
	}
	err := v.remote.DeleteSidecar(ctx, a.replaces, a.path, side, func(there *remote.FoundSidecar) error {
		v.mergeAttr(n, a, there)
		return nil
	})
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	a.withdrew = true
	a.replaces.SetSidecar(remote.Sidecar{})
	return nil
}

// mergeAttr merges attributes that another machine has set of the replaced version.
func (v *Volume) mergeAttr(n *Node, a *attempt, there *remote.FoundSidecar) {
	base := a.replaces.Attr()
	_, meta, err := there.Stated(base)
	if err != nil {
		return // it states nothing that could be merged
	}
	a.replaces.SetAttr(meta.Attr)
	n.content.Lock()
	defer n.content.Unlock()
	mtime := n.content.Attr.Mtime
	n.content.Attr = sidecar.Merge(base, n.content.Attr, meta.Attr)
	n.content.Attr.Mtime = mtime // it is that of the new content
}

// mergeLateAttr is mergeAttr for attributes that another machine has set after the
// replaced version's sidecar was withdrawn, and which put one again.
func (v *Volume) mergeLateAttr(n *Node, a *attempt, there *remote.FoundSidecar) {
	if a.replaces == nil || !there.IsOf(a.replaces) {
		return
	}
	v.mergeAttr(n, a, there)
	n.content.Lock()
	attr := n.content.Attr
	n.content.Unlock()
	a.ver.SetAttr(attr)
}

// publish puts the sidecar of the object that has just been stored.
func (v *Volume) publish(n *Node, a *attempt) error {
	ctx, cancel := context.WithTimeout(a.ctx, requestTimeout)
	defer cancel()
	n.content.Lock()
	attr := n.content.Attr
	n.content.Unlock()
	a.ver.SetAttr(attr)
	seen := func(there *remote.FoundSidecar) { v.mergeLateAttr(n, a, there) }
	if err := v.remote.PutSidecar(ctx, a.ver, a.path, store.Condition{IfNone: true}, seen); err != nil {
		return fmt.Errorf("publish %s: %w", a.path, err)
	}
	if time.Since(a.storedAt) < remote.Late {
		return nil
	}
	return v.remote.WithdrawLate(ctx, a.ver, a.path)
}

// loseBase ends an attempt that can never succeed. If that is for its base, and the file
// has been emptied and written anew since, the later content is none the worse.
func (v *Volume) loseBase(n *Node, a *attempt, err error) {
	if n.content.Outgrows(a.gen) && errors.Is(err, file.ErrUnproven) {
		v.dropOlderContent(n, a, err)
		return
	}
	v.loseDraft(n, a, err)
}
