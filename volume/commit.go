package volume

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mcfs/spool"
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

	up   atomic.Pointer[upload.Upload] // set by whoever runs it, looked at by all
	from atomic.Pointer[origin]        // likewise: of the base's bytes in view

	// The rest belongs to whoever runs it.
	frozen   bool
	view     frozenView
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
	return up.Moved() + up.Progress() + a.from.Load().fetched()
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
	n.lock()
	switch n.state {
	case Clean, Lost, Local:
		n.unlock()
		return
	case Interrupted:
		if by == itself {
			n.unlock()
			return
		}
	}
	if n.untell() != nil { // it can be committed under no other name than the one to which its parts have left
		n.unlock()
		return
	}
	if by == byHand {
		n.flaws = nil // it is to be taken as it is
	}
	if n.flaws != nil && (n.state == Writing || n.state == Temporary || n.state == Interrupted) {
		n.unlock()
		n.interrupt(evSpoil)
		return
	}
	if n.flaws == nil && (by != itself || n.slain != n.gen) {
		if n.due != nil && n.due.gen < n.gen {
			n.supersede()
		}
		n.asked, n.slain = n.gen, 0
	}
	n.step(evAsk)
	n.unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.startAttempt(n)
}

// askAtShutdown asks for what a close or a release would have committed by itself.
func (v *Volume) askAtShutdown(n *Node) {
	n.lock()
	due := n.state == Writing && n.writers == 0
	n.leaveUnfinished()
	n.unlock()
	if due {
		v.ask(n, itself)
	}
}

// startAttempt queues a commit unless one is under way (which then goes on to the next); v.mu is held.
func (v *Volume) startAttempt(n *Node) {
	if n.attempt != nil || n.gone || n.paused || n.settling {
		return
	}
	a := &attempt{path: v.path(n)}
	a.ctx, a.cancel = context.WithCancelCause(v.ctx)
	n.attempt = a
	v.busy[n] = struct{}{}
	a.job = v.queue.AddLocked(func() { v.run(n, a) }, a.path)
}

// callOff ends an attempt that can still be ended, and says whether it could: not
// if its upload alone has some of the file, unless nobody wants that any more
// (errGone, errDoomed). v.mu is held.
func (v *Volume) callOff(n *Node, why error) bool {
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

// pauseDoomed is pause for a file that is about to be removed or replaced, or to stay
// if the journal cannot be written; what its upload alone has goes in both cases.
func (v *Volume) pauseDoomed(n *Node) {
	n.paused = true
	v.callOff(n, errDoomed)
}

// cancelAttempt is the part of callOff under the file's lock, under which the attempt
// takes over content and upload.
func (n *Node) cancelAttempt(a *attempt, why error) bool {
	n.lock()
	defer n.unlock()
	up := a.up.Load()
	switch {
	case up == nil, n.file == nil:
	case errors.Is(why, errGone), errors.Is(why, errDoomed):
		n.retire(up)
	case n.file.GiveUp(uploadID(up.Object().IV), frozenOf(a.view)) != nil:
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
	return v.callOff(n, errMoved)
}

// resume lets commits begin again, and begins the one that is due; v.mu is held.
func (v *Volume) resume(n *Node) {
	n.paused = false
	n.lock()
	n.entitled = false
	if n.state == Uploading && n.attempt == nil {
		n.step(evFail) // it was called off
	}
	due := n.state == Queued
	n.unlock()
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
	n.lock()
	n.taken = 0
	if done {
		n.endUpload(nil, a.view)
	} else {
		n.returnDue(a)
		v.endUnfinished(n, a)
	}
	n.unlock()
	if n.gone {
		v.background(n.forgetCache) // which the attempt may have opened after the file was removed
	}
	v.signal()
}

// endUnfinished gives up the upload of an attempt that has made no object. Whoever
// ends the attempt has seen that nothing wanted is in that alone; should something be,
// the draft is lost and not queued for ever. v.mu is held and n locked.
func (v *Volume) endUnfinished(n *Node, a *attempt) {
	up := a.up.Load()
	err := n.giveUp(up, a.view)
	if err == nil {
		return
	}
	n.forsake(up, a.view)
	if n.gone || errors.Is(context.Cause(a.ctx), errDoomed) || n.state == Lost || v.ctx.Err() != nil {
		return
	}
	n.condemned(err)
	id, filed := n.entryID() // of what is lost: the file may be emptied and written anew before that is in quarantine
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
		if errors.Is(called, errMoved) || errors.Is(called, errDoomed) {
			v.startAttempt(n)
		}
		v.mu.Unlock()
	case errors.Is(err, upload.ErrConflict):
		v.giveWay(n, a, err)
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
	n.lock()
	alone := n.giveUp(up, nil)
	if alone != nil {
		n.forsake(up, nil)
	}
	n.unlock()
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
	n.lock()
	replaced := n.file != nil && n.file.Whole() == nil && n.gen > a.gen
	n.unlock()
	if !replaced {
		v.condemn(n, a, err)
		return
	}
	v.outlive(n, a, err)
}

// outlive ends an attempt that can never succeed of a file that has other content by now.
func (v *Volume) outlive(n *Node, a *attempt, err error) {
	v.log.Error("what an earlier close was to commit is lost; the file has been written anew since", "path", a.path, "cause", err)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.endAttempt(n, a)
	n.lock()
	n.failure = err
	n.turn()
	again := n.asked > a.gen
	if !again {
		n.asked = n.committed
		n.step(evAbandon)
		n.step(evWrite)
	} else if n.state != Queued {
		n.step(evFail)
	}
	n.unlock()
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
	n.lock()
	if n.state == Uploading || n.state == Publishing {
		n.step(evFail)
	}
	due := n.state == Queued
	n.unlock()
	if due {
		v.startAttempt(n)
	}
	return true
}

// retryLater notes the failure, makes sure that the draft is safe, and tries again after a while.
func (v *Volume) retryLater(n *Node, a *attempt, err error) {
	n.lock()
	if a.stage == waiting && (n.state == Uploading || n.state == Publishing) {
		n.step(evFail)
	}
	n.failure = err
	n.turn()
	n.unlock()
	if a.Tries%remind == 0 {
		v.log.Warn("commit failed; it will be tried again", "path", a.path, "tries", a.Tries+1, "cause", err)
	}
	if a.Tries == 0 {
		if err := v.keep(n, behind); err != nil {
			v.log.Error("a draft that could not be committed is not safe in the spool either", "path", a.path, "cause", err)
		}
	}
	v.tellLocked(a.path, err)
	v.mu.Lock()
	defer v.mu.Unlock()
	if a.stage == ended {
		return
	}
	if errors.Is(err, errLocked) {
		v.signal() // who waits for it need not
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
	n.changed = time.Now()
	if waits := v.attrs[n]; waits != nil && waits.job == nil {
		v.forgetAttr(waits) // it was of the version before; what is new since is restated
	}
	n.lock()
	if n.reader != nil {
		v.background(n.reader.Close)
		n.reader = nil
	}
	drawn := v.drawsAway(n, a.ver)
	if n.ver = a.ver; !drawn {
		n.replaces = a.ver
	}
	if n.file != nil {
		n.file.Landed(uploadID(a.ver.IV))
	}
	n.committed, n.failure = a.gen, nil
	n.uploads, n.departed = nil, 0
	n.step(evDone)
	n.turn()
	if drawn {
		v.goLoose(n)
	}
	again := n.asked > a.gen
	slain := false
	if n.state != Clean || n.gen > a.gen {
		n.step(evWrite)
		if slain = n.slain == n.gen && !again && n.state == Writing; slain {
			n.step(evKill)
		}
	} else if n.file != nil {
		n.file.SetClean(0, -1)
	}
	if max(n.kept, n.asked) <= a.gen { // nobody was promised, or waits for, what is newer
		n.unholdBytes()
	}
	if n.writers == 0 {
		n.forgetFlaws()
	}
	if n.state == Clean {
		n.control = noControl
	}
	if !slain {
		n.slain = 0
	}
	rejournal, attr := n.kept > a.gen, n.attr
	if n.gen > a.gen {
		attr.Mtime = a.ver.Attr().Mtime // n's is of what has been written since
	}
	restate := !rejournal && remote.Differ(attr, a.ver.Attr())
	id, filed := n.entryID()
	idle := n.opens == 0 && n.state == Clean
	n.unlock()
	v.trackLocked(n)
	v.restateCarriers(a.ver)
	if restate { // they were set while the file was being committed, and only its entry has them, which goes
		if err := v.restate(n, a.ver, attr); err != nil {
			v.log.Error("attributes not written", "path", v.path(n), "cause", err)
		}
	}
	v.settleEntry(n, id, filed, rejournal)
	if slain {
		v.keepInterrupted(n)
	}
	if idle {
		v.background(func() { v.toIdle(n) })
	}
	if again {
		n.lock()
		n.step(evAsk)
		n.unlock()
		v.startAttempt(n)
	}
}

// condemn ends an attempt that can never succeed. The bytes stay, in quarantine.
func (v *Volume) condemn(n *Node, a *attempt, err error) {
	if n.peekState() == Lost { // when its sealed file was opened
		v.mu.Lock()
		v.endAttempt(n, a)
		v.mu.Unlock()
		v.rejournal(n)
		return
	}
	v.log.Error("file cannot be committed; its draft is in quarantine", "path", a.path, "cause", err)
	n.lock()
	id, filed := n.entryID()
	n.unlock()
	v.setApart(id, filed, err)
	n.lock()
	n.condemned(err)
	n.unlock()
	v.mu.Lock()
	v.endAttempt(n, a)
	v.mu.Unlock()
	v.rejournal(n) // the next mount shows it, too
}

// condemned makes the draft a lost one; n is locked.
func (n *Node) condemned(err error) {
	n.step(evCondemn)
	n.failure = err
	n.turn()
}

// setApart moves a draft's sealed file to quarantine, and its entry goes.
func (v *Volume) setApart(id spool.ID, filed bool, err error) {
	if !filed {
		return
	}
	if err := v.spool.Quarantine(id, err.Error()); err != nil {
		v.log.Error("quarantine", "id", id, "cause", err)
	}
	v.dropEntry(id)
}

// quarantineDraft is what condemn does besides for a draft that is lost already.
func (v *Volume) quarantineDraft(n *Node, id spool.ID, filed bool, path string, err error) {
	v.log.Error("file cannot be committed; its draft is in quarantine", "path", path, "cause", err)
	v.setApart(id, filed, err)
	v.rejournal(n)
}
