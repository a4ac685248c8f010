package volume

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"mcfs/spool"
	"mcfs/volume/entry"
	"mcfs/volume/event"
	"mcfs/volume/naming"
	"mcfs/volume/queue"
	"mcfs/volume/status"
	"mcfs/volume/upload"
)

// What Status tells, as package status has it.
type (
	Status         = status.Status
	Totals         = status.Totals
	DraftStatus    = status.Draft
	ChangeStatus   = status.Change
	ConflictStatus = status.Conflict
	GivenUpStatus  = status.GivenUp
	Behind         = status.Behind
	Failure        = status.Failure
	CacheStatus    = status.Cache
	Quarantined    = spool.Quarantined
	Unopened       = status.Unopened
)

// Waiting is entry.Waiting: what a spool holds for the next mount.
func Waiting(dir string) (Status, error) { return entry.Waiting(dir) }

// draft is a file with a draft, as it was when v.mu was held.
type draft struct {
	n    *Node
	path string
	up   *upload.Upload
	wait *Behind
	queue.Retry
}

// Status says how the volume is. It waits for no network.
func (v *Volume) Status() Status {
	s := Status{Drafts: []DraftStatus{}, Changes: []ChangeStatus{}, Conflicts: []ConflictStatus{}, GivenUp: []GivenUpStatus{}}
	for _, d := range v.look(&s) {
		if ds, ok := d.status(); ok {
			s.Cache.Drafts += d.n.content.PeekAllocated()
			s.Drafts = append(s.Drafts, ds)
		}
	}
	s.Cache.Used, s.Cache.Limit = v.spool.Usage()
	var err error
	if s.Quarantine, err = v.spool.Quarantined(); err != nil {
		v.log.Warn("the quarantine cannot be listed", "cause", err)
	}
	s.Sort()
	return s
}

// look notes what v.mu guards, and lists the drafts: each has a lock of its own,
// for which nobody is to wait with v.mu held.
func (v *Volume) look(s *Status) []draft {
	v.mu.Lock()
	defer v.mu.Unlock()
	list, blocked := make([]draft, 0, len(v.busy)), v.blockers()
	for n := range v.busy {
		if n.gone {
			continue
		}
		d := draft{n: n, path: v.path(n)}
		if a := n.commit.AttemptLocked(); a != nil {
			d.up, d.Retry, d.wait = a.Upload(), a.RetryLocked(), blocked[a.Job()]
		}
		list = append(list, d)
	}
	for c := range v.changes.QueuedLocked() {
		s.Changes = append(s.Changes, ChangeStatus{
			What: c.Op, Path: c.Path, To: c.To, Behind: blocked[c.JobLocked()], Failure: status.Failed(c.Retry, c.Reason), Seq: c.Seq,
		})
	}
	for i := range v.asides {
		s.Conflicts = append(s.Conflicts, v.conflictStatus(&v.asides[i]))
	}
	for _, g := range v.givenUp {
		s.GivenUp = append(s.GivenUp, g.GivenUpStatus)
	}
	s.Unopened = v.unopenedStatus()
	s.Committed = v.finished
	return list
}

// status describes the draft; ok is false if there is none any more.
func (d draft) status() (s DraftStatus, ok bool) {
	n := d.n
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.State == Clean {
		return s, false
	}
	up := d.up
	if up == nil {
		up = n.content.EarlyLocked()
	}
	s = DraftStatus{Path: d.path, State: n.content.State.String(), Size: n.content.SizeLocked(), Behind: d.wait, Dropped: n.content.IsDroppedLocked()}
	if n.content.IsStrandedLocked() {
		s.Told = n.content.EarlyKeyLocked()
	}
	s.Safe = n.content.Kept >= n.content.Gen && !s.Dropped
	if n.content.Writers == 0 {
		s.Closed = n.content.Quiet
	}
	s.Overdue = n.content.State == Local && !s.Closed.IsZero() && time.Since(s.Closed) > entry.OverdueAfter
	if n.content.State == Temporary {
		s.Claims = n.content.GraceEndsLocked()
	}
	if why := n.content.ReasonLocked(); why != nil {
		s.Failure = status.FailedBy(d.Retry, why)
	}
	if up != nil {
		s.Failure = withTrouble(d.Retry, s.Failure, up.Trouble())
		s.Sent, s.Rate = max(up.Progress(), up.Moved()), up.Rate()
	}
	if left := s.Size - s.Sent; n.content.State == Uploading && s.Rate > 0 && left > 0 {
		s.Left = left/s.Rate + 1
	}
	return s, true
}

// withTrouble adds what goes wrong in the try that is under way.
func withTrouble(r queue.Retry, f *status.Failure, t upload.Trouble) *status.Failure {
	if t.Cause == nil || f != nil && !f.Next.IsZero() {
		return f
	}
	now := queue.Retry{Tries: r.Tries + t.Tries, Failing: t.Since, Next: t.Next}
	if !r.Failing.IsZero() {
		now.Failing = r.Failing
	}
	return status.FailedBy(now, t.Cause)
}

// aside is a conflict that this machine has met.
type aside struct {
	ConflictStatus
	node *Node // that bears the other name; nil if nothing here knows it
}

// maxAsides bounds what is remembered of conflicts.
const maxAsides = 1000

// noteConflict remembers that what wanted the name path got another one; v.mu is held.
func (v *Volume) noteConflict(path, to string, n *Node) {
	v.o.Observer.Observe(event.Event{Kind: event.Conflict, Path: path, To: to})
	v.asides = append(v.asides, aside{ConflictStatus{Path: path, Aside: to, At: time.Now(), There: true}, n})
	if len(v.asides) > maxAsides {
		v.asides = slices.Delete(v.asides, 0, len(v.asides)-maxAsides)
	}
}

// conflictStatus looks in the tree whether the file is still there; v.mu is held.
func (v *Volume) conflictStatus(a *aside) ConflictStatus {
	if a.node == nil || a.node.gone {
		a.node = cmp.Or(v.nodeAt(a.Aside), a.node) // a listing may have brought it, or another version
	}
	if a.node == nil {
		return a.ConflictStatus // nobody has looked
	}
	if a.There = !a.node.gone; a.There {
		a.Aside = v.path(a.node) // renamed, perhaps
	}
	return a.ConflictStatus
}

// maxGivenUp is how many changes that were given up are remembered, the latest.
const maxGivenUp = 1000

// noteGivenUp has status show a change that could not be finished.
func (v *Volume) noteGivenUp(c *change, cause error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.givenUp) == maxGivenUp {
		v.givenUp = slices.Delete(v.givenUp, 0, 1)
	}
	v.givenUp = append(v.givenUp, givenUp{GivenUpStatus: GivenUpStatus{What: c.Op, Path: c.Path, To: c.To, At: time.Now(), Cause: cause.Error()}})
}

// givenUp is a change that could not be finished, and whether a Sync has said so.
type givenUp struct {
	GivenUpStatus
	reported bool
}

// givenUpUnder is an errGivenUp that names what was given up at or under path since a
// Sync last said so; nil if nothing was.
func (v *Volume) givenUpUnder(path string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for i := range v.givenUp {
		g := &v.givenUp[i]
		if g.reported || !naming.Within(g.Path, path) && !naming.Within(g.To, path) {
			continue
		}
		g.reported = true
		errs = append(errs, fmt.Errorf("%s: %w, and the store has what was before it: %s", g.Subject(), errGivenUp, g.Cause))
	}
	return errors.Join(errs...)
}
