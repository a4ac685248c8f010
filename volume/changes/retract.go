package changes

import "mcfs/spool"

// RetractLocked keeps a change from beginning, unless it has, or may have in an earlier
// mount, and reports whether it could. CancelLocked or ReinstateLocked is to follow.
func (r *Runner) RetractLocked(c *Change) bool { return !c.Again && c.job.RetractLocked() }

// ReinstateLocked lets a retracted change begin after all.
func (r *Runner) ReinstateLocked(c *Change) { r.cfg.Queue.ReinstateLocked(c.job) }

// CancelLocked forgets a retracted change, of which the journal has been told by Cancel.
func (r *Runner) CancelLocked(c *Change) {
	r.forgetLocked(c)
	r.cfg.Queue.FinishLocked(c.job)
	r.cfg.ChangedLocked()
}

// Cancel is the journal's part of a cancellation.
func (c *Change) Cancel(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) }
