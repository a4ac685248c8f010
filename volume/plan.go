package volume

import (
	"fmt"
	"time"

	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/commit"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// storeStep is what a rename does with the version that the store has under the old name.
type storeStep uint8

const (
	stepNone     storeStep = iota // there is no version
	stepRename                    // it is renamed in the store
	stepLocalise                  // the new name is local-only: its bytes are fetched into the spool, then it is removed
	stepRemove                    // the draft was to replace it, and gets another name: it is removed
)

// plan is the rename of one file.
type plan struct {
	n                *Node
	from, to         *Node // directories
	oldName, newName string
	oldPath, newPath string
	class            naming.Class    // of the new name
	uploadKeys       []string        // the keys of uploads that go on
	stored           *remote.Version // what the store has under the old name once all that is queued is done
	step             storeStep       // what is done with stored
	replaces         *remote.Version // what the draft's commit is to replace at the new name
	entry            *spool.Entry
	attempt          *commit.Attempt // that was under way when entry was written
}

// checkHeld is holdForRename once more: what has been written since the first time
// may have begun another upload. v.mu is held.
func (v *Volume) checkHeld(n *Node, aims []string) error {
	n.content.Lock()
	defer n.content.Unlock()
	if err := n.content.HoldForRenameLocked(n.goesOn(aims)); err != nil {
		return fmt.Errorf("rename %s: %w", v.path(n), err)
	}
	return nil
}

// planFile plans the rename of n; v.mu is held.
func (v *Volume) planFile(n, to *Node, newName string) (*plan, error) {
	p := &plan{
		n: n, from: n.parent, to: to, oldName: n.name, newName: newName,
		oldPath: v.path(n), newPath: naming.Join(v.path(to), newName),
	}
	p.uploadKeys = v.uploadKeysAfter(to, newName, v.classOfRenamed(n, to, newName))
	if err := v.checkHeld(n, p.uploadKeys); err != nil {
		return nil, err
	}
	stopped := n.commit.PauseLocked() || v.localises(n, n.commit.AttemptLocked().VersionLocked())
	p.stored, p.class = v.storedAfterQueue(n), v.classOfRenamed(n, to, newName)
	n.content.Lock()
	defer n.content.Unlock()
	switch {
	case p.stored == nil:
		p.step = stepNone
	case stopped && !p.stored.Needs(n.content.Base):
		p.step = stepRemove
	case p.class != naming.Ordinary && v.canLocalise(n, p.stored):
		p.step = stepLocalise
	default:
		p.step, p.replaces = stepRename, n.content.Replaces
	}
	return p, nil
}

// madeAs is how a file's new name counts as made: some names are local-only for
// what was made under them alone, and that stays so while the name stays. n is locked.
func (n *Node) madeAs(newName string) naming.Creation {
	switch {
	case n.kind != File:
		return naming.AsDirectory
	case n.content.State == Local && n.name == newName:
		return naming.Mkstemp
	}
	return naming.AsFile
}

// renameEvents are what a new name means to the state machine; n is locked.
func (n *Node) renameEvents(to naming.Class, f storeStep) []file.Event {
	behind := n.content.State == Local || n.content.State == Temporary // also of a file whose commit has ended since f was decided
	switch {
	case n.content.State == Publishing, n.content.State == Lost, n.content.State == Clean && f != stepLocalise:
		return nil
	case to == naming.LocalOnly && (f != stepRename || behind):
		return []file.Event{file.EvHide}
	case to.IsGuess() && (f != stepRename || behind):
		return []file.Event{file.EvGuess}
	case behind && n.content.Writers == 0 && n.content.Flaws != nil:
		return []file.Event{file.EvMove, file.EvSpoil}
	case behind && n.content.Writers == 0:
		return []file.Event{file.EvMove, file.EvAsk}
	}
	return []file.Event{file.EvMove}
}

// describeRenamed describes the draft to the journal under its new name; v.mu is held.
func (v *Volume) describeRenamed(p *plan) error {
	n := p.n
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.State == Clean && p.step != stepLocalise {
		return nil
	}
	t := renamedDraft{
		path: p.newPath, state: n.content.State, asked: n.content.Asked, kept: max(n.content.Kept, n.content.PromisableLocked()), replaces: p.replaces,
		localised: p.step == stepLocalise,
	}
	for _, e := range n.renameEvents(p.class, p.step) {
		to, err := t.state.Next(e)
		if err != nil {
			return err
		}
		t.state = to
		if e == file.EvAsk {
			t.asked = n.content.Gen
		}
	}
	if p.step == stepLocalise {
		t.kept = max(t.kept, n.localisedGen()) // its content is promised from now on
	}
	e, err := v.entryAs(n, t)
	p.entry, p.attempt = &e, n.commit.AttemptLocked()
	return err
}

// renameChange is the change that renames the version in the store.
func (p *plan) renameChange(from, to string, over *remote.Version) *change {
	return &change{
		Change: changes.Change{Op: changes.Rename, Path: from, To: to, Ver: p.stored, Replaces: over},
		node:   p.n, dir: p.from, name: p.oldName,
	}
}

// localiseChange is the change that brings its bytes into the spool.
func (p *plan) localiseChange() *change {
	return &change{
		Change: changes.Change{Op: changes.Localise, Path: p.oldPath, Ver: p.stored, Entry: p.entry.ID},
		node:   p.n, dir: p.from, name: p.oldName,
	}
}

// enterNewName enters the file under its new name; v.mu is held.
func (v *Volume) enterNewName(p *plan) {
	n, now := p.n, time.Now()
	n.parent, n.name, n.changed = p.to, p.newName, now
	p.to.dir.Enter(p.newName, n)
	p.from.dir.Touch(now)
	p.to.dir.Touch(now)
	n.renamed(now)
	v.applyPlan(p)
}

// applyPlan makes a new name true for the draft and its state; v.mu is held.
func (v *Volume) applyPlan(p *plan) {
	n := p.n
	n.setRenaming(false)
	if n.local {
		n.local = p.class == naming.LocalOnly
		return
	}
	n.staged = p.class == naming.Staged
	overtaken := false
	n.content.Lock()
	if n.goesOn(p.uploadKeys) {
		n.content.GoOnToLocked(v.path(n))
		v.writers.Wake()
	} else if err := n.content.GiveUpEarlyLocked(); err != nil { // holdForRename has seen that it can be
		v.log.Error("an upload goes on under the name that its file had", "path", v.path(n), "cause", err)
	}
	if p.step != stepRename { // else it replaces the renamed version, which may just have been committed
		n.content.Replaces = p.replaces
	}
	if p.step == stepLocalise {
		n.content.Gen = n.localisedGen()
	}
	n.content.StopSnapshotLocked()
	if p.class != naming.Ordinary {
		n.content.SupersedeLocked()
	}
	if p.entry != nil {
		n.content.Kept = max(n.content.Kept, n.content.PromisableLocked())
		if p.step == stepLocalise {
			n.content.Kept = n.content.Gen // as the entry has it
		}
		overtaken = p.attempt != n.commit.AttemptLocked()
	}
	for _, e := range n.renameEvents(p.class, p.step) {
		n.content.StepLocked(e)
		if e == file.EvAsk {
			n.content.Asked = n.content.Gen
		}
	}
	n.content.BeginGraceLocked()
	n.content.Unlock()
	v.trackLocked(n)
	if overtaken { // its commit has ended since its entry was written
		v.endOrKeepEntry(n, p.entry.ID, true, n.content.PeekState() != Clean)
	}
}
