package volume

import "mcfs/volume/queue"

// Behind is what has to be finished before it is something else's turn: a change of
// names or attributes, or the commit of another file.
type Behind struct {
	What string `json:"what"` // as in ChangeStatus, or "commit"
	Path string `json:"path"`
	To   string `json:"to,omitempty"`

	failing bool
	seq     uint64
}

// before reports whether b explains a wait better than c: it fails, or is older.
func (b *Behind) before(c *Behind) bool {
	if b.failing != c.failing {
		return b.failing
	}
	return b.seq < c.seq
}

// blockers maps each job that waits for its turn to what it waits for; v.mu is held.
func (v *Volume) blockers() map[*queue.Job]*Behind {
	found := make(map[*queue.Job]*Behind)
	note := func(j *queue.Job, b *Behind) {
		if j == nil {
			return
		}
		for _, next := range j.BlockedLocked() {
			if known := found[next]; known == nil || b.before(known) {
				found[next] = b
			}
		}
	}
	for _, c := range v.changes {
		b := &Behind{What: c.Op, Path: c.Path, To: c.To, failing: !c.Failing.IsZero(), seq: c.Seq}
		note(c.job, b)
		note(c.aside, b)
	}
	for n := range v.busy {
		if a := n.commit.AttemptLocked(); a != nil {
			note(a.Job(), &Behind{What: "commit", Path: a.Path(), failing: !a.RetryLocked().Failing.IsZero()})
		}
	}
	return found
}
