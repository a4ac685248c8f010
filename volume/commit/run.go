package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/volume/event"
	"mcfs/volume/file"
	"mcfs/volume/upload"
)

// run is one try of an attempt, on a worker.
func (f *File) run(a *Attempt) {
	f.r.cfg.Mu.Lock()
	if a.stage == Ended || a.running {
		f.r.cfg.Mu.Unlock()
		return
	}
	a.running, a.retry.Next = true, time.Time{}
	f.r.cfg.Mu.Unlock()
	f.conclude(a, f.try(a))
}

// conclude decides what comes after a try: the attempt has ended, or waits for the next one.
// It is running until then, so that nobody else ends it meanwhile.
func (f *File) conclude(a *Attempt, err error) {
	called := context.Cause(a.ctx)
	switch {
	case err == nil:
		f.committed(a)
	case errors.Is(called, ErrStopping):
		// The spool has it; the next mount goes on.
		f.r.cfg.Mu.Lock()
		f.EndLocked(a)
		f.r.cfg.Mu.Unlock()
	case errors.Is(err, errNothing):
		f.r.cfg.Mu.Lock()
		f.EndLocked(a)
		f.r.cfg.Mu.Unlock()
	case a.stage == Waiting && called != nil:
		f.r.cfg.Mu.Lock()
		f.endCalledOffLocked(a, called)
		f.r.cfg.Mu.Unlock()
	case errors.Is(err, upload.ErrConflict):
		f.resolveConflict(a, err)
	case errors.Is(err, upload.ErrLost):
		f.startOver(a, err)
	case Permanent(err) || refused(err):
		f.putBack(a)
		f.loseBase(a, err)
	default:
		f.retryLater(a, err)
	}
}

// endCalledOffLocked ends an attempt that was called off while it ran, and begins the next one
// where the file is still to be committed.
func (f *File) endCalledOffLocked(a *Attempt, why error) {
	f.EndLocked(a)
	if errors.Is(why, ErrMoved) || errors.Is(why, ErrUnwanted) {
		f.StartLocked()
	}
}

// committed makes what the attempt stored the file's version.
func (f *File) committed(a *Attempt) {
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	f.EndLocked(a)
	f.r.cfg.Events.Observe(event.Committed(a.path, a.ver))
	again, interrupted := f.host.LandedLocked(Landed{Path: a.path, Version: a.ver, Gen: a.gen})
	if interrupted {
		f.KeepInterrupted()
	}
	if again {
		f.content.Lock()
		f.content.StepLocked(file.EvAsk)
		f.content.Unlock()
		f.StartLocked()
	}
}

// startOver sends everything again under a fresh key: the store forgot the upload.
// What that alone had is lost.
func (f *File) startOver(a *Attempt, err error) {
	up := a.up.Swap(nil)
	f.r.cfg.Mu.Lock()
	a.ver, a.stage = nil, Waiting
	f.r.cfg.Mu.Unlock()
	f.content.Lock()
	alone := f.content.GiveUpLocked(up, nil)
	if alone != nil {
		f.content.AbandonLocked(up, nil)
	}
	f.content.Unlock()
	switch {
	case alone != nil:
		f.loseSent(a, fmt.Errorf("commit %s: %w: %w", a.path, err, alone))
	case f.overtaken(a):
	default:
		f.r.cfg.Log.Warn("the store lost an upload; it starts over under a fresh key", "path", a.path, "cause", err)
		f.retryLater(a, err)
	}
}

// overtaken ends an attempt that starts over although the file was removed, or
// renamed, since its request had left: it is not to make anything under the old name.
func (f *File) overtaken(a *Attempt) bool {
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	if !f.host.GoneLocked() && f.host.PathLocked() == a.path {
		return false
	}
	f.EndLocked(a)
	f.content.Lock()
	if f.content.State == file.Uploading || f.content.State == file.Publishing {
		f.content.StepLocked(file.EvFail)
	}
	due := f.content.State == file.Queued
	f.content.Unlock()
	if due {
		f.StartLocked()
	}
	return true
}

// retryLater notes the failure, makes sure that the draft is safe, and tries again after a while.
func (f *File) retryLater(a *Attempt, err error) {
	f.content.Lock()
	if a.stage == Waiting && (f.content.State == file.Uploading || f.content.State == file.Publishing) {
		f.content.StepLocked(file.EvFail)
	}
	f.content.Failure = err
	f.content.WakeLocked()
	f.content.Unlock()
	if a.retry.Tries%remind == 0 {
		f.r.cfg.Log.Warn("commit failed; it will be tried again", "path", a.path, "tries", a.retry.Tries+1, "cause", err)
		f.r.failed(a.path, err, true)
	}
	if a.retry.Tries == 0 {
		if err := f.content.Keep(file.Behind); err != nil {
			f.r.cfg.Log.Error("a draft that could not be committed is not safe in the spool either", "path", a.path, "cause", err)
		}
	}
	f.r.cfg.NoKeeper(a.path, err)
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	if why := context.Cause(a.ctx); why != nil && a.stage == Waiting { // called off since the try has failed
		f.endCalledOffLocked(a, why)
		return
	}
	a.running = false
	if errors.Is(err, file.ErrLocked) {
		f.r.cfg.ChangedLocked() // a sync that waits for it can go on
	}
	f.r.cfg.Queue.AgainLocked(a.job, a.retry.FailedLocked(f.r.cfg.Backoff))
}

// remind is after how many more tries the log says again that a commit fails: about
// an hour's, so that none fails for days with one line at its start.
const remind = 60
