package volume

import (
	"context"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
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
		if err := n.revive(a.ctx); err != nil {
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
		up, err := n.startUpload(a.ctx, a.path, nil)
		if err != nil {
			return fmt.Errorf("commit %s: %w", a.path, err)
		}
		a.up.Store(up)
	}
	n.lock()
	if n.state == Queued {
		n.step(evStart)
	}
	n.unlock()
	ctx, stop := v.whileMoving(a)
	defer stop()
	last := upload.Last{Condition: a.condition(), Ready: func(ctx context.Context) error {
		if o := a.from.Load(); o != nil {
			if err := n.proveBase(ctx, o); err != nil {
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
	n.lock()
	defer n.unlock()
	if err := context.Cause(a.ctx); err != nil {
		return err // called off under the same lock
	}
	if n.state != Queued && n.state != Uploading {
		return errNothing
	}
	if n.due != nil && n.due.gen != n.asked {
		n.supersede()
	}
	if key := n.aimed(); key != "" && key != a.path {
		if err := n.giveUpEager(); err != nil { // what gave the file its name has seen that it can be
			return fmt.Errorf("commit %s: its parts have left for %s: %v", a.path, key, err)
		}
	}
	d := n.due
	if d == nil {
		n.retire(n.up)
		view, err := n.freezeView()
		if err != nil {
			return fmt.Errorf("commit %s: %w", a.path, err)
		}
		d = &due{view: view, size: n.size(), gen: n.gen, up: n.up}
		n.up, n.eager = nil, false
	}
	n.due, n.taken = nil, d.gen
	a.view, a.gen, a.size, a.replaces = d.view, d.gen, d.size, n.replaces
	a.from.Store(d.view.origin())
	a.frozen = true
	if d.up != nil {
		a.up.Store(d.up)
	}
	return nil
}

// ready runs when only the request that makes the object visible is left. From
// here the attempt goes through under its name; the journal knows all that is
// needed to finish it after a crash. The sidecar of what is replaced goes first (P3).
func (v *Volume) ready(ctx context.Context, n *Node, a *attempt) error {
	n.lock()
	attr := n.attr
	n.unlock()
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
	n.lock()
	if n.state == Uploading {
		n.step(evReady) // with the stage: a rename goes by either
	}
	n.unlock()
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
		v.inherit(n, a, there)
		return nil
	})
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	a.withdrew = true
	a.replaces.SetSidecar(remote.Sidecar{})
	return nil
}

// inherit merges attributes that another machine has set of the replaced version.
func (v *Volume) inherit(n *Node, a *attempt, there *remote.FoundSidecar) {
	base := a.replaces.Attr()
	_, meta, err := there.Stated(base)
	if err != nil {
		return // it says nothing that could be inherited
	}
	a.replaces.SetAttr(meta.Attr)
	n.lock()
	defer n.unlock()
	mtime := n.attr.Mtime
	n.attr = sidecar.Merge(base, n.attr, meta.Attr)
	n.attr.Mtime = mtime // it is that of the new content
}

// inheritLate does so when another machine has set attributes of the replaced
// version after its sidecar was withdrawn, and so put one again.
func (v *Volume) inheritLate(n *Node, a *attempt, there *remote.FoundSidecar) {
	if a.replaces == nil || !there.IsOf(a.replaces) {
		return
	}
	v.inherit(n, a, there)
	n.lock()
	attr := n.attr
	n.unlock()
	a.ver.SetAttr(attr)
}

// publish puts the sidecar of the object that has just been stored.
func (v *Volume) publish(n *Node, a *attempt) error {
	ctx, cancel := context.WithTimeout(a.ctx, requestTimeout)
	defer cancel()
	n.lock()
	attr := n.attr
	n.unlock()
	a.ver.SetAttr(attr)
	seen := func(there *remote.FoundSidecar) { v.inheritLate(n, a, there) }
	if err := v.remote.PutSidecar(ctx, a.ver, a.path, store.Condition{IfNone: true}, seen); err != nil {
		return fmt.Errorf("publish %s: %w", a.path, err)
	}
	if time.Since(a.storedAt) < remote.Late {
		return nil
	}
	return v.remote.WithdrawLate(ctx, a.ver, a.path)
}
