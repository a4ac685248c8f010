package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
)

// opMove renames a whole directory: all that the store has below Path.
const opMove = "move"

// movers is how many objects of a directory are renamed at once.
const movers = 16

// renameDir moves a directory with all below it, over an empty one if there is
// one. The tree shows it at once; until the store has followed, what is listed
// at or below the new name is looked for under the old one too.
func (v *Volume) renameDir(ctx context.Context, from, c, to *Node, name string, target *Node) error {
	if target != nil {
		if target.kind != Dir {
			return ErrNotDir
		}
		if err := v.checkEmpty(ctx, target); err != nil {
			return err
		}
	}
	defer v.keepDir(from)
	v.names.Lock()
	defer v.names.Unlock()
	if err := v.draftsBelow(c); err != nil {
		return err
	}
	m, err := v.planDir(from, c, to, name)
	if err == nil {
		err = v.journalMove(m)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.resumeAll(m)
		return err
	}
	if m.target != nil {
		v.unlink(to, m.target)
	}
	delete(from.dir.children, c.name)
	v.seat(c, to, name)
	v.arriveBelow(m)
	v.enqueueAll(m)
	return nil
}

// draftsBelow makes the bytes of every draft below a directory durable, so that
// one journal transaction can move them all.
func (v *Volume) draftsBelow(d *Node) error {
	v.mu.Lock()
	var drafts []*Node
	v.walk(d, func(n *Node) {
		if _, ok := v.busy[n]; ok {
			drafts = append(drafts, n)
		}
	})
	v.mu.Unlock()
	for _, n := range drafts {
		n.mu.Lock()
		file, up, base := n.file, n.up, n.ver
		n.mu.Unlock()
		if file == nil {
			continue
		}
		if _, _, dropped := file.Absent(0); dropped && up != nil && base == nil {
			return fmt.Errorf("parts of %s were sent and dropped from the full spool: %w", n.Path(), ErrBusy)
		}
		if err := file.Sync(false); err != nil {
			return fromSpool(err)
		}
	}
	return nil
}

// planDir checks the move and describes it to the journal.
func (v *Volume) planDir(from, c, to *Node, name string) (*move, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := &move{target: to.dir.children[name]}
	if c.gone || to.gone || from.dir.children[c.name] != c {
		return m, ErrNotExist
	}
	if inside(to, c) {
		return m, fmt.Errorf("a directory cannot move into itself: %w", ErrInvalid)
	}
	if t := m.target; t != nil {
		if t.kind != Dir || len(t.dir.children) > 0 {
			return m, ErrNotEmpty
		}
		m.drop(t)
		m.changes = append(m.changes, &change{Change: spool.Change{Op: opRmdir, Path: v.path(t) + "/"}})
	}
	return m, v.routeDir(m, c, join(v.path(to), name))
}

// inside says whether n is d or below it; v.mu is held.
func inside(n, d *Node) bool {
	for ; n != nil; n = n.parent {
		if n == d {
			return true
		}
	}
	return false
}

// routeDir turns the move of a directory into queued changes, and into the
// journal entries of all that the journal knows below it; v.mu is held.
func (v *Volume) routeDir(m *move, c *Node, newPath string) error {
	oldPath := v.path(c)
	m.changes = append(m.changes, c.carryDir(oldPath, newPath))
	return v.routeBelow(m, c, oldPath, newPath)
}

// carryDir is the change that moves a directory's objects; v.mu is held.
func (n *Node) carryDir(oldPath, newPath string) *change {
	return &change{
		Change: spool.Change{Op: opMove, Path: oldPath + "/", To: newPath + "/"}, node: n, dir: n.parent, name: n.name, attr: n.dir.attr,
	}
}

// routeBelow plans the passage of every draft below a directory, and of what
// only the journal keeps; v.mu is held.
func (v *Volume) routeBelow(m *move, c *Node, oldPath, newPath string) error {
	var failed error
	v.walk(c, func(n *Node) {
		_, draft := v.busy[n]
		if failed != nil || n.gone || !draft && !n.local {
			return
		}
		path := newPath + strings.TrimPrefix(v.path(n), oldPath)
		if n.kind != File {
			failed = v.keptBelow(m, n, path)
			return
		}
		p := &passage{n: n, from: n.parent, to: n.parent, oldName: n.name, newName: n.name, newPath: path, fate: carried}
		v.pause(n)
		n.mu.Lock()
		p.replaces = n.replaces
		if n.replaces == nil {
			p.fate = nothing
		}
		p.local = v.local.match(path, n.madeAs(n.name))
		n.mu.Unlock()
		m.passages = append(m.passages, p)
		failed = v.entitle(p)
	})
	return failed
}

// keptBelow plans the passage of a directory or symlink that the journal keeps.
func (v *Volume) keptBelow(m *move, n *Node, path string) error {
	p := &passage{n: n, from: n.parent, to: n.parent, oldName: n.name, newName: n.name, newPath: path, local: v.local.match(path, named)}
	m.passages = append(m.passages, p)
	return v.moveKept(m, p)
}

// seat gives a directory its new place in the tree; v.mu is held.
func (v *Volume) seat(c, to *Node, name string) {
	now := time.Now()
	from := c.parent
	c.parent, c.name, c.changed = to, name, now
	to.dir.children[name] = c
	delete(to.dir.tombs, name)
	from.dir.attr.Mtime, to.dir.attr.Mtime = now, now
}

// arriveBelow moves the drafts below a directory on, under their new names; v.mu is held.
func (v *Volume) arriveBelow(m *move) {
	for _, p := range m.passages {
		v.retitle(p)
	}
	for _, c := range m.changes {
		if c.Op == opMove {
			v.beginMove(c)
		}
	}
}

// beginMove remembers a move that the store has not followed yet; v.mu is held.
func (v *Volume) beginMove(mv *change) {
	v.moves = append(v.moves, mv)
	v.trails = append(v.trails, mv)
	if len(v.trails) > maxTrail {
		v.trails = v.trails[1:]
	}
}

// sources are the prefixes of the store under which what the tree shows at
// prefix may still be, itself included, older places first; v.mu is held.
func (v *Volume) sources(prefix string) []string {
	list := []string{prefix}
	for i := len(v.moves) - 1; i >= 0; i-- {
		m := v.moves[i]
		for _, p := range list {
			if rest, ok := strings.CutPrefix(p, m.To); ok {
				list = append([]string{m.Path + rest}, list...)
				break
			}
		}
	}
	// What is still at a place may be on its way elsewhere: the directory that
	// was moved away before this one took its name.
	return slices.DeleteFunc(list, func(p string) bool { return v.destination(p) != prefix })
}

// destination is where what the store has at prefix will be when all moves are done; v.mu is held.
func (v *Volume) destination(prefix string) string {
	for _, m := range v.moves {
		if rest, ok := strings.CutPrefix(prefix, m.Path); ok {
			prefix = m.To + rest
		}
	}
	return prefix
}

// maxTrail is how many directory moves are remembered after they are done.
const maxTrail = 1024

// trail is where the object that was at key may be by now, oldest place first:
// every directory move since, done or not, may have taken it along. v.mu is held.
func (v *Volume) trail(key string) []string {
	list := []string{key}
	for _, m := range v.trails {
		if rest, ok := strings.CutPrefix(list[len(list)-1], m.Path); ok {
			list = append(list, m.To+rest)
		}
	}
	return list
}

// loadMoving describes an object that is on its way between places, given
// oldest first. The new sidecar is put before the old one goes, so that looking
// from the newest place back finds one; a look that meets neither comes again.
func (v *Volume) loadMoving(ctx context.Context, places []string) (*version, error) {
	var bare *version
	for range 4 {
		bare = nil
		for i := len(places) - 1; i >= 0; i-- {
			ver, err := v.load(ctx, listing{key: places[i], side: sideInfo{etag: "?"}})
			if errors.Is(err, store.ErrNotExist) {
				continue
			}
			if err != nil || ver.sidecar().etag != "" {
				return ver, err
			}
			bare = ver
		}
	}
	if bare == nil {
		return nil, fmt.Errorf("describe %s: %w", places[len(places)-1], store.ErrNotExist)
	}
	return bare, nil
}

// moveObjects renames all that the store has below a directory's old name. It
// may be repeated: what has moved is not there any more.
func (v *Volume) moveObjects(ctx context.Context, c *change) error {
	var markers []string
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(movers)
	for token := ""; ; {
		page, err := v.store.List(gctx, c.Path, "", token, 0)
		if err != nil {
			return errors.Join(fmt.Errorf("list %s: %w", c.Path, err), g.Wait())
		}
		for _, o := range page.Objects {
			switch {
			case strings.HasSuffix(o.Key, "/"):
				markers = append(markers, o.Key)
			case isSidecarOf(o.Key, page.Objects):
			default:
				g.Go(func() error { return v.moveObject(gctx, c, o) })
			}
		}
		if page.Next == "" {
			break
		}
		token = page.Next
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return v.moveMarkers(ctx, c, markers)
}

// isSidecarOf says whether a key is that of a sidecar whose file is on the same
// page: that one takes it along. One whose file is on another page is looked at by itself.
func isSidecarOf(key string, page []store.Info) bool {
	base, ok := sidecar.Base(key)
	if !ok {
		return false
	}
	for _, o := range page {
		if o.Key == base {
			return true
		}
	}
	return false
}

func (v *Volume) moveObject(ctx context.Context, c *change, o store.Info) error {
	if base, ok := sidecar.Base(o.Key); ok {
		if _, err := v.store.Head(ctx, base); err == nil {
			return nil // its file takes it along
		}
	}
	l := listing{key: o.Key, etag: o.ETag, size: o.Size, modified: o.Modified}
	if side, err := v.store.Head(ctx, sidecar.Name(o.Key)); err == nil {
		l.side = sideInfo{side.ETag, side.Size, side.Modified}
	} else if !errors.Is(err, store.ErrNotExist) {
		return err
	}
	ver, err := v.load(ctx, l)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	one := &change{Change: spool.Change{Op: opRename, Path: o.Key, To: c.To + strings.TrimPrefix(o.Key, c.Path)}, ver: ver}
	if ver.damage != nil {
		return v.moveDamaged(ctx, one, o)
	}
	err = v.renameObject(ctx, one)
	if errors.Is(err, errTaken) {
		if err = v.divert(one); err == nil {
			err = v.renameObject(ctx, one)
			v.mu.Lock()
			v.seq.finish(one.aside)
			v.mu.Unlock()
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		return nil // removed elsewhere meanwhile
	}
	if err != nil {
		return err
	}
	ver = one.ver
	v.settleMoved(c, strings.TrimPrefix(o.Key, c.Path), ver)
	return nil
}

// moveDamaged moves what cannot be read as it is, its sidecar too: nothing is lost.
func (v *Volume) moveDamaged(ctx context.Context, c *change, o store.Info) error {
	for _, key := range []string{o.Key, sidecar.Name(o.Key)} {
		info, err := v.store.Head(ctx, key)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		to := c.To + strings.TrimPrefix(key, c.Path)
		_, err = v.store.Copy(ctx, store.Copy{
			Source: key, SourceIfMatch: info.ETag, Target: to, Size: info.Size,
			Attributes: store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata},
			Condition:  store.Condition{IfNone: true},
		})
		if errors.Is(err, store.ErrPrecondition) {
			if there, lookErr := v.store.Head(ctx, to); lookErr != nil || there.Size != info.Size || !maps.Equal(there.Metadata, info.Metadata) {
				continue // not by an earlier try: it stays where it is
			}
			err = nil
		}
		if err != nil {
			return fmt.Errorf("copy %s to %s: %w", key, to, err)
		}
		if err := v.deleteIfThere(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// moveMarkers makes the directories' markers under the new name, then removes the old ones, deepest first.
func (v *Volume) moveMarkers(ctx context.Context, c *change, markers []string) error {
	for _, key := range markers {
		info, err := v.store.Head(ctx, key)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		attr := store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata}
		to := c.To + strings.TrimPrefix(key, c.Path)
		if _, err := v.store.Put(ctx, to, bodyOf(nil), attr, store.Condition{}); err != nil {
			return fmt.Errorf("put %s: %w", to, err)
		}
	}
	for i := len(markers) - 1; i >= 0; i-- {
		if err := v.deleteIfThere(ctx, markers[i]); err != nil {
			return err
		}
	}
	return nil
}

// moveDone forgets the old places; v.mu is held.
func (v *Volume) moveDone(c *change) {
	for i, m := range v.moves {
		if m == c {
			v.moves = append(v.moves[:i:i], v.moves[i+1:]...)
			return
		}
	}
}

// settleMoved tells the tree's node, if it still stands where the move put it,
// where its version is now. One that was renamed since finds it by itself.
func (v *Volume) settleMoved(c *change, rest string, made *version) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := c.node
	for elem := range strings.SplitSeq(rest, "/") {
		if n == nil || n.dir == nil {
			return
		}
		n = n.dir.children[elem]
	}
	if n == nil || n.kind != File {
		return
	}
	key, etag := made.place()
	side := made.sidecar()
	n.listed = listing{key: key, etag: etag, size: made.cipher, modified: made.modified, side: side}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range []*version{n.ver, n.replaces} {
		if x != nil && bytes.Equal(x.iv, made.iv) && x.foreign() == made.foreign() {
			x.moved(key, etag, side)
		}
	}
}
