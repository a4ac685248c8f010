package moving

import (
	"slices"
	"strings"
)

// Moves are the renames of directories that the store has not followed yet, and the last ones that
// it has. The zero Moves has none. Paths of directories end in "/", also where they are prefixes.
type Moves struct {
	underWay []move // oldest first
	all      []move // these and the last that are done, oldest first
}

// move takes all that the store has below from to the same place below to.
type move struct{ from, to string }

// remembered is how many moves are kept for Since after they are done.
const remembered = 1024

// Begin notes that a directory has another name now, and that its objects follow.
func (m *Moves) Begin(from, to string) {
	m.underWay = append(m.underWay, move{from, to})
	m.all = append(m.all, move{from, to})
	if len(m.all) > remembered {
		m.all = m.all[1:]
	}
}

// Done notes that the objects have followed: of several such moves, the oldest.
func (m *Moves) Done(from, to string) {
	if i := slices.Index(m.underWay, move{from, to}); i >= 0 {
		m.underWay = slices.Delete(m.underWay, i, i+1)
	}
}

// Sources are the prefixes of the store under which what stands at a prefix of the tree may still
// be, that prefix included, older places first.
func (m *Moves) Sources(prefix string) []string {
	list := []string{prefix}
	for _, mv := range slices.Backward(m.underWay) {
		for _, p := range slices.Clone(list) {
			rest, ok := strings.CutPrefix(p, mv.to)
			if older := mv.from + rest; ok && !slices.Contains(list, older) {
				list = append([]string{older}, list...)
			}
		}
	}
	// What is still at a place may be on its way elsewhere: the directory that was moved away
	// before this one took its name.
	return slices.DeleteFunc(list, func(p string) bool { return m.Destination(p) != prefix })
}

// AtRest reports whether what stands at a prefix of the tree stands there in the store, and
// nowhere else.
func (m *Moves) AtRest(prefix string) bool {
	places := m.Sources(prefix)
	return len(places) == 1 && places[0] == prefix
}

// Destination is where what the store has at a prefix will be when all moves are done.
func (m *Moves) Destination(prefix string) string {
	for _, mv := range m.underWay {
		if rest, ok := strings.CutPrefix(prefix, mv.from); ok {
			prefix = mv.to + rest
		}
	}
	return prefix
}

// Since is where the object that was at key may be by now, oldest place first: every move since,
// done or not, may have taken it along.
func (m *Moves) Since(key string) []string {
	list := []string{key}
	for _, mv := range m.all {
		if rest, ok := strings.CutPrefix(list[len(list)-1], mv.from); ok {
			list = append(list, mv.to+rest)
		}
	}
	return list
}
