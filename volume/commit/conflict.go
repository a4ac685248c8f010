package commit

import (
	"context"
	"errors"
	"fmt"

	"mcfs/store"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// resolveConflict decides what follows when the store refused a commit because
// something else stands under the name than this machine knew.
func (f *File) resolveConflict(a *Attempt, cause error) {
	ctx, cancel := context.WithTimeout(f.r.cfg.Context, requestTimeout)
	defer cancel()
	info, err := f.r.cfg.Store.Head(ctx, a.path)
	switch vanished := errors.Is(err, store.ErrNotExist); {
	case err != nil && !vanished:
		f.retryLater(a, errors.Join(cause, err))
	case !vanished && a.replaces != nil && a.replaces.Is(info):
		// The version that this machine knows, under another ETag: no conflict.
		a.replaces.Moved(a.path, info.ETag, a.replaces.Sidecar())
		f.retryLater(a, cause)
	case !vanished && (a.stepBack(info) || f.replaceWritten(a, info)):
		f.retryLater(a, cause)
	case f.content.IsComplete(a.replaces):
		f.giveWay(a)
	case !a.up.Load().Parts():
		f.loseDraft(a, fmt.Errorf("commit %s: bytes of the version that it replaces are needed and gone: %w", a.path, file.ErrStale))
	case vanished:
		// The parts that left hold the only copy of some bytes: nothing stands in their way.
		a.replaces, a.withdrew = nil, false
		f.retryLater(a, cause)
	default:
		f.moveTheirsAside(ctx, a, info, cause)
	}
}

// replaceWritten has the attempt replace an object that turned out to be this machine's own.
func (f *File) replaceWritten(a *Attempt, info store.Info) bool {
	x := f.r.cfg.Writes.Written(a.path, info)
	if x == nil {
		f.r.cfg.Writes.Forget(a.path)
		return false
	}
	x.Moved(a.path, info.ETag, x.Sidecar())
	a.replaces, a.withdrew = x, false
	return true
}

// stepBack has the attempt replace what an earlier commit was to replace that has
// never arrived, if that is what stands in the store.
func (a *Attempt) stepBack(info store.Info) bool {
	over := a.replaces.FallbackThatIs(info)
	if over == nil {
		return false
	}
	over.Moved(a.path, info.ETag, over.Sidecar())
	a.replaces = over
	return true
}

// putBack restores the sidecar of a version that was not replaced after all.
func (f *File) putBack(a *Attempt) {
	if !a.withdrew {
		return
	}
	a.withdrew = false
	f.r.RestoreSidecar(a.replaces, a.path)
}

// giveWay handles that another machine saved the name meanwhile. Ours survives
// beside it, under a name that says so, and is committed there.
func (f *File) giveWay(a *Attempt) {
	var gen uint64
	f.host.GiveWay(a.path, func() {
		f.EndLocked(a)
		f.content.Lock()
		defer f.content.Unlock()
		gen = f.content.Gen
		f.content.Replaces = nil
		if f.content.State == file.Uploading || f.content.State == file.Publishing {
			f.content.StepLocked(file.EvFail)
		}
	})
	f.content.Lock()
	f.content.Displaced = max(f.content.Displaced, gen)
	f.content.WakeLocked() // who waits in close is told that it is kept, and so it is
	f.content.Unlock()
	f.Ask(Itself)
}

// moveTheirsAside is the other way round, where blocks of ours were dropped from a full
// spool once they had been sent, so that they exist as parts of an upload to
// this name alone: the other machine's version takes the conflict name.
func (f *File) moveTheirsAside(ctx context.Context, a *Attempt, info store.Info, cause error) {
	theirs, err := f.r.cfg.Remote.Load(ctx, remote.Listing{
		Key: a.path, ETag: info.ETag, Size: info.Size, Modified: info.Modified, SidecarUnknown: true,
	})
	if err == nil && theirs.Damage != nil {
		err = theirs.Damage
	}
	if err != nil {
		f.retryLater(a, errors.Join(cause, err))
		return
	}
	to := f.host.ConflictPath(a.path)
	r := &remote.Relocation{From: a.path, To: to, Version: theirs}
	if err := f.r.cfg.Remote.CopyAside(ctx, r); err != nil {
		f.retryLater(a, errors.Join(cause, err))
		return
	}
	f.r.cfg.Log.Error("another machine saved the file meanwhile; parts of ours are in the store alone, so the other's is kept beside it",
		"path", a.path, "kept as", to)
	a.replaces, a.withdrew = r.Source(), false
	f.r.cfg.Mu.Lock()
	f.host.TheirsAsideLocked(a.path, to)
	f.r.cfg.Mu.Unlock()
	f.retryLater(a, cause)
}
