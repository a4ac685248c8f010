package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"mcfs/spool"
	"mcfs/volume/naming"
	"mcfs/volume/queue"
)

// Status is what a person is to see of a volume: what is not finished, what went
// wrong, and what was set aside. `mcfs status --json` prints it, so that a name
// in its JSON stays once it is there.
type Status struct {
	Drafts     []Draft             `json:"drafts"`     // by path
	Changes    []Change            `json:"changes"`    // of names and attributes, in their order
	Conflicts  []Conflict          `json:"conflicts"`  // since the mount began, the oldest first
	GivenUp    []GivenUp           `json:"given_up"`   // changes that cannot succeed, since the mount began, the oldest first
	Quarantine []spool.Quarantined `json:"quarantine"` // the oldest first
	Unopened   []Unopened          `json:"unopened"`   // sealed files that wait for their keys, beside the drafts
	Cache      Cache               `json:"cache"`
	Committed  int64               `json:"committed_bytes"` // of ciphertext, since the mount began
}

// Totals are sums since the mount began.
type Totals struct {
	Committed int64 // bytes of ciphertext that were committed
	Read      int64 // bytes of content that programs have read
	Fetched   int64 // bytes of ciphertext that came from the store to be read
	Retries   int64 // tries of commits and changes that followed a failed one
}

// Draft is a version that is not in the store yet.
type Draft struct {
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

// Change is a change of a name, or of attributes, that is not finished.
type Change struct {
	What    string   `json:"what"`
	Path    string   `json:"path"`
	To      string   `json:"to,omitempty"`
	Behind  *Behind  `json:"behind,omitempty"` // what has its turn before
	Failure *Failure `json:"failure,omitzero"`

	Seq uint64 `json:"-"`
}

// Failure is why something is not finished.
type Failure struct {
	Cause string    `json:"cause"`
	Tries int       `json:"tries"`          // that failed
	Since time.Time `json:"since,omitzero"` // the first of them
	Next  time.Time `json:"next,omitzero"`  // when it is tried again; absent: it is being tried, or cannot be
	Cure  string    `json:"cure,omitempty"` // what helps, where that is known

	Err error `json:"-"` // the cause, where it is known; who shows the status may find the cure by it
}

// Conflict is a file that was set aside because another machine had saved its name.
type Conflict struct {
	Path  string    `json:"path"` // of the name that both wanted
	Aside string    `json:"aside"`
	At    time.Time `json:"at"`
	There bool      `json:"there"` // nobody has removed it since
}

// GivenUp is a change that could not be finished: the store has what was before it.
type GivenUp struct {
	What  string    `json:"what"`
	Path  string    `json:"path"`
	To    string    `json:"to,omitempty"`
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
}

// Cache is the spool's room, in bytes.
type Cache struct {
	Used   int64 `json:"used"`
	Drafts int64 `json:"drafts"` // of those: what is not cache
	Limit  int64 `json:"limit"`
}

// Unopened is a sealed file of which the journal knows nothing, and whose key cannot be
// had: what it is called stands in it.
type Unopened struct {
	ID    spool.ID `json:"id"`
	Cause string   `json:"cause"`
}

// Behind is what has to be finished before it is something else's turn: a change of
// names or attributes, or the commit of another file.
type Behind struct {
	What string `json:"what"` // as in Change, or "commit"
	Path string `json:"path"`
	To   string `json:"to,omitempty"`

	Failing bool   `json:"-"`
	Seq     uint64 `json:"-"`
}

// Before reports whether b explains a wait better than c: it fails, or is older.
func (b *Behind) Before(c *Behind) bool {
	if b.Failing != c.Failing {
		return b.Failing
	}
	return b.Seq < c.Seq
}

// Sort puts everything into an order that stays.
func (s *Status) Sort() {
	slices.SortFunc(s.Drafts, func(a, b Draft) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(s.Changes, func(a, b Change) int { return cmp.Compare(a.Seq, b.Seq) })
	if s.Unopened == nil {
		s.Unopened = []Unopened{}
	}
	if s.Quarantine == nil {
		s.Quarantine = []spool.Quarantined{} // JSON's [] and not null
	}
}

// Under keeps what is at or below path; "" is all. Quarantine and cache are the volume's.
func (s Status) Under(path string) Status {
	path = strings.Trim(path, "/")
	s.Drafts = slices.DeleteFunc(slices.Clone(s.Drafts), func(d Draft) bool { return !naming.Within(d.Path, path) })
	s.Changes = slices.DeleteFunc(slices.Clone(s.Changes), func(c Change) bool { return !naming.Within(c.Path, path) && !naming.Within(c.To, path) })
	s.Conflicts = slices.DeleteFunc(slices.Clone(s.Conflicts), func(c Conflict) bool {
		return !naming.Within(c.Path, path) && !naming.Within(c.Aside, path)
	})
	s.GivenUp = slices.DeleteFunc(slices.Clone(s.GivenUp), func(c GivenUp) bool { return !naming.Within(c.Path, path) && !naming.Within(c.To, path) })
	return s
}

// Failed describes a failure; nil where there was none.
func Failed(r queue.Retry, cause string) *Failure {
	if cause == "" {
		return nil
	}
	f := &Failure{Cause: strings.ReplaceAll(cause, "\n", "; "), Tries: r.Tries, Since: r.Failing, Next: r.Next}
	if time.Now().After(f.Next) {
		f.Next = time.Time{} // its turn has come
	}
	return f
}

// FailedBy is Failed with the error itself.
func FailedBy(r queue.Retry, cause error) *Failure {
	f := Failed(r, cause.Error())
	if f != nil {
		f.Err = cause
	}
	return f
}

// Subject names the change.
func (g GivenUp) Subject() string {
	if g.To == "" {
		return g.What + " " + g.Path
	}
	return g.What + " " + g.Path + " to " + g.To
}
