package torture

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// history is what a crash may leave of something: the last state that was
// promised, and all that came after it.
type history[T any] struct {
	states []T
	first  int // number of states[0]
}

func begun[T any](s T) history[T] { return history[T]{states: []T{s}} }

func (h *history[T]) now() T  { return h.states[len(h.states)-1] }
func (h *history[T]) at() int { return h.first + len(h.states) - 1 }

// last is now, or nothing where there is no history.
func (h *history[T]) last() (s T) {
	if len(h.states) > 0 {
		s = h.now()
	}
	return s
}
func (h *history[T]) change(s T) { h.states = append(h.states, s) }

// promise says that no state before the numbered one may come back.
func (h *history[T]) promise(number int) {
	if n := number - h.first; n > 0 {
		h.states, h.first = slices.Clone(h.states[n:]), number
	}
}

// attr is what is compared of a file's attributes.
type attr struct {
	mode  uint32
	mtime int64  // nanoseconds; 0: not known
	note  string // the xattr user.note
}

type kind byte

const (
	file kind = 'f'
	dir  kind = 'd'
	link kind = 'l'
)

// node is a file, directory or symlink as the workers know it. The world's mu
// guards all of them.
type node struct {
	id     int
	kind   kind
	parent *node
	name   string
	kids   map[string]*node // of a directory
	gone   bool

	sure    bool   // a crash leaves it; else it may be gone altogether
	saved   bool   // a close or an fsync has promised content
	longest int    // bytes that it has had
	halved  bool   // a write has failed for want of room: a close may tell so until it is emptied
	emptied *round // in which such a file was emptied, which a kill undoes while nothing has promised it
	busy    bool   // a call that reads or changes content is under way
	content history[[]byte]
	attr    history[attr]
	target  string // of a symlink
}

func (n *node) path() string {
	if n.parent == nil {
		return ""
	}
	return path.Join(n.parent.path(), n.name)
}

func (n *node) add(name string, c *node) *node {
	c.parent, c.name, c.gone = n, name, false
	n.kids[name] = c
	return c
}

func (n *node) remove() {
	if n.parent.kids[n.name] == n {
		delete(n.parent.kids, n.name)
	}
	n.gone = true
}

// move gives it another place, over whatever is there.
func (n *node) move(to *node, name string) {
	n.remove()
	if old := to.kids[name]; old != nil {
		old.remove()
	}
	to.add(name, n)
}

func exchange(a, b *node) {
	ap, an, bp, bn := a.parent, a.name, b.parent, b.name
	ap.add(an, b)
	bp.add(bn, a)
}

// put notes new content, which has a new time.
func (n *node) put(text []byte) {
	n.content.change(text)
	n.longest = max(n.longest, len(text))
	a := n.attr.now()
	a.mtime = 0
	n.attr.change(a)
}

// dated fills in the time of the last change, once it has been seen.
func (n *node) dated(mtime int64) {
	if a := &n.attr.states[len(n.attr.states)-1]; a.mtime == 0 {
		a.mtime = mtime
	}
}

// point is a moment in a node's history.
type point struct{ content, attr int }

func (n *node) point() point { return point{n.content.at(), n.attr.at()} }

// promised notes that what n was then, or what it became since, survives a crash.
func (n *node) promised(p point) {
	n.sure = true
	n.content.promise(p.content)
	n.attr.promise(p.attr)
}

// all lists the nodes below n that f wants.
func (n *node) all(f func(*node) bool) []*node {
	var list []*node
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		c := n.kids[name]
		if f(c) {
			list = append(list, c)
		}
		list = append(list, c.all(f)...)
	}
	return list
}

// found is what the mount has under a name.
type found struct {
	kind   kind
	attr   attr
	text   []byte
	size   int64 // as stat says
	target string
	err    error
}

// snapshot is what the mount shows, by path.
type snapshot struct {
	all   map[string]found
	small *sizes
}

// below lists the names in a directory of the snapshot.
func (s snapshot) below(p string) []string {
	var names []string
	for q := range s.all {
		if q != "" && path.Dir("/"+q) == path.Clean("/"+p) {
			names = append(names, path.Base(q))
		}
	}
	return slices.Sorted(slices.Values(names))
}

// broken is a promise that was not kept.
type broken struct {
	path string
	node *node // nil if it is about what should not be there
	text string
}

func (b *broken) Error() string { return fmt.Sprintf("%q: %s", b.path, b.text) }

// compare holds n, under a name, against the snapshot; count is of what was compared.
func (s snapshot) compare(p string, n *node, count *int) *broken {
	*count++
	got, there := s.all[p]
	no := func(format string, args ...any) *broken {
		return &broken{p, n, fmt.Sprintf(format, args...)}
	}
	switch {
	case n == nil && !there:
		return nil
	case n == nil:
		return no("is there (%c), and has no business to", got.kind)
	case !there && n.sure:
		return no("is not there")
	case !there:
		return nil
	case got.err != nil && !n.sure && s.small != nil && s.small.overflows(n):
		return nil // nobody was promised it, and the upload that alone had parts of it is gone
	case got.err != nil:
		return no("cannot be read: %v", got.err)
	case n.kind == file && got.size != int64(len(got.text)):
		return no("its size is said to be %d, and %d bytes can be read", got.size, len(got.text))
	case got.kind != n.kind:
		return no("is of kind %c, not %c", got.kind, n.kind)
	case n.kind == link && got.target != n.target:
		return no("leads to %q, not %q", got.target, n.target)
	}
	if n.parent != nil && n.kind != link {
		if err := n.wrongAttr(got.attr); err != "" {
			return no("%s", err)
		}
	}
	if n.kind == file && !holds(n.content.states, got.text) {
		return no("holds %s; a crash may leave %s", brief(got.text), briefs(n.content.states))
	}
	if n.kind == dir {
		return s.compareEntries(p, n, count)
	}
	return nil
}

func (s snapshot) compareEntries(p string, n *node, count *int) *broken {
	names := s.below(p)
	for name := range n.kids {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.compare(path.Join(p, name), n.kids[name], count); err != nil {
			return err
		}
	}
	return nil
}

// wrongAttr says what is wrong with attributes. Each may be of another state, and
// of a directory only the mode is compared.
func (n *node) wrongAttr(got attr) string {
	all := n.attr.states
	switch {
	case !slices.ContainsFunc(all, func(a attr) bool { return a.mode == got.mode }):
		return fmt.Sprintf("mode is %o; a crash may leave %+v", got.mode, all)
	case n.kind == dir:
		return ""
	case !slices.ContainsFunc(all, func(a attr) bool { return a.mtime == 0 || a.mtime == got.mtime }):
		return fmt.Sprintf("mtime is %d; a crash may leave %+v", got.mtime, all)
	case !slices.ContainsFunc(all, func(a attr) bool { return a.note == got.note }):
		return fmt.Sprintf("user.note is %q; a crash may leave %+v", got.note, all)
	}
	return ""
}

// holds says whether text is one of the states, or on its way from one to the next:
// a write may be done in part.
func holds(states [][]byte, text []byte) bool {
	for i, s := range states {
		if bytes.Equal(s, text) || i > 0 && between(states[i-1], s, text) {
			return true
		}
	}
	return false
}

// between says whether got is after to some point, and before from there on.
func between(before, after, got []byte) bool {
	k := 0
	for k < len(got) && k < len(after) && got[k] == after[k] {
		k++
	}
	if k == len(got) {
		return len(before) <= k
	}
	return len(got) == len(before) && bytes.Equal(got[k:], before[k:])
}

// tags are what written bytes begin with, again and again: the number of the write.
var tags = regexp.MustCompile(`\d{7}:`)

const cell = 16 // bytes from one tag to the next

// written is n bytes of the write of that number.
func written(number, n int) []byte {
	text := make([]byte, 0, n+cell)
	for i := 0; len(text) < n; i++ {
		text = fmt.Appendf(text, "%07d:%07x\n", number, i)
	}
	return text[:n]
}

// brief describes content by its length and the writes that made it.
func brief(text []byte) string {
	var by []string
	for _, tag := range tags.FindAll(text, -1) {
		if t := strings.Trim(string(tag), "0:"); len(by) == 0 || by[len(by)-1] != t {
			by = append(by, t)
		}
	}
	if len(by) > 12 {
		by = append(by[:12], "…")
	}
	return fmt.Sprintf("%d bytes of writes %s", len(text), strings.Join(by, ","))
}

func briefs(states [][]byte) string {
	var all []string
	for _, s := range states {
		all = append(all, brief(s))
	}
	return strings.Join(all, ", or ")
}

// adopt makes what the mount shows the state from which all goes on.
func (s snapshot) adopt(p string, n *node) {
	got, there := s.all[p]
	if !there {
		n.remove()
		return
	}
	n.sure, n.busy = true, false
	n.content, n.attr = begun(got.text), begun(got.attr)
	for name, c := range maps.Clone(n.kids) {
		s.adopt(path.Join(p, name), c)
	}
}
