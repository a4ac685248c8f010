package volume

import "mcfs/volume/queue"

// blockers maps each job that waits for its turn to what it waits for; v.mu is held.
func (v *Volume) blockers() map[*queue.Job]*Behind {
	found := make(map[*queue.Job]*Behind)
	note := func(j *queue.Job, b *Behind) {
		if j == nil {
			return
		}
		for _, next := range j.BlockedLocked() {
			if known := found[next]; known == nil || b.Before(known) {
				found[next] = b
			}
		}
	}
	for c := range v.changes.QueuedLocked() {
		b := &Behind{What: c.Op, Path: c.Path, To: c.To, Failing: !c.Failing.IsZero(), Seq: c.Seq}
		note(c.JobLocked(), b)
		note(c.AsideLocked(), b)
	}
	for n := range v.busy {
		if a := n.commit.AttemptLocked(); a != nil {
			note(a.Job(), &Behind{What: "commit", Path: a.Path(), Failing: !a.RetryLocked().Failing.IsZero()})
		}
	}
	return found
}
