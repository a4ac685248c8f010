package volume

import (
	"cmp"
	"fmt"
	"time"

	"mcfs/spool"
	"mcfs/volume/entry"
	"mcfs/volume/file"
	"mcfs/volume/remote"
)

// entryOf describes the node's draft; v.mu is held and n locked.
func (v *Volume) entryOf(n *Node) (spool.Entry, error) {
	return v.entryAs(n, renamedDraft{path: v.path(n), state: n.content.State, asked: n.content.Asked, replaces: n.content.Replaces, kept: n.content.Kept})
}

// renamedDraft is what a rename changes of a draft.
type renamedDraft struct {
	path        string
	state       State
	asked, kept uint64
	replaces    *remote.Version
	localised   bool
}

// entryAs describes the node's draft as it will be after a rename; v.mu is held and n locked.
func (v *Volume) entryAs(n *Node, t renamedDraft) (spool.Entry, error) {
	id, wrapped, keyID, filed := n.content.SealedAsLocked()
	whole := n.content.BasedLocked() != nil
	r := entry.Record{
		Promised: t.kept > n.content.Committed, Asked: t.asked > n.content.Committed && t.kept <= t.asked, Blank: !filed && !whole, Bare: !filed && whole,
		Partial: n.content.IsPartialLocked(t.kept), Unchecked: n.content.PromisesUncheckedLocked(t.kept),
		Awaits:  n.content.Control == file.ClosedUnfinished,
		Uploads: n.content.Uploads, Base: n.content.Base.Record(), Replaces: t.replaces.Record(), At: cmp.Or(n.content.EarlyKeyLocked(), v.path(n)),
	}
	if filed {
		r.Boot = n.content.ThroughBootLocked()
	}
	if a := n.commit.AttemptLocked(); a != nil && a.VersionLocked() != nil && t.state != Lost {
		r.Making, r.At = a.VersionLocked().Record(), a.Path()
		r.Newer, r.Asked = t.kept > a.Gen(), r.Asked && t.asked > a.Gen()
		r.Older = t.kept < a.Gen()
		r.Loose = t.localised || v.localises(n, a.VersionLocked())
	}
	if t.kept > t.asked { // else they are of later content
		r.Flaws = n.content.Flaws.Records(file.FlawKinds)
	}
	e := spool.Entry{
		ID: id, Path: t.path, State: t.state.String(), Wrapped: wrapped, KeyID: keyID, Size: n.content.PromisedSizeLocked(t.kept),
		Attr: n.content.Attr, Updated: time.Now(),
	}
	if why := n.commit.Trouble(); why != nil {
		e.Reason = why.Error()
	}
	return r.In(e)
}

// snapshot is entryOf with the locks taken; ok is false where there is no draft.
func (v *Volume) snapshot(n *Node) (e spool.Entry, ok bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.content.Lock()
	defer n.content.Unlock()
	if n.gone || n.content.State == Clean {
		return spool.Entry{}, false, nil
	}
	e, err = v.entryOf(n)
	return e, err == nil, err
}

// journalEntry makes what the journal knows of the draft durable.
func (v *Volume) journalEntry(n *Node) error {
	v.names.RLock()
	defer v.names.RUnlock()
	return v.journalNamed(n)
}

// journalNamed is journalEntry with names held.
func (v *Volume) journalNamed(n *Node) error {
	err := v.spool.Journal().Update(func(tx *spool.Tx) error { return v.putEntry(tx, n) })
	if err != nil {
		return fmt.Errorf("journal %s: %w", n.Path(), err)
	}
	return nil
}

// putEntry puts what the draft is when the transaction runs: what was looked up before
// could take the place of what another one has put since.
func (v *Volume) putEntry(tx *spool.Tx, n *Node) error {
	e, ok, err := v.snapshot(n)
	if err != nil || !ok { // committed meanwhile: its entry is gone, and is not to come back
		return err
	}
	return tx.PutEntry(e)
}

// entryID is the id under which the journal knows the draft, if it has one.
func (n *Node) entryID() (spool.ID, bool) {
	n.content.Lock()
	defer n.content.Unlock()
	return n.content.EntryIDLocked()
}

// rejournal renews, soon, what the journal knows of the draft, if it is one still.
func (v *Volume) rejournal(n *Node) {
	was, filed := n.entryID()
	if !filed {
		return
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		if id, _ := n.entryID(); id != was {
			return nil // the file was begun anew meanwhile, and nobody was promised that yet
		}
		return v.putEntry(tx, n)
	})
}

// endOrKeepEntry forgets a committed draft's entry, or renews it if a later draft
// has one to keep. It does not wait: whatever is journaled next comes after it.
func (v *Volume) endOrKeepEntry(n *Node, id spool.ID, filed, rejournal bool) {
	if rejournal {
		v.background(func() {
			if err := v.journalEntry(n); err != nil {
				v.log.Error("the journal could not take a change: if mcfs is killed now, the next mount does not know of it", "path", n.Path(), "cause", err)
			}
		})
		return
	}
	if !filed {
		return
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		n.content.Lock()
		later := n.content.Renaming || n.content.State != Clean && n.content.Kept > n.content.Committed
		n.content.Unlock()
		if later {
			return nil // a later draft under the same id was promised meanwhile, or what a rename makes of it
		}
		return v.changes.EndEntry(tx, id)
	})
}

// finishEntry forgets an entry with which there is nothing left to do, soon: a crash before
// that finds as much.
func (v *Volume) finishEntry(id spool.ID) {
	v.spool.Journal().Later(func(tx *spool.Tx) error { return v.changes.EndEntry(tx, id) })
}

// keepDrafts makes every draft durable before the volume stops.
func (v *Volume) keepDrafts() {
	v.mu.Lock()
	drafts := make([]*Node, 0, len(v.busy))
	for n := range v.busy {
		drafts = append(drafts, n)
	}
	v.mu.Unlock()
	for _, n := range drafts {
		if err := n.content.Keep(file.Behind); err != nil {
			v.log.Error("draft is not safe in the spool", "path", n.Path(), "cause", err)
		}
	}
}
