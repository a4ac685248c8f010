package commit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"mcfs/volume/file"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// Stage is how far an attempt is.
type Stage uint8

const (
	Waiting Stage = iota // for its turn, its key, its parts: it can be called off
	Ready                // the request that makes the object visible may have left: it goes through
	Stored               // the object is in the store; its sidecar is to follow
	Ended                // done, or called off
)

// Attempt is one commit of one file under one path. Its job keeps all other work on that
// path back until it has ended, whatever the number of tries.
type Attempt struct {
	path   string
	job    *queue.Job
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Guarded by Config.Mu.
	stage   Stage
	running bool            // a worker tries it, or decides what comes after a try
	ver     *remote.Version // what it makes; from Ready on
	retry   queue.Retry

	up   atomic.Pointer[upload.Upload] // set by the worker that runs it, read by all
	from atomic.Pointer[file.Origin]   // likewise: of the base's bytes in view

	// The rest belongs to the worker that runs it; frozen and gen are set once.
	frozen   bool
	view     file.View
	size     int64
	gen      uint64
	replaces *remote.Version
	withdrew bool // the sidecar of what it replaces was deleted
	storedAt time.Time
}

// Path is the path under which the attempt commits.
func (a *Attempt) Path() string { return a.path }

// Job is the attempt's place in the queue.
func (a *Attempt) Job() *queue.Job { return a.job }

// StageLocked is how far the attempt is.
func (a *Attempt) StageLocked() Stage { return a.stage }

// RetryLocked tells of the tries so far.
func (a *Attempt) RetryLocked() queue.Retry { return a.retry }

// VersionLocked is what the attempt makes; nil before it is Ready.
func (a *Attempt) VersionLocked() *remote.Version { return a.ver }

// Gen is the generation of the content that it commits; 0 before it is frozen, and to be read from Ready on.
func (a *Attempt) Gen() uint64 { return a.gen }

// IsFrozen reports whether it has taken the content that it commits; the content is locked.
func (a *Attempt) IsFrozen() bool { return a.frozen }

// Upload is the upload of the attempt; nil: none has begun.
func (a *Attempt) Upload() *upload.Upload { return a.up.Load() }

// Progress is the number of bytes of ciphertext that the store has acknowledged.
func (a *Attempt) Progress() int64 {
	up := a.up.Load()
	if up == nil {
		return 0
	}
	return up.Progress()
}

// Moved is Progress counted by the byte, to tell a slow link from a dead one.
func (a *Attempt) Moved() int64 {
	up := a.up.Load()
	if up == nil {
		return 0
	}
	return up.Moved() + up.Progress() + a.from.Load().Fetched()
}

// StartLocked queues a commit unless one is under way (which then goes on to the next).
func (f *File) StartLocked() {
	if f.attempt != nil || f.paused || f.recovering || f.host.GoneLocked() {
		return
	}
	a := &Attempt{path: f.host.PathLocked()}
	a.ctx, a.cancel = context.WithCancelCause(f.r.cfg.Context)
	f.attempt = a
	f.host.BegunLocked()
	a.job = f.r.cfg.Queue.AddLocked(func() { f.run(a) }, a.path)
}

// CancelLocked ends an attempt that can still be ended, and reports whether it could: not
// if its upload alone has some of the file, unless that is not needed any more
// (ErrGone, ErrUnwanted).
func (f *File) CancelLocked(why error) bool {
	a := f.attempt
	if a == nil {
		return true
	}
	if a.stage != Waiting || !f.callOff(a, why) {
		return false
	}
	if !a.running {
		f.EndLocked(a)
	}
	return true
}

// callOff is the part of CancelLocked under the content's lock, under which the attempt
// takes over content and upload.
func (f *File) callOff(a *Attempt, why error) bool {
	f.content.Lock()
	defer f.content.Unlock()
	unwanted := errors.Is(why, ErrGone) || errors.Is(why, ErrUnwanted)
	if !f.content.YieldLocked(a.up.Load(), a.view, unwanted) {
		return false
	}
	a.cancel(why)
	return true
}

// EndLocked lets go of all that an attempt holds.
func (f *File) EndLocked(a *Attempt) {
	if a.stage == Ended {
		return
	}
	done := a.stage == Stored
	a.stage = Ended
	a.cancel(context.Canceled)
	f.r.cfg.Queue.FinishLocked(a.job)
	if f.attempt == a {
		f.attempt = nil
	}
	gone := f.host.GoneLocked()
	f.content.Lock()
	f.content.EndAttemptLocked()
	if done {
		f.content.EndUploadLocked(nil, a.view)
	} else {
		f.content.ReturnSnapshotLocked(a.view, a.size, a.gen)
		f.endUnfinished(a, gone)
	}
	f.content.Unlock()
	if gone {
		f.r.cfg.Background(f.host.ForgetCache) // which the attempt may have opened after the file was removed
	}
	f.r.cfg.ChangedLocked()
}

// endUnfinished gives up the upload of an attempt that has made no object. Its caller
// has seen that the draft does not need that upload; if it does, the draft is lost. Mu is
// held and the content locked.
func (f *File) endUnfinished(a *Attempt, gone bool) {
	up := a.up.Load()
	err := f.content.GiveUpLocked(up, a.view)
	if err == nil {
		return
	}
	f.content.AbandonLocked(up, a.view)
	if gone || errors.Is(context.Cause(a.ctx), ErrUnwanted) || f.content.State == file.Lost || f.r.cfg.Context.Err() != nil {
		return
	}
	f.markLost(err)
	id, filed := f.content.EntryIDLocked() // of what is lost: the file may be emptied and written anew before that is in quarantine
	f.r.cfg.Background(func() { f.QuarantineLost(id, filed, a.path, err) })
}
