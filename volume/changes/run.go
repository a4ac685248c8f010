package changes

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/commit"
	"mcfs/volume/event"
	"mcfs/volume/file"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// requestTimeout bounds one try of what is done by small requests.
const requestTimeout = 60 * time.Second

// run is one try of a change, on a worker.
func (r *Runner) run(c *Change) {
	r.begin(c)
	err := r.carryOut(c)
	if r.cfg.Context.Err() != nil {
		return // the journal has it
	}
	if errors.Is(err, remote.ErrTaken) {
		if err = c.host.GiveWay(); err == nil {
			r.cfg.Mu.Lock()
			defer r.cfg.Mu.Unlock()
			r.cfg.Queue.AgainLocked(c.job, 0)
			return
		}
	}
	if c.worthAnother(err) {
		r.tryLater(c, err)
		return
	}
	r.conclude(c, err)
	r.finish(c)
}

// begin notes that a try is under way.
func (r *Runner) begin(c *Change) {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	c.Next = time.Time{}
	if c.pace == nil {
		c.pace = queue.NewPace(&r.steps)
	}
	c.Stride = c.pace.Stride(c.Path)
}

// carryOut is the host's part of a try.
func (r *Runner) carryOut(c *Change) error {
	ctx, cancel := context.WithTimeout(r.cfg.Context, requestTimeout)
	if c.Op == Rename || c.Op == Move || c.Op == Localise {
		cancel()
		ctx, cancel = context.WithCancel(r.cfg.Context) // these take as long as the size asks; the store has a deadline without progress
	}
	defer cancel()
	return c.host.CarryOut(ctx)
}

// conclude tells of a change that is not tried again.
func (r *Runner) conclude(c *Change, err error) {
	switch {
	case err == nil:
		r.observe(c)
		return
	case errors.Is(err, store.ErrNotExist):
		r.cfg.Log.Warn("what was to be renamed was removed elsewhere meanwhile", "path", c.Path, "to", c.To, "cause", err)
	default:
		r.cfg.Log.Error("a change of names could not be finished and is given up", "what", c.Op, "path", c.Path, "to", c.To, "cause", err)
	}
	r.failed(c, err, false)
	c.host.GivenUp(err)
}

// Unexplained is how long a change of names is tried that fails for a reason of which
// nobody knows whether it will pass, as an answer of the store's that is in no table.
// So long it keeps others from its names.
const Unexplained = 10 * time.Minute

// diskFails is how long a change is tried while a local disk fails, so that room can be made.
const diskFails = 24 * time.Hour

// worthAnother reports whether a try that ended so is to be followed by another. The lock
// need not be held: only one try runs at a time.
func (c *Change) worthAnother(err error) bool {
	switch {
	case err == nil, errors.Is(err, store.ErrNotExist):
		return errors.Is(err, ErrBusy)
	case errors.Is(err, ErrBusy), remote.IsTransient(err), errors.Is(err, commit.ErrStopping):
		return true
	case c.Op != Rename && errors.Is(err, file.ErrLocked):
		return true // dropped, it would take with it what only the journal has
	case commit.Permanent(err), errors.Is(err, store.ErrPrecondition), errors.Is(err, ErrUnknown):
		return false
	}
	limit := Unexplained
	if errors.Is(err, spool.ErrFull) || errors.As(err, new(syscall.Errno)) {
		limit = diskFails
	}
	return c.Failing.IsZero() || time.Since(c.Failing) < limit
}

// tryLater notes a failure, and tries the change again after a while.
func (r *Runner) tryLater(c *Change, err error) {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	if c.Tries == 0 {
		r.cfg.Log.Warn("a change of names failed; it will be tried again", "what", c.Op, "path", c.Path, "cause", err)
		r.failed(c, err, true)
	}
	c.Reason = err.Error()
	r.cfg.Queue.AgainLocked(c.job, c.FailedLocked(r.cfg.Backoff))
}

// finish forgets a change that is done, or cannot be done.
func (r *Runner) finish(c *Change) {
	if c.Op == Move {
		r.forgetMove(c)
	}
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	r.forgetLocked(c)
	if c.Op == Attr {
		r.RestateCarriersLocked(c.Ver)
	}
	r.steps.Add(1)
	r.deleteSoon(c.Seq)
	c.host.EndedLocked()
	r.cfg.Queue.FinishLocked(c.job)
	if c.aside != nil {
		r.cfg.Queue.FinishLocked(c.aside)
	}
	r.cfg.ChangedLocked()
}

// forgetMove takes a directory's move out of the journal at once: to do it again
// after a crash could take along what has come to its old place since.
func (r *Runner) forgetMove(c *Change) {
	err := r.cfg.Journal.Update(func(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) })
	if err != nil {
		r.cfg.Log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "what", c.Op, "path", c.Path, "cause", err)
	}
}

// DivertLocked has a change make another name than the one that is taken, where it replaces
// nothing, and keeps other work from that until the change has ended.
func (r *Runner) DivertLocked(c *Change, to string) {
	*c.Target(), c.Replaces = to, nil
	c.aside = r.cfg.Queue.AddLocked(nil, to)
}

// failed tells of a try that did not succeed.
func (r *Runner) failed(c *Change, cause error, again bool) {
	r.cfg.Events.Observe(event.Event{Kind: event.Failure, What: c.Op, Path: c.Path, Cause: cause, Again: again})
}

// observe tells of a change that the store has carried out.
func (r *Runner) observe(c *Change) {
	switch c.Op {
	case Remove, Localise:
		if c.Stays {
			return
		}
		r.cfg.Events.Observe(event.Event{Kind: event.Remove, Path: c.Path})
	case Rmdir:
		r.cfg.Events.Observe(event.Event{Kind: event.Remove, Path: strings.TrimSuffix(c.Path, "/"), Dir: true})
	case Move:
		r.cfg.Events.Observe(event.Renamed(strings.TrimSuffix(c.Path, "/"), strings.TrimSuffix(c.To, "/"), nil))
	case Rename:
		if _, etag := c.Ver.Place(); etag != "" { // else there was nothing yet
			r.cfg.Events.Observe(event.Renamed(c.Path, c.To, c.Ver))
		}
	}
}
