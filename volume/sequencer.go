package volume

import "strings"

// sequencer lets work on store keys run in the order in which it was asked for,
// and in parallel where it is independent. Two claims collide if a path of one
// equals, or is above, a path of the other: a folder's removal waits for that of
// the files in it, and a file waits for the end of a folder by its name. A
// folder's marker is a claim of its own (markerClaim): it collides with what happens
// to the folder as a whole, not with the files in it.
//
// Its owner's lock guards it: every method is called with Volume.mu held, so
// that the order of tickets is the order of the changes in the tree.
type sequencer struct {
	// byPath finds colliding tickets without a scan of all: 20,000 removals may wait at once.
	byPath map[string]ticketSet
	// under has, for every folder above a claimed path, the tickets below it.
	under map[string]ticketSet
}

type ticketSet map[*ticket]struct{}

// ticket is one claim. turn is called once all colliding earlier ones are done,
// with Volume.mu held: it may only queue work.
type ticket struct {
	paths  []string
	turn   func()
	behind int       // colliding earlier tickets that are not done
	ahead  []*ticket // tickets that wait for this one
	done   bool
}

func newSequencer() *sequencer {
	return &sequencer{byPath: make(map[string]ticketSet), under: make(map[string]ticketSet)}
}

// markerClaim is the path to claim for the marker of a folder, given with its slash.
// No name in the tree has a zero byte.
func markerClaim(folder string) string { return folder + "\x00" }

// claim queues for the paths, each with all below it, if it is a folder's (then
// it may end in "/"). turn may be called before claim returns.
func (s *sequencer) claim(turn func(), paths ...string) *ticket {
	t := &ticket{turn: turn}
	for _, p := range paths {
		t.paths = append(t.paths, strings.TrimSuffix(p, "/"))
	}
	blockers := make(ticketSet)
	for _, p := range t.paths {
		s.colliding(p, blockers)
	}
	for b := range blockers {
		b.ahead = append(b.ahead, t)
	}
	t.behind = len(blockers)
	for _, p := range t.paths {
		addTicket(s.byPath, p, t)
		for dir := folderOf(p); dir != ""; dir = folderOf(dir) {
			addTicket(s.under, dir, t)
		}
	}
	if t.behind == 0 {
		t.turn()
	}
	return t
}

// colliding adds the live tickets that a claim of p must wait for.
func (s *sequencer) colliding(p string, to ticketSet) {
	add := func(set ticketSet) {
		for t := range set {
			to[t] = struct{}{}
		}
	}
	add(s.byPath[p])
	add(s.under[p])
	for dir := folderOf(p); dir != ""; dir = folderOf(dir) {
		add(s.byPath[dir])
	}
}

// finish lets those go on that waited for t.
func (s *sequencer) finish(t *ticket) {
	if t.done {
		return
	}
	t.done = true
	for _, p := range t.paths {
		dropTicket(s.byPath, p, t)
		for dir := folderOf(p); dir != ""; dir = folderOf(dir) {
			dropTicket(s.under, dir, t)
		}
	}
	for _, w := range t.ahead {
		w.behind--
		if w.behind == 0 {
			w.turn()
		}
	}
	t.ahead = nil
}

// busy says whether anything is claimed at or below the path.
func (s *sequencer) busy(p string) bool { return len(s.byPath[p]) > 0 || len(s.under[p]) > 0 }

func addTicket(m map[string]ticketSet, p string, t *ticket) {
	if m[p] == nil {
		m[p] = make(ticketSet)
	}
	m[p][t] = struct{}{}
}

func dropTicket(m map[string]ticketSet, p string, t *ticket) {
	delete(m[p], t)
	if len(m[p]) == 0 {
		delete(m, p)
	}
}

// folderOf is the folder that a path is in, without a slash at its end: "a/b"
// gives "a"; "a" gives "".
func folderOf(p string) string {
	return p[:max(0, strings.LastIndexByte(p, '/'))]
}

// keepsBack reports whether another ticket waits for this one, or for one that does.
func (t *ticket) keepsBack(other *ticket) bool {
	seen := make(ticketSet)
	for list := []*ticket{t}; len(list) > 0; {
		last := list[len(list)-1]
		list = list[:len(list)-1]
		for _, next := range last.ahead {
			if _, known := seen[next]; known || next.done {
				continue
			}
			if next == other {
				return true
			}
			seen[next] = struct{}{}
			list = append(list, next)
		}
	}
	return false
}
