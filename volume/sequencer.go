package volume

import "strings"

// sequencer lets work on store keys run in the order in which it was asked for,
// and in parallel where it is independent. Two claims collide if a path of one
// equals, or is a folder above, a path of the other.
//
// Its owner's lock guards it: every method is called with Volume.mu held, so
// that the order of tickets is the order of the changes in the tree.
type sequencer struct {
	live map[*ticket]struct{}
	// byPath finds colliding tickets without a scan of all: 20,000 removals may wait at once.
	byPath map[string][]*ticket
	// under counts, for every folder above a claimed path, the tickets below it.
	under map[string][]*ticket
}

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
	return &sequencer{
		live:   make(map[*ticket]struct{}),
		byPath: make(map[string][]*ticket),
		under:  make(map[string][]*ticket),
	}
}

// claim queues for the paths. A path that ends in "/" stands for the folder itself
// and all below it; others stand for themselves. turn may be called before claim returns.
func (s *sequencer) claim(turn func(), paths ...string) *ticket {
	t := &ticket{paths: paths, turn: turn}
	blockers := make(map[*ticket]struct{})
	for _, p := range paths {
		for _, b := range s.colliding(p) {
			blockers[b] = struct{}{}
		}
	}
	for b := range blockers {
		b.ahead = append(b.ahead, t)
	}
	t.behind = len(blockers)
	s.live[t] = struct{}{}
	for _, p := range paths {
		s.byPath[p] = append(s.byPath[p], t)
		for dir := parentFolder(p); dir != ""; dir = parentFolder(dir) {
			s.under[dir] = append(s.under[dir], t)
		}
	}
	if t.behind == 0 {
		t.turn()
	}
	return t
}

// colliding lists the live tickets that a claim of p must wait for.
func (s *sequencer) colliding(p string) []*ticket {
	found := append([]*ticket(nil), s.byPath[p]...)
	if strings.HasSuffix(p, "/") {
		found = append(found, s.under[p]...)
	}
	for dir := parentFolder(p); dir != ""; dir = parentFolder(dir) {
		found = append(found, s.byPath[dir]...)
	}
	return found
}

// finish lets those go on that waited for t.
func (s *sequencer) finish(t *ticket) {
	if t.done {
		return
	}
	t.done = true
	delete(s.live, t)
	for _, p := range t.paths {
		dropTicket(s.byPath, p, t)
		for dir := parentFolder(p); dir != ""; dir = parentFolder(dir) {
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
func (s *sequencer) busy(p string) bool {
	return len(s.byPath[p]) > 0 || len(s.byPath[p+"/"]) > 0 || len(s.under[p+"/"]) > 0
}

func dropTicket(m map[string][]*ticket, p string, t *ticket) {
	list := m[p]
	for i, x := range list {
		if x == t {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(m, p)
		return
	}
	m[p] = list
}

// parentFolder is the folder above a path, with its slash: "a/b" and "a/b/" give "a/"; "a" gives "".
func parentFolder(p string) string {
	p = strings.TrimSuffix(p, "/")
	i := strings.LastIndexByte(p, '/')
	return p[:i+1]
}
