package commit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/store"
	"mcfs/volume/file"
)

// errStuck means that nothing has moved for CloseTimeout.
var errStuck = errors.New("nothing moves")

// outcome is what has become of the content for which somebody waits.
type outcome struct {
	done      bool // it is in the store
	displaced bool // another machine has the name
	lost      bool
	renamed   bool // to a name that is not committed
	failure   error
}

// isKnown reports whether there is nothing to wait for. Where the store refuses, somebody has
// to do something first.
func (o outcome) isKnown() bool {
	return o.done || o.displaced || o.lost || o.renamed || errors.Is(o.failure, store.ErrDenied)
}

// Await waits until the content of generation gen is in the store, for as long as bytes move, or
// until it is not to be committed and is safe in the spool. Its error is file.ErrStale where
// another machine has the name, file.ErrInterrupted when ctx ends, file.ErrShutdown, or file.ErrIO.
func (f *File) Await(ctx context.Context, gen uint64) error {
	var o outcome
	err := f.follow(ctx, func() (known bool, wakes <-chan struct{}) {
		c := f.content
		c.Lock()
		defer c.Unlock()
		o = outcome{
			done: c.Committed >= gen || c.State == file.Clean, displaced: c.Displaced >= gen, lost: c.State == file.Lost,
			renamed: c.State == file.Local || c.State == file.Temporary, failure: c.Failure,
		}
		return o.isKnown(), c.WakesLocked()
	})
	switch {
	case errors.Is(err, errStuck):
		return f.giveUpWaiting(o.failure)
	case err != nil:
		return err
	case o.displaced:
		return fmt.Errorf("another machine saved the file meanwhile; yours is kept beside it: %w", file.ErrStale)
	case o.done:
		return nil
	case o.lost:
		return o.failure
	case o.renamed:
		return f.content.KeepFast()
	}
	return f.giveUpWaiting(o.failure)
}

// AwaitComing waits for the commit that is under way, or about to begin, of a file of which an upload
// alone has some bytes, and reports whether they can be read now. It reports false where no
// commit is coming, or it gets no further. isClosed reports whether nobody has the file open for writing.
func (f *File) AwaitComing(ctx context.Context, isClosed func() bool) bool {
	var away bool
	err := f.follow(ctx, func() (known bool, wakes <-chan struct{}) {
		closed, c := isClosed(), f.content
		c.Lock()
		defer c.Unlock()
		away = c.IsSentAwayLocked()
		return !away || !c.IsCommitComingLocked(closed), c.WakesLocked()
	})
	return err == nil && !away
}

// follow calls look at once, whenever what it returns is closed, and now and then, until that
// knows what it wants to know. It returns errStuck when nothing has moved for CloseTimeout.
func (f *File) follow(ctx context.Context, look func() (known bool, wakes <-chan struct{})) error {
	tick := time.NewTicker(f.r.cfg.CloseTimeout / 20)
	defer tick.Stop()
	last, since := f.progress(), time.Now()
	for {
		known, wakes := look()
		if known {
			return nil
		}
		select {
		case <-wakes:
			continue
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(file.ErrInterrupted, context.Cause(ctx))
		case <-f.r.cfg.Context.Done():
			return file.ErrShutdown
		}
		if now := f.progress(); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) > f.r.cfg.CloseTimeout {
			return errStuck
		}
	}
}

// progress counts what the file's commit has sent, or, as long as it waits for
// its turn, what has been done for all files: it may stand behind a directory's move.
func (f *File) progress() int64 {
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	a := f.attempt
	if a == nil {
		return 0
	}
	if a.up.Load() != nil {
		return a.Moved() + int64(a.stage)
	}
	if b, ok := f.beforeLocked(a); ok {
		return b.Moved
	}
	return f.r.cfg.MovedLocked()
}

// beforeLocked is what fails of what keeps the attempt from its turn.
func (f *File) beforeLocked(a *Attempt) (b Before, ok bool) {
	if a.job == nil || !a.job.WaitsLocked() {
		return Before{}, false
	}
	return f.r.cfg.BeforeLocked(a.job)
}

// giveUpWaiting makes the draft safe; its commit goes on behind.
func (f *File) giveUpWaiting(cause error) error {
	if cause == nil {
		cause = cmp.Or(f.obstacle(), store.ErrUnavailable)
	}
	path := f.path()
	err := f.content.Keep(file.Behind)
	switch {
	case file.IsSent(err):
		f.r.cfg.Log.Error("close gave up waiting: the file is larger than the spool, and lost if mcfs ends before its upload, which goes on",
			"path", path, "cause", cause)
	case err != nil:
		return err
	default:
		f.r.cfg.Log.Error("close gave up waiting: the file is safe in the spool and its upload goes on", "path", path, "cause", cause)
	}
	f.r.failed(path, cause, true)
	return file.AsIO(cause)
}

// obstacle is the reason why the file is not committed, as far as that is known.
func (f *File) obstacle() error {
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	if a := f.attempt; a != nil {
		if b, ok := f.beforeLocked(a); ok {
			return b.Why
		}
	}
	f.content.Lock()
	defer f.content.Unlock()
	return f.Trouble()
}

// Trouble is why the draft is not committed; nil: nothing is known to be wrong. Mu is held and
// the content locked.
func (f *File) Trouble() error {
	if why := f.content.ReasonLocked(); why != nil || f.attempt == nil {
		return why
	}
	if up := f.attempt.up.Load(); up != nil {
		return up.Trouble().Cause
	}
	return nil
}

// path is the file's path now.
func (f *File) path() string {
	f.r.cfg.Mu.Lock()
	defer f.r.cfg.Mu.Unlock()
	return f.host.PathLocked()
}
