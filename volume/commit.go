package volume

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mcfs/spool"
	"mcfs/volume/event"
	"mcfs/volume/file"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// stage is how far an attempt is.
type stage uint8

const (
	waiting stage = iota // for its turn, its key, its parts: it can be called off
	ready                // the request that makes the object visible may have left: it goes through
	stored               // the object is in the store; its sidecar is to follow
	ended                // done, or called off
)

// attempt is one commit of one node under one name. Its job keeps all other
// work on that name back until it has ended, whatever the number of tries.
type attempt struct {
	path   string
	job    *queue.Job
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Guarded by Volume.mu.
	stage   stage
	running bool
	ver     *remote.Version // what it makes; from ready on
	queue.Retry

	up   atomic.Pointer[upload.Upload] // set by the worker that runs it, read by all
	from atomic.Pointer[file.Origin]   // likewise: of the base's bytes in view

	// The rest belongs to the worker that runs it.
	frozen   bool
	view     file.View
	size     int64
	gen      uint64
	replaces *remote.Version
	withdrew bool // the sidecar of what it replaces was deleted
	storedAt time.Time
}

// moved is Progress counted by the byte, to tell a slow link from a dead one.
func (a *attempt) moved() int64 {
	up := a.up.Load()
	if up == nil {
		return 0
	}
	return up.Moved() + up.Progress() + a.from.Load().Fetched()
}

func (a *attempt) progress() int64 {
	up := a.up.Load()
	if up == nil {
		return 0
	}
	return up.Progress()
}

// asker is who wants a commit.
type asker uint8

const (
	itself  asker = iota // the volume: after a release, in a sync of everything, at its end
	closing              // a close: it includes what a killed writer left
	byHand               // a person, by name: it includes what writes that failed left, too
)

// ask wants the node's content, as it is now, committed.
func (v *Volume) ask(n *Node, by asker) {
	if n == nil {
		return
	}
	n.content.Lock()
	switch n.content.State {
	case Clean, Lost, Local:
		n.content.Unlock()
		return
	case Interrupted:
		if by == itself {
			n.content.Unlock()
			return
		}
	}
	if n.content.UntellLocked() != nil { // it can be committed under no other name than the one to which its parts have left
		n.content.Unlock()
		return
	}
	if by == byHand {
		n.content.Flaws = nil // it is to be taken as it is
	}
	if n.content.Flaws != nil && (n.content.State == Writing || n.content.State == Temporary || n.content.State == Interrupted) {
		n.content.Unlock()
		n.interrupt(file.EvSpoil)
		return
	}
	if n.content.Flaws == nil && (by != itself || !n.content.IsKilledLocked()) {
		n.content.SupersedeOlderLocked()
		n.content.AskLocked()
	}
	n.content.StepLocked(file.EvAsk)
	n.content.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.startAttempt(n)
}

// askAtShutdown asks for what a close or a release would have committed by itself.
func (v *Volume) askAtShutdown(n *Node) {
	n.content.Lock()
	due := n.content.State == Writing && n.content.Writers == 0
	n.leaveUnfinished()
	n.content.Unlock()
	if due {
		v.ask(n, itself)
	}
}

// startAttempt queues a commit unless one is under way (which then goes on to the next); v.mu is held.
func (v *Volume) startAttempt(n *Node) {
	if n.attempt != nil || n.gone || n.paused || n.recovering {
		return
	}
	a := &attempt{path: v.path(n)}
	a.ctx, a.cancel = context.WithCancelCause(v.ctx)
	n.attempt = a
	v.busy[n] = struct{}{}
	a.job = v.queue.AddLocked(func() { v.run(n, a) }, a.path)
}

// cancelCommit ends an attempt that can still be ended, and reports whether it could: not
// if its upload alone has some of the file, unless that is not needed any more
// (errGone, errUnwanted). v.mu is held.
func (v *Volume) cancelCommit(n *Node, why error) bool {
	a := n.attempt
	if a == nil {
		return true
	}
	if a.stage != waiting || !n.cancelAttempt(a, why) {
		return false
	}
	if !a.running {
		v.endAttempt(n, a)
	}
	return true
}

// pauseRemoved is pause for a file that is about to be removed or replaced, or to stay
// if the journal cannot be written; what its upload alone has goes in both cases.
func (v *Volume) pauseRemoved(n *Node) {
	n.paused = true
	v.cancelCommit(n, errUnwanted)
}

// cancelAttempt is the part of cancelCommit under the file's lock, under which the attempt
// takes over content and upload.
func (n *Node) cancelAttempt(a *attempt, why error) bool {
	n.content.Lock()
	defer n.content.Unlock()
	unwanted := errors.Is(why, errGone) || errors.Is(why, errUnwanted)
	if !n.content.YieldLocked(a.up.Load(), a.view, unwanted) {
		return false
	}
	a.cancel(why)
	return true
}

// pause calls the commit off and keeps another from beginning while names that
// it depends on change; v.mu is held, and names until resume. False: the commit
// cannot be called off any more, and goes through under the old name.
func (v *Volume) pause(n *Node) bool {
	n.paused = true
	return v.cancelCommit(n, errMoved)
}

// resume lets commits begin again, and begins the one that is due; v.mu is held.
func (v *Volume) resume(n *Node) {
	n.paused = false
	n.content.Lock()
	n.content.Renaming = false
	if n.content.State == Uploading && n.attempt == nil {
		n.content.StepLocked(file.EvFail) // it was called off
	}
	due := n.content.State == Queued
	n.content.Unlock()
	if due {
		v.startAttempt(n)
	}
}

// endAttempt lets go of all that an attempt holds; v.mu is held.
func (v *Volume) endAttempt(n *Node, a *attempt) {
	if a.stage == ended {
		return
	}
	done := a.stage == stored
	a.stage = ended
	a.cancel(context.Canceled)
	v.queue.FinishLocked(a.job)
	if n.attempt == a {
		n.attempt = nil
	}
	n.content.Lock()
	n.content.EndAttemptLocked()
	if done {
		n.content.EndUploadLocked(nil, a.view)
	} else {
		n.content.ReturnSnapshotLocked(a.view, a.size, a.gen)
		v.endUnfinished(n, a)
	}
	n.content.Unlock()
	if n.gone {
		v.background(n.forgetCache) // which the attempt may have opened after the file was removed
	}
	v.signal()
}

// endUnfinished gives up the upload of an attempt that has made no object. Its caller
// has seen that the draft does not need that upload; if it does, the draft is lost. v.mu is held and n locked.
func (v *Volume) endUnfinished(n *Node, a *attempt) {
	up := a.up.Load()
	err := n.content.GiveUpLocked(up, a.view)
	if err == nil {
		return
	}
	n.content.AbandonLocked(up, a.view)
	if n.gone || errors.Is(context.Cause(a.ctx), errUnwanted) || n.content.State == Lost || v.ctx.Err() != nil {
		return
	}
	n.markLost(err)
	id, filed := n.content.EntryIDLocked() // of what is lost: the file may be emptied and written anew before that is in quarantine
	v.background(func() { v.quarantineDraft(n, id, filed, a.path, err) })
}

// run is one try of an attempt, on a worker.
func (v *Volume) run(n *Node, a *attempt) {
	v.mu.Lock()
	if a.stage == ended || a.running {
		v.mu.Unlock()
		return
	}
	a.running, a.Next = true, time.Time{}
	v.mu.Unlock()
	err := v.try(n, a)
	v.mu.Lock()
	a.running = false
	v.mu.Unlock()
	v.conclude(n, a, err)
}

// conclude decides what comes after a try.
func (v *Volume) conclude(n *Node, a *attempt, err error) {
	called := context.Cause(a.ctx)
	switch {
	case err == nil:
		v.committed(n, a)
	case errors.Is(called, errStopping):
		// The spool has it; the next mount goes on.
		v.mu.Lock()
		v.endAttempt(n, a)
		v.mu.Unlock()
	case errors.Is(err, errNothing):
		v.mu.Lock()
		v.endAttempt(n, a)
		v.mu.Unlock()
	case a.stage == waiting && called != nil:
		v.mu.Lock()
		v.endAttempt(n, a)
		if errors.Is(called, errMoved) || errors.Is(called, errUnwanted) {
			v.startAttempt(n)
		}
		v.mu.Unlock()
	case errors.Is(err, upload.ErrConflict):
		v.resolveConflict(n, a, err)
	case errors.Is(err, upload.ErrLost):
		v.startOver(n, a, err)
	case permanent(err) || errors.Is(err, ErrPermission) || errors.Is(err, ErrNameTooLong) || errors.Is(err, ErrStale):
		v.putBack(a)
		v.loseBase(n, a, err)
	default:
		v.retryLater(n, a, err)
	}
}

// startOver sends everything again under a fresh key: the store forgot the upload.
// What that alone had is lost.
func (v *Volume) startOver(n *Node, a *attempt, err error) {
	up := a.up.Swap(nil)
	v.mu.Lock()
	a.ver, a.stage = nil, waiting
	v.mu.Unlock()
	n.content.Lock()
	alone := n.content.GiveUpLocked(up, nil)
	if alone != nil {
		n.content.AbandonLocked(up, nil)
	}
	n.content.Unlock()
	switch {
	case alone != nil:
		v.loseSent(n, a, fmt.Errorf("commit %s: %w: %w", a.path, err, alone))
	case v.overtaken(n, a):
	default:
		v.log.Warn("the store lost an upload; it starts over under a fresh key", "path", a.path, "cause", err)
		v.retryLater(n, a, err)
	}
}

// loseSent ends an attempt whose content is nowhere any more: the store has lost the
// upload that alone had some of it. If the file has been emptied and written anew
// since, that content is whole, and its own close commits it.
func (v *Volume) loseSent(n *Node, a *attempt, err error) {
	if !n.content.IsAnew(a.gen) {
		v.loseDraft(n, a, err)
		return
	}
	v.dropOlderContent(n, a, err)
}

// dropOlderContent ends an attempt that can never succeed of a file that has other content by now.
func (v *Volume) dropOlderContent(n *Node, a *attempt, err error) {
	v.log.Error("what an earlier close was to commit is lost; the file has been written anew since", "path", a.path, "cause", err)
	v.observeFailure("commit", a.path, err, false)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endAttempt(n, a)
	n.content.Lock()
	n.content.Failure = err
	n.content.WakeLocked()
	again := n.content.Asked > a.gen
	if !again {
		n.content.Asked = n.content.Committed
		n.content.StepLocked(file.EvAbandon)
		n.content.StepLocked(file.EvWrite)
	} else if n.content.State != Queued {
		n.content.StepLocked(file.EvFail)
	}
	n.content.Unlock()
	if again {
		v.startAttempt(n)
	}
}

// overtaken ends an attempt that starts over although the file was removed, or
// renamed, since its request had left: it is not to make anything under the old name.
func (v *Volume) overtaken(n *Node, a *attempt) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !n.gone && v.path(n) == a.path {
		return false
	}
	v.endAttempt(n, a)
	n.content.Lock()
	if n.content.State == Uploading || n.content.State == Publishing {
		n.content.StepLocked(file.EvFail)
	}
	due := n.content.State == Queued
	n.content.Unlock()
	if due {
		v.startAttempt(n)
	}
	return true
}

// retryLater notes the failure, makes sure that the draft is safe, and tries again after a while.
func (v *Volume) retryLater(n *Node, a *attempt, err error) {
	n.content.Lock()
	if a.stage == waiting && (n.content.State == Uploading || n.content.State == Publishing) {
		n.content.StepLocked(file.EvFail)
	}
	n.content.Failure = err
	n.content.WakeLocked()
	n.content.Unlock()
	if a.Tries%remind == 0 {
		v.log.Warn("commit failed; it will be tried again", "path", a.path, "tries", a.Tries+1, "cause", err)
		v.observeFailure("commit", a.path, err, true)
	}
	if a.Tries == 0 {
		if err := n.content.Keep(file.Behind); err != nil {
			v.log.Error("a draft that could not be committed is not safe in the spool either", "path", a.path, "cause", err)
		}
	}
	v.logLocked(a.path, err)
	v.mu.Lock()
	defer v.mu.Unlock()
	if a.stage == ended {
		return
	}
	if errors.Is(err, file.ErrLocked) {
		v.signal() // a sync that waits for it can go on
	}
	v.queue.AgainLocked(a.job, a.FailedLocked(backoff))
}

// remind is after how many more tries the log says again that a commit fails: about
// an hour's, so that none fails for days with one line at its start.
const remind = 60

// backoff is how long a commit, a change of names or what an earlier mount has left waits
// between tries.
var backoff = queue.Backoff{First: 500 * time.Millisecond, Longest: time.Minute}

// committed makes what the attempt stored the node's version.
func (v *Volume) committed(n *Node, a *attempt) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endAttempt(n, a)
	v.finished += a.ver.Cipher
	v.o.Observer.Observe(event.Committed(a.path, a.ver))
	n.changed = time.Now()
	if waits := v.attrs[n]; waits != nil && waits.job == nil {
		v.forgetAttr(waits) // it was of the version before; what is new since is restated
	}
	n.content.Lock()
	drawn := v.localises(n, a.ver)
	n.content.LandLocked(a.ver, a.gen, !drawn)
	if drawn {
		v.detachCommitted(n)
	}
	again, killed := n.content.GoOnLocked(a.gen)
	rejournal, attr := n.content.Kept > a.gen, n.content.Attr
	if n.content.Gen > a.gen {
		attr.Mtime = a.ver.Attr().Mtime // n's is of what has been written since
	}
	restate := !rejournal && remote.Differ(attr, a.ver.Attr())
	id, filed := n.content.EntryIDLocked()
	idle := n.content.Opens == 0 && n.content.State == Clean
	n.content.Unlock()
	v.trackLocked(n)
	v.restateCarriers(a.ver)
	if restate { // they were set while the file was being committed, and only its entry has them, which goes
		if err := v.restate(n, a.ver, attr); err != nil {
			v.log.Error("attributes not written", "path", v.path(n), "cause", err)
		}
	}
	v.endOrKeepEntry(n, id, filed, rejournal)
	if killed {
		v.keepInterrupted(n)
	}
	if idle {
		v.background(func() { v.toIdle(n) })
	}
	if again {
		n.content.Lock()
		n.content.StepLocked(file.EvAsk)
		n.content.Unlock()
		v.startAttempt(n)
	}
}

// loseDraft ends an attempt that can never succeed. The bytes stay, in quarantine.
func (v *Volume) loseDraft(n *Node, a *attempt, err error) {
	if n.content.PeekState() == Lost { // when its sealed file was opened
		v.mu.Lock()
		v.endAttempt(n, a)
		v.mu.Unlock()
		v.rejournal(n)
		return
	}
	v.log.Error("file cannot be committed; its draft is in quarantine", "path", a.path, "cause", err)
	v.observeFailure("commit", a.path, err, false)
	n.content.Lock()
	id, filed := n.content.EntryIDLocked()
	n.content.Unlock()
	v.quarantineFile(id, filed, err)
	n.content.Lock()
	n.markLost(err)
	n.content.Unlock()
	v.mu.Lock()
	v.endAttempt(n, a)
	v.mu.Unlock()
	v.rejournal(n) // the next mount shows it, too
}

// markLost makes the draft a lost one; n is locked.
func (n *Node) markLost(err error) {
	n.content.StepLocked(file.EvCondemn)
	n.content.Failure = err
	n.content.WakeLocked()
}

// quarantineFile moves a draft's sealed file to quarantine, and its entry goes.
func (v *Volume) quarantineFile(id spool.ID, filed bool, err error) {
	if !filed {
		return
	}
	if err := v.spool.Quarantine(id, err.Error()); err != nil {
		v.log.Error("quarantine", "id", id, "cause", err)
	}
	v.dropEntry(id)
}

// quarantineDraft is what loseDraft does besides for a draft that is lost already.
func (v *Volume) quarantineDraft(n *Node, id spool.ID, filed bool, path string, err error) {
	v.log.Error("file cannot be committed; its draft is in quarantine", "path", path, "cause", err)
	v.observeFailure("commit", path, err, false)
	v.quarantineFile(id, filed, err)
	v.rejournal(n)
}
