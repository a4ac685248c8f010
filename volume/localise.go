package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/commit"
	"mcfs/volume/fetch"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// localiseLimit is the largest version that is localised, in bytes of plaintext, unless
// all of it is in the spool already. A larger one is renamed in the store.
const localiseLimit = 64 << 20

// canLocalise reports whether the spool is to take the bytes of ver; n is locked.
func (v *Volume) canLocalise(n *Node, ver *remote.Version) bool {
	if n.kind != File || ver.Foreign() || ver.Damage != nil {
		return false
	}
	if n.content.IsAllHereLocked() {
		return true
	}
	size := ver.Plain
	used, limit := v.spool.Usage()
	return size <= v.localiseLimit && used+2*size < limit
}

// localise is the work of changes.Localise.
func (v *Volume) localise(ctx context.Context, c *change) error {
	select {
	case <-v.recovered: // only then a change queued by an earlier mount knows its file
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if c.node == nil && c.Again && !v.changes.IsUnwanted(&c.Change) {
		v.log.Error("a version that was to go from the store once its bytes are in the spool is kept there: the journal does not know its file any more",
			"path", c.Path)
		c.Stays = true
		return nil
	}
	// Where c.Ver never arrived the file rests on what it was to replace.
	for ver := c.Ver; ver != nil && c.node != nil; ver = ver.Fallback() {
		if err := v.fetchLocalised(ctx, c.node, ver); err != nil {
			return err
		}
	}
	if c.Stays = c.node != nil && c.node.content.PeekState() == Lost; c.Stays {
		return nil // should the version be there after all, nobody else has it
	}
	return v.removeLocalised(ctx, c)
}

// localises reports whether a queued localisation ends ver, a version of n: v.mu is held.
func (v *Volume) localises(n *Node, ver *remote.Version) bool {
	return slices.ContainsFunc(n.queued, func(c *change) bool { return c.Op == changes.Localise && c.Ver == ver })
}

// localisedGen is the generation of a file that is to be localised: a draft's, whatever
// is or is just being committed; v.mu is held and n locked.
func (n *Node) localisedGen() uint64 {
	gen := max(n.content.Gen, n.content.Committed+1)
	if a := n.commit.AttemptLocked(); a != nil && a.StageLocked() != commit.Waiting {
		gen = max(gen, a.Gen()+1)
	}
	return gen
}

// detachCommitted makes a draft of a file that has just been committed under the name
// from which it is to be localised; v.mu is held and n locked.
func (v *Volume) detachCommitted(n *Node) {
	n.content.Kept = n.content.Gen
	class := v.classByPath(n.kind, v.path(n))
	n.takeClass(class)
	n.content.BeginGraceLocked()
	if class == naming.Ordinary && n.content.Writers == 0 && n.content.Flaws == nil {
		n.content.Asked = n.content.Gen
	}
}

// fetchLocalised makes n independent of ver, unless the bytes are not needed any more.
func (v *Volume) fetchLocalised(ctx context.Context, n *Node, ver *remote.Version) error {
	if !v.wantsBytes(n, ver) {
		return nil
	}
	switch err := n.content.FetchAll(ctx); {
	case !v.wantsBytes(n, ver): // it was removed meanwhile, or written over
		n.forgetCache() // which may have been opened after the removal
		return nil
	case err == nil:
	case errors.Is(err, fetch.ErrStale) || commit.Permanent(err):
		v.loseLocalised(n, err)
		return nil
	case errors.Is(err, fetch.ErrClosed), errors.Is(err, file.ErrNoSpace):
		return errors.Join(changes.ErrBusy, err)
	default:
		return err
	}
	if err := v.detachBase(n, ver); err != nil {
		return err
	}
	if err := n.content.Keep(file.Closed); err != nil {
		n.content.Lock()
		n.content.Base = ver // the next try is to do all of this again
		n.content.Unlock()
		return fmt.Errorf("keep %s: %w", n.Path(), errors.Join(changes.ErrBusy, err))
	}
	return nil
}

// wantsBytes reports whether n still rests on ver.
func (v *Volume) wantsBytes(n *Node, ver *remote.Version) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	return !n.gone && n.content.Base == ver && n.content.State != Lost
}

// detachBase takes the base away from a file that has all its bytes itself.
func (v *Volume) detachBase(n *Node, ver *remote.Version) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	if a := n.commit.AttemptLocked(); a != nil && a.IsFrozen() || n.content.HasSnapshotLocked() {
		return fmt.Errorf("%s: %w", v.path(n), changes.ErrBusy)
	}
	if n.content.Base != ver {
		return nil
	}
	if !n.content.CutLooseLocked() {
		return fmt.Errorf("%s: %w", v.path(n), changes.ErrBusy) // fetched since the check
	}
	return nil
}

// loseLocalised gives up a file whose bytes are not in the store any more.
func (v *Volume) loseLocalised(n *Node, cause error) {
	path := n.Path()
	v.log.Error("a file renamed to a local-only name is lost: the version it had is gone from the store, or damaged there", "path", path, "cause", cause)
	n.content.Lock()
	n.content.StepLocked(file.EvLose)
	n.content.Failure = file.AsIO(cause)
	n.content.WakeLocked()
	id, filed := n.content.EntryIDLocked()
	n.content.Unlock()
	if filed {
		v.commits.Quarantine(id, cause.Error())
	}
}

// removeLocalised takes the version from its old name. Where a draft by that name waits
// to be committed, that is left to it: the name is never missing from the store.
func (v *Volume) removeLocalised(ctx context.Context, c *change) error {
	gone, err := v.removedBefore(ctx, c)
	if err != nil {
		return err
	}
	var successor *Node
	if !gone {
		successor = v.replaceByDraft(c)
	}
	if c.Stays = successor != nil; !c.Stays {
		return v.removeObject(ctx, c)
	}
	if err := v.journalEntry(successor); err != nil {
		successor.content.Lock()
		successor.content.Replaces = nil
		successor.content.Unlock()
		return errors.Join(changes.ErrBusy, err)
	}
	return nil
}

// removedBefore reports whether an earlier try, before a kill or a lost answer, has
// removed the version: to replace what is not there would look like another machine's doing.
func (v *Volume) removedBefore(ctx context.Context, c *change) (bool, error) {
	if !c.Again && c.Tries == 0 {
		return false, nil
	}
	info, _, err := v.remote.Find(ctx, c.Ver, c.Path)
	return err == nil && info.Key == "", err
}

// replaceByDraft has the draft that waits at the version's name replace it, unless another
// change of that name comes before. It returns the draft; nil: there is none.
func (v *Volume) replaceByDraft(c *change) *Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.nodeAt(c.Path)
	if n.isToReplace(c.Ver) {
		return n // so the last mount had it, which was killed before the journal knew that this is done
	}
	if n == nil || n.kind != File || n.commit.AttemptLocked() == nil || n.commit.AttemptLocked().StageLocked() != commit.Waiting || n.commit.IsPausedLocked() {
		return nil
	}
	if v.changes.PassesLocked(c.Path, &c.Change) {
		return nil
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.Replaces != nil || n.commit.AttemptLocked().IsFrozen() || n.content.HasSnapshotLocked() {
		return nil
	}
	n.content.Replaces = c.Ver
	return n
}

// isToReplace reports whether a draft is to replace the version.
func (n *Node) isToReplace(ver *remote.Version) bool {
	if n == nil || n.kind != File {
		return false
	}
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.State != Clean && n.content.State != Lost && n.content.Replaces == ver
}

// nodeAt is the node at a path as far as the tree knows it; nil: none. v.mu is held.
func (v *Volume) nodeAt(path string) *Node {
	n := v.root
	for _, elem := range naming.Elements(path) {
		if n == nil || n.dir == nil {
			return nil
		}
		n = n.dir.Get(elem)
	}
	return n
}

// linkLocalised sets the files of the localisations queued by an earlier mount, by the journal's ids; v.mu is held.
func (v *Volume) linkLocalised() {
	for n := range v.busy {
		n.content.Lock()
		id, filed := n.content.EntryIDLocked()
		n.content.Unlock()
		if !filed || id == (spool.ID{}) {
			continue
		}
		for _, said := range v.changes.LocalisingLocked(id) {
			c := treeOf(said)
			c.node, n.queued = n, append(n.queued, c)
		}
	}
}
