package volume

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"mcfs/volume/changes"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// exchange swaps two names, as RENAME_EXCHANGE and macOS's RENAME_SWAP ask:
// Apple's editors save so. The tree shows it at once. Where both names have an
// object, the first goes to a name of its own for a while, since the store
// knows no swap; it stays decryptable there by its own metadata.
func (v *Volume) exchange(ctx context.Context, from *Node, name string, to *Node, newName string) error {
	a, err := from.Lookup(ctx, name)
	if err != nil {
		return err
	}
	b, err := to.Lookup(ctx, newName)
	if err != nil {
		return err
	}
	if a == b {
		return nil
	}
	if err := errors.Join(v.readyHalf(ctx, a, b), v.readyHalf(ctx, b, a)); err != nil {
		return err
	}
	releaseA, err := v.fixFile(ctx, a, to, newName)
	if err != nil {
		return err
	}
	defer releaseA()
	releaseB, err := v.fixFile(ctx, b, from, name)
	if err != nil {
		return err
	}
	defer releaseB()
	v.names.Lock()
	defer v.names.Unlock()
	m, err := v.planExchange(a, b)
	if err == nil {
		err = v.journalMove(m)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.resumeAll(m)
		return err
	}
	v.swap(a, b, m)
	v.enqueueAll(m)
	return nil
}

// readyHalf makes sure, before any lock is held, that a node can take the other's name.
func (v *Volume) readyHalf(ctx context.Context, n, other *Node) error {
	switch n.kind {
	case Sidecar, Tombstone:
		return ErrPermission
	case Dir:
		if err := v.awaitInFlightBelow(ctx, n); err != nil {
			return err
		}
		if err := v.lengthsBelow(ctx, n, other.Path()); err != nil {
			return err
		}
		v.reviveBelow(ctx, n)
		return v.readyDir(n)
	}
	return v.prepareRename(ctx, n, nil, "")
}

// readyDir makes what is below a directory durable.
func (v *Volume) readyDir(n *Node) error {
	v.names.RLock()
	defer v.names.RUnlock()
	return v.draftsBelow(n)
}

// planExchange works out what the swap means for the store; names is held.
func (v *Volume) planExchange(a, b *Node) (*move, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := &move{below: a.kind == Dir || b.kind == Dir}
	for _, n := range []*Node{a, b} {
		switch {
		case n.parent == nil:
			return m, ErrNotExist
		case n.gone:
			return m, n.parent.dir.missing(n.name)
		}
	}
	if a.kind == Dir && inside(b, a) || b.kind == Dir && inside(a, b) {
		return m, fmt.Errorf("a directory cannot change places with what is in it: %w", ErrInvalid)
	}
	one, err := v.half(a, b)
	if err != nil {
		return m, err
	}
	two, err := v.half(b, a)
	if err != nil {
		return m, err
	}
	if err := v.fitsExchange(a, b, one.moves() && two.moves()); err != nil {
		return m, err
	}
	// What a draft was to replace under the name that it leaves is now to be
	// replaced by the other, which comes there.
	leftByOne, leftByTwo := one.left(), two.left() // before they are routed
	if err := v.planHalf(m, two, leftByOne); err != nil {
		return m, err
	}
	arrivals := m.changes
	m.changes = nil
	if err := v.planHalf(m, one, leftByTwo); err != nil {
		return m, err
	}
	departures := m.changes
	switch {
	case one.moves() && two.moves():
		m.changes = v.viaAside(departures, arrivals)
	case (two.moves() || two.becomesObject()) && !one.becomesObject():
		m.changes = append(departures, arrivals...) // the first leaves its name before the second comes there
	default:
		m.changes = append(arrivals, departures...)
	}
	return m, nil
}

// fitsExchange refuses names that would be too long, for the place between them, too; v.mu is held.
func (v *Volume) fitsExchange(a, b *Node, detour bool) error {
	if err := errors.Join(v.fitsBelow(a, v.path(b)), v.fitsBelow(b, v.path(a))); err != nil || !detour {
		return err
	}
	return v.fitsBelow(a, naming.Aside(v.path(a)))
}

// half is one of the two that change places: the plan of a file, or a directory.
type half struct {
	plan    *plan
	dir     *Node
	newPath string
}

func (v *Volume) half(n, other *Node) (half, error) {
	if n.kind == Dir {
		return half{dir: n, newPath: v.path(other)}, nil
	}
	p, err := v.planFile(n, other.parent, other.name)
	return half{plan: p}, err
}

// moves reports whether objects are renamed in the store.
func (h half) moves() bool { return h.dir != nil || h.plan.step == stepRename }

// becomesObject reports whether a local-only symlink becomes an object.
func (h half) becomesObject() bool {
	return h.plan != nil && h.plan.n.local && h.plan.class == naming.Ordinary
}

// left is the version that stays under the name that it leaves.
func (h half) left() *remote.Version {
	if h.plan == nil || h.plan.step != stepRemove {
		return nil
	}
	return h.plan.stored
}

// planHalf is planChanges, but the version that a draft leaves behind is replaced by the other.
func (v *Volume) planHalf(m *move, h half, over *remote.Version) error {
	if h.dir != nil {
		if over != nil {
			m.changes = append(m.changes, &change{Change: changes.Change{Op: changes.Remove, Path: h.newPath, Ver: over}})
		}
		return v.planDirChanges(m, h.dir, h.newPath)
	}
	p := h.plan
	m.plans = append(m.plans, p)
	if p.step != stepRemove {
		return v.planChanges(m, p, over)
	}
	p.step = stepNone
	return v.planChanges(m, p, over)
}

// viaAside takes the first of the two through a name of its own; v.mu is held.
func (v *Volume) viaAside(departures, arrivals []*change) []*change {
	last := departures[0]
	first := *last
	aside := naming.Aside(last.Path)
	first.To, first.Bare, first.dir = aside, true, nil
	last.BareOld = true
	last.Path, last.dir, last.name = aside, v.folder(aside), path.Base(strings.TrimSuffix(aside, "/"))
	list := append([]*change{&first}, arrivals...)
	return append(append(list, last), departures[1:]...)
}

// folder is the directory in which a path lies; v.mu is held.
func (v *Volume) folder(p string) *Node { return v.nodeAt(path.Dir(strings.TrimSuffix(p, "/"))) }

// swap makes the exchange true in the tree; v.mu is held.
func (v *Volume) swap(a, b *Node, m *move) {
	aDir, aName := a.parent, a.name
	v.moveNode(a, b.parent, b.name)
	v.moveNode(b, aDir, aName)
	v.applyPlans(m)
}
