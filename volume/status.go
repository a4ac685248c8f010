package volume

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcfs/spool"
	"mcfs/volume/event"
	"mcfs/volume/naming"
	"mcfs/volume/queue"
	"mcfs/volume/upload"
)

// Status is what a person is to see of a volume: what is not finished, what went
// wrong, and what was set aside. `mcfs status --json` prints it, so that a name
// in its JSON stays once it is there.
type Status struct {
	Drafts     []DraftStatus    `json:"drafts"`     // by path
	Changes    []ChangeStatus   `json:"changes"`    // of names and attributes, in their order
	Conflicts  []ConflictStatus `json:"conflicts"`  // since the mount began, the oldest first
	GivenUp    []GivenUpStatus  `json:"given_up"`   // changes that cannot succeed, since the mount began, the oldest first
	Quarantine []Quarantined    `json:"quarantine"` // the oldest first
	Unopened   []Unopened       `json:"unopened"`   // sealed files that wait for their keys, beside the drafts
	Cache      CacheStatus      `json:"cache"`
	Committed  int64            `json:"committed_bytes"` // of ciphertext, since the mount began
}

// DraftStatus is a version that is not in the store yet.
type DraftStatus struct {
	Path    string    `json:"path"`
	State   string    `json:"state"`            // a State
	Size    int64     `json:"size"`             // bytes of plaintext
	Sent    int64     `json:"sent"`             // bytes of ciphertext that the store has taken
	Rate    int64     `json:"rate,omitempty"`   // of them per second, lately
	Left    int64     `json:"left,omitempty"`   // seconds until all is sent, if that can be told
	Closed  time.Time `json:"closed,omitzero"`  // since when nobody has it open for writing
	Overdue bool      `json:"overdue"`          // it bears a local-only name, and was closed long ago
	Claims  time.Time `json:"claims,omitzero"`  // when it is committed under its temporary name, unless it gets another
	Safe    bool      `json:"safe"`             // a crash loses nothing of it
	Dropped bool      `json:"dropped"`          // it is larger than the spool: parts of it are in an unfinished upload alone
	Told    string    `json:"told,omitempty"`   // the only path under which it can be committed then, if that is not its own
	Behind  *Behind   `json:"behind,omitempty"` // what has its turn before
	Failure *Failure  `json:"failure,omitzero"` // of the last try
}

// ChangeStatus is a change of a name, or of attributes, that is not finished.
type ChangeStatus struct {
	What    string   `json:"what"`
	Path    string   `json:"path"`
	To      string   `json:"to,omitempty"`
	Behind  *Behind  `json:"behind,omitempty"` // what has its turn before
	Failure *Failure `json:"failure,omitzero"`

	seq uint64
}

// Failure is why something is not finished.
type Failure struct {
	Cause string    `json:"cause"`
	Tries int       `json:"tries"`          // that failed
	Since time.Time `json:"since,omitzero"` // the first of them
	Next  time.Time `json:"next,omitzero"`  // when it is tried again; absent: it is being tried, or cannot be
}

// ConflictStatus is a file that was set aside because another machine had saved its name.
type ConflictStatus struct {
	Path  string    `json:"path"` // of the name that both wanted
	Aside string    `json:"aside"`
	At    time.Time `json:"at"`
	There bool      `json:"there"` // nobody has removed it since
}

// GivenUpStatus is a change that could not be finished: the store has what was before it.
type GivenUpStatus struct {
	What  string    `json:"what"`
	Path  string    `json:"path"`
	To    string    `json:"to,omitempty"`
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
}

// Quarantined is what lies in quarantine under one name.
type Quarantined = spool.Quarantined

// CacheStatus is the spool's room, in bytes.
type CacheStatus struct {
	Used   int64 `json:"used"`
	Drafts int64 `json:"drafts"` // of those: what is not cache
	Limit  int64 `json:"limit"`
}

// overdueAfter is how long a closed file may bear a local-only name before it is
// warned of: it is on no other machine, and what made it may have been killed.
const overdueAfter = time.Hour

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
			s.Cache.Drafts += d.n.allocated()
			s.Drafts = append(s.Drafts, ds)
		}
	}
	s.Cache.Used, s.Cache.Limit = v.spool.Usage()
	var err error
	if s.Quarantine, err = v.spool.Quarantined(); err != nil {
		v.log.Warn("status", "cause", err)
	}
	s.sort()
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
	for _, c := range v.changes {
		s.Changes = append(s.Changes, ChangeStatus{
			What: c.Op, Path: c.Path, To: c.To, Behind: blocked[c.job], Failure: failure(c.Retry, c.reason), seq: c.Seq,
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

// sort puts everything into an order that stays.
func (s *Status) sort() {
	slices.SortFunc(s.Drafts, func(a, b DraftStatus) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(s.Changes, func(a, b ChangeStatus) int { return cmp.Compare(a.seq, b.seq) })
	if s.Unopened == nil {
		s.Unopened = []Unopened{}
	}
	if s.Quarantine == nil {
		s.Quarantine = []Quarantined{} // JSON's [] and not null
	}
}

// Under keeps what is at or below path; "" is all. Quarantine and cache are the volume's.
func (s Status) Under(path string) Status {
	path = strings.Trim(path, "/")
	s.Drafts = slices.DeleteFunc(slices.Clone(s.Drafts), func(d DraftStatus) bool { return !naming.Within(d.Path, path) })
	s.Changes = slices.DeleteFunc(slices.Clone(s.Changes), func(c ChangeStatus) bool { return !naming.Within(c.Path, path) && !naming.Within(c.To, path) })
	s.Conflicts = slices.DeleteFunc(slices.Clone(s.Conflicts), func(c ConflictStatus) bool {
		return !naming.Within(c.Path, path) && !naming.Within(c.Aside, path)
	})
	s.GivenUp = slices.DeleteFunc(slices.Clone(s.GivenUp), func(c GivenUpStatus) bool { return !naming.Within(c.Path, path) && !naming.Within(c.To, path) })
	return s
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
	s.Overdue = n.content.State == Local && !s.Closed.IsZero() && time.Since(s.Closed) > overdueAfter
	if n.content.State == Temporary {
		s.Claims = n.content.GraceEndsLocked()
	}
	if why := n.content.ReasonLocked(); why != nil {
		s.Failure = failure(d.Retry, why.Error())
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

// allocated is what the node's sealed file takes on the disk.
func (n *Node) allocated() int64 {
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.AllocatedLocked()
}

// failure is nil where there was none.
func failure(r queue.Retry, cause string) *Failure {
	if cause == "" {
		return nil
	}
	f := &Failure{Cause: strings.ReplaceAll(cause, "\n", "; "), Tries: r.Tries, Since: r.Failing, Next: r.Next}
	if time.Now().After(f.Next) {
		f.Next = time.Time{} // its turn has come
	}
	return f
}

// withTrouble adds what goes wrong in the try that is under way.
func withTrouble(r queue.Retry, f *Failure, t upload.Trouble) *Failure {
	if t.Cause == nil || f != nil && !f.Next.IsZero() {
		return f
	}
	now := queue.Retry{Tries: r.Tries + t.Tries, Failing: t.Since, Next: t.Next}
	if !r.Failing.IsZero() {
		now.Failing = r.Failing
	}
	return failure(now, t.Cause.Error())
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
		errs = append(errs, g.err())
	}
	return errors.Join(errs...)
}

func (g GivenUpStatus) err() error {
	what := fmt.Sprintf("%s %s", g.What, g.Path)
	if g.To != "" {
		what += " to " + g.To
	}
	return fmt.Errorf("%s: %w, and the store has what was before it: %s", what, errGivenUp, g.Cause)
}
