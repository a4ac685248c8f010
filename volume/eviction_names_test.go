package volume

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"mcfs/volume/naming"
)

// busy says whether a name may not be changed: a file there, or below, has parts that are in an upload alone.
func (e *evictions) busy(paths ...string) bool {
	for p, b := range e.names {
		if (b.risky || b.owed) && slices.ContainsFunc(paths, func(q string) bool { return naming.Within(p, q) }) {
			return true
		}
	}
	return false
}

// named notes that what a name leads to is promised: as it was promised before, or as
// it is; and that all of it is in the spool, for else it would have been busy.
func (e *evictions) named(paths ...string) {
	for _, p := range paths {
		b := e.names[p]
		b.risky = false
		e.closed[hashOf(b.cur)] = true
		if !b.sure {
			b.promised()
		}
	}
}

func (e *evictions) renameOne(o evictionStep) {
	from, to := e.path(o.a), e.path(o.b)
	b := e.names[from]
	if b == nil || from == to {
		return
	}
	if err := e.rename(from, to, 0); err != nil {
		if !errors.Is(err, ErrBusy) || !e.busy(from) {
			e.fail("rename %s to %s: %v", from, to, err)
		}
		return
	}
	e.named(from)
	if old := e.names[to]; old != nil {
		old.named = false
	}
	e.names[to] = b
	delete(e.names, from)
}

func (e *evictions) swap(o evictionStep) {
	from, to := e.path(o.a), e.path(o.b)
	if e.names[from] == nil || e.names[to] == nil || from == to {
		return
	}
	if err := e.rename(from, to, Exchange); err != nil {
		if !errors.Is(err, ErrBusy) || !e.busy(from, to) {
			e.fail("exchange %s with %s: %v", from, to, err)
		}
		return
	}
	e.named(from, to)
	e.names[from], e.names[to] = e.names[to], e.names[from]
}

func (e *evictions) moveDir(evictionStep) {
	to := map[string]string{"d": "e", "e": "d"}[e.dir]
	if err := e.rename(e.dir, to, 0); err != nil {
		if !errors.Is(err, ErrBusy) || !e.busy(e.dir) {
			e.fail("rename of directory %s: %v", e.dir, err)
		}
		return
	}
	for p, b := range maps.Clone(e.names) {
		if naming.Within(p, e.dir) {
			b.risky = false
			e.closed[hashOf(b.cur)] = true
			delete(e.names, p)
			e.names[to+strings.TrimPrefix(p, e.dir)] = b
		}
	}
	e.dir = to
}

func (e *evictions) unlink(o evictionStep) {
	p := e.path(o.a)
	b := e.names[p]
	if b == nil {
		return
	}
	for _, h := range e.slots {
		if h != nil && h.b == b {
			e.probe(h)
		}
	}
	if err := e.unlinkPath(p); err != nil {
		e.fail("unlink %s: %v", p, err)
	}
	b.named = false
	delete(e.names, p)
}
