package commit

import (
	"context"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/remote"
)

// withdraw deletes the sidecar of the version that is about to be replaced. What
// another machine has set of its attributes meanwhile goes over to the new version.
func (f *File) withdraw(ctx context.Context, a *Attempt) error {
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
	err := f.r.cfg.Remote.DeleteSidecar(ctx, a.replaces, a.path, side, func(there *remote.FoundSidecar) error {
		f.mergeAttr(a, there)
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
func (f *File) mergeAttr(a *Attempt, there *remote.FoundSidecar) {
	base := a.replaces.Attr()
	_, meta, err := there.Stated(base)
	if err != nil {
		return // it states nothing that could be merged
	}
	a.replaces.SetAttr(meta.Attr)
	f.content.Lock()
	defer f.content.Unlock()
	mtime := f.content.Attr.Mtime
	f.content.Attr = sidecar.Merge(base, f.content.Attr, meta.Attr)
	f.content.Attr.Mtime = mtime // it is that of the new content
}

// mergeLateAttr is mergeAttr for attributes that another machine has set after the
// replaced version's sidecar was withdrawn, and which put one again.
func (f *File) mergeLateAttr(a *Attempt, there *remote.FoundSidecar) {
	if a.replaces == nil || !there.IsOf(a.replaces) {
		return
	}
	f.mergeAttr(a, there)
	f.content.Lock()
	attr := f.content.Attr
	f.content.Unlock()
	a.ver.SetAttr(attr)
}

// publish puts the sidecar of the object that has just been stored.
func (f *File) publish(a *Attempt) error {
	ctx, cancel := context.WithTimeout(a.ctx, requestTimeout)
	defer cancel()
	f.content.Lock()
	attr := f.content.Attr
	f.content.Unlock()
	a.ver.SetAttr(attr)
	seen := func(there *remote.FoundSidecar) { f.mergeLateAttr(a, there) }
	if err := f.r.cfg.Remote.PutSidecar(ctx, a.ver, a.path, store.Condition{IfNone: true}, seen); err != nil {
		return fmt.Errorf("publish %s: %w", a.path, err)
	}
	if time.Since(a.storedAt) < remote.Late {
		return nil
	}
	return f.r.cfg.Remote.WithdrawLate(ctx, a.ver, a.path)
}
