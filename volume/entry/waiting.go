package entry

import (
	"time"

	"mcfs/spool"
	"mcfs/volume/file"
	"mcfs/volume/queue"
	"mcfs/volume/status"
)

// OverdueAfter is how long a closed file may bear a local-only name before it is warned of: it is on
// no other machine, and what made it may have been killed.
const OverdueAfter = time.Hour

// Waiting says what the spool in dir holds for the next mount: its journal is
// read, and nothing changed. Its error is spool.ErrLocked while a mount has the
// spool, and fs.ErrNotExist where there is none.
func Waiting(dir string) (status.Status, error) {
	left, err := spool.Peek(dir)
	if err != nil {
		return status.Status{}, err
	}
	s := status.Status{Drafts: []status.Draft{}, Changes: []status.Change{}, Conflicts: []status.Conflict{}, GivenUp: []status.GivenUp{}}
	for _, e := range left.Entries {
		if d, ok := draft(e, spool.ThisBoot()); ok {
			s.Drafts = append(s.Drafts, d)
		}
	}
	for _, c := range left.Changes {
		s.Changes = append(s.Changes, status.Change{What: c.Op, Path: c.Path, To: c.To, Seq: c.Seq})
	}
	s.Cache.Used = left.Used
	s.Quarantine, err = spool.ListQuarantine(dir)
	s.Sort()
	return s, err
}

// draft describes a draft as a mount will take it up; ok is false for what will not be one.
func draft(e spool.Entry, boot string) (d status.Draft, ok bool) {
	r, err := Read(e)
	if IsLocal(e) || err != nil || !r.IsWanted(e) && !r.IsLost() {
		return d, false
	}
	d = status.Draft{Path: e.Path, State: r.ComesBackAs(e, boot).String(), Size: e.Size, Closed: e.Updated, Safe: !r.IsPartial()}
	d.Overdue = d.State == file.Local.String() && time.Since(e.Updated) > OverdueAfter
	if r.IsPartial() {
		e.Reason = ErrPartial.Error()
	}
	d.Failure = status.Failed(queue.Retry{}, e.Reason)
	return d, true
}
