package volume

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

// blockers has of each ticket that waits for its turn what it waits for; v.mu is held.
func (v *Volume) blockers() map[*ticket]*Behind {
	found := make(map[*ticket]*Behind)
	note := func(t *ticket, b *Behind) {
		if t == nil {
			return
		}
		for _, next := range t.ahead {
			if known := found[next]; known == nil || b.before(known) {
				found[next] = b
			}
		}
	}
	for _, c := range v.changes {
		b := &Behind{What: c.Op, Path: c.Path, To: c.To, failing: !c.failing.IsZero(), seq: c.Seq}
		note(c.ticket, b)
		note(c.aside, b)
	}
	for n := range v.busy {
		if a := n.attempt; a != nil {
			note(a.ticket, &Behind{What: "commit", Path: a.path, failing: !a.failing.IsZero()})
		}
	}
	return found
}
