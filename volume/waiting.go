package volume

import (
	"encoding/json"
	"time"

	"mcfs/spool"
	"mcfs/volume/queue"
	"mcfs/volume/status"
)

// Waiting says what the spool in dir holds for the next mount: its journal is
// read, and nothing changed. Its error is spool.ErrLocked while a mount has the
// spool, and fs.ErrNotExist where there is none.
func Waiting(dir string) (Status, error) {
	left, err := spool.Peek(dir)
	if err != nil {
		return Status{}, err
	}
	s := Status{Drafts: []DraftStatus{}, Changes: []ChangeStatus{}, Conflicts: []ConflictStatus{}, GivenUp: []GivenUpStatus{}}
	for _, e := range left.Entries {
		if d, ok := comingBack(e); ok {
			s.Drafts = append(s.Drafts, d)
		}
	}
	for _, c := range left.Changes {
		s.Changes = append(s.Changes, ChangeStatus{What: c.Op, Path: c.Path, To: c.To, Seq: c.Seq})
	}
	s.Cache.Used = left.Used
	s.Quarantine, err = spool.ListQuarantine(dir)
	s.Sort()
	return s, err
}

// comingBack describes a draft as recoverEntry will take it up; ok is false for what will not be one.
func comingBack(e spool.Entry) (d DraftStatus, ok bool) {
	var r record
	if isLocalEntry(e.Attr) || json.Unmarshal(e.Data, &r) != nil || r.Making == nil && !r.Promised && !(r.partial() && r.Replaces == nil) && e.State != Lost.String() {
		return d, false
	}
	d = DraftStatus{Path: e.Path, State: r.comesBackAs(e, spool.ThisBoot()).String(), Size: e.Size, Closed: e.Updated, Safe: !r.partial()}
	d.Overdue = d.State == Local.String() && time.Since(e.Updated) > overdueAfter
	if r.partial() {
		e.Reason = errPartial.Error()
	}
	d.Failure = status.Failed(queue.Retry{}, e.Reason)
	return d, true
}
