package changes

import (
	"time"

	"mcfs/sidecar"
)

// gather is how long changes of attributes are gathered before they are written.
const gather = 2 * time.Second

// maxWaits is how often a change is put off for what is under way.
const maxWaits = 30

// DelayLocked journals a change of attributes, soon, and has it begin after a while, so that
// those that come meanwhile share its request.
func (r *Runner) DelayLocked(c *Change, h Host) error {
	if err := c.Pack(); err != nil {
		return err
	}
	c.host, c.Seq = h, r.cfg.Journal.Number()
	r.queued[c.Seq] = c
	r.delayed[c] = struct{}{}
	r.gatherLocked(c)
	r.putSoon(c)
	return nil
}

// gatherLocked has a delayed change begin after a while.
func (r *Runner) gatherLocked(c *Change) {
	c.timer = time.AfterFunc(gather, func() { r.beginDelayed(c) })
}

// beginDelayed is what comes after a while.
func (r *Runner) beginDelayed(c *Change) {
	r.cfg.Mu.Lock()
	defer r.cfg.Mu.Unlock()
	if !r.IsDelayedLocked(c) {
		return // forgotten, or begun already
	}
	if c.host.PutOffLocked() && c.waited < maxWaits {
		c.waited++
		r.gatherLocked(c)
		return
	}
	r.beginLocked(c)
}

// beginLocked claims the path under which a delayed change's file is by now.
func (r *Runner) beginLocked(c *Change) {
	delete(r.delayed, c)
	c.Path = c.host.PathLocked()
	c.job = r.cfg.Queue.AddLocked(func() { r.run(c) }, c.Claims()...)
}

// BeginDelayedLocked begins what waits for more to come, unless something is under way before it.
func (r *Runner) BeginDelayedLocked() {
	for c := range r.delayed {
		if !c.host.PutOffLocked() {
			c.timer.Stop()
			r.beginLocked(c)
		}
	}
}

// IsDelayedLocked reports whether a change waits for more to come.
func (r *Runner) IsDelayedLocked(c *Change) bool {
	_, waits := r.delayed[c]
	return waits
}

// RestateLocked renews what attributes a change is to write that has not begun, and what the
// journal knows of them.
func (r *Runner) RestateLocked(c *Change, attr sidecar.Attr) error {
	c.Attr = attr
	return r.saveSoonLocked(c)
}

// FollowLocked journals a delayed change anew, behind the rename that has just given its file
// or directory another name: under the old one, the next mount would bring that back.
func (r *Runner) FollowLocked(c *Change) {
	path := c.host.PathLocked()
	if path == c.Path || !r.IsDelayedLocked(c) {
		return
	}
	c.Path = path
	if err := c.Pack(); err != nil {
		r.cfg.Log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "what", c.Op, "path", path, "cause", err)
		return
	}
	old := c.Seq
	delete(r.queued, old)
	c.Seq = r.cfg.Journal.Number()
	r.queued[c.Seq] = c
	r.deleteSoon(old)
	r.putSoon(c)
}

// FollowAllLocked is FollowLocked of all that are delayed.
func (r *Runner) FollowAllLocked() {
	for c := range r.delayed {
		r.FollowLocked(c)
	}
}

// ForgetLocked drops a delayed change, because its file or directory is gone, or has been
// committed anew: carried out later, or after a crash, it would bring a directory back, or
// fall upon the next file or version of that name. What has overtaken it is in the journal
// already, and is done there no sooner than this.
func (r *Runner) ForgetLocked(c *Change) {
	c.timer.Stop()
	r.forgetLocked(c)
	r.deleteSoon(c.Seq)
	r.cfg.ChangedLocked()
}
