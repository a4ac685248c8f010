package volume

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/changes"
	"mcfs/volume/entry"
	"mcfs/volume/file"
	"mcfs/volume/flaw"
	"mcfs/volume/naming"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// recover takes up what an earlier mount left in the spool: queued changes of
// names first, so that the tree shows what was promised, then drafts.
func (v *Volume) recover(ctx context.Context) error {
	j := v.spool.Journal()
	queued, err := j.Changes()
	if err != nil {
		return err
	}
	uploads, err := j.Uploads()
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if !u.Since.IsZero() {
			v.announced.Seek(u)
			continue
		}
		v.orphans.Abort(store.Upload{Key: u.Key, ID: u.ID})
	}
	entries, err := j.Entries()
	if err != nil {
		return err
	}
	v.names.Lock()
	defer v.names.Unlock()
	v.versions = make(map[string]*remote.Version)
	drafts, known := v.readEntries(entries)
	for _, c := range queued {
		v.recoverChange(c)
	}
	for _, d := range drafts {
		v.recoverEntry(d)
	}
	if err := v.makeObjects(); err != nil {
		return err
	}
	v.mu.Lock()
	v.linkLocalised()
	v.recoverInFlight(drafts)
	v.mu.Unlock()
	v.versions = nil
	v.queue.Start() // before that, what is described here could be changed by what is carried out
	close(v.recovered)
	v.background(func() { v.findLocked(drafts) })
	return v.recoverUnlisted(ctx, known)
}

// recoveredDraft is a draft, or a local-only directory or symlink, as the journal has it.
type recoveredDraft struct {
	spool.Entry
	entry.Record
	// Where it is to be seen whether an object has arrived: what it is, and the
	// job that keeps other work on its name back until then.
	making *remote.Version
	job    *queue.Job
	node   *Node
}

// mention is what the journal says of a sealed file.
type mention struct{ there, loose bool }

// readEntries reads the drafts. What waited for the object of one to arrive was
// queued after its request had left, and waits again until that is known.
func (v *Volume) readEntries(entries []spool.Entry) (drafts []*recoveredDraft, known map[spool.ID]mention) {
	known = make(map[spool.ID]mention)
	for _, e := range entries {
		r, err := entry.Read(e)
		if err != nil {
			v.log.Error("a draft's journal entry cannot be read", "path", e.Path, "id", e.ID, "cause", err)
			v.commits.Quarantine(e.ID, "journal entry cannot be read")
			known[e.ID] = mention{there: true}
			continue
		}
		k := &recoveredDraft{Entry: e, Record: r}
		known[e.ID] = mention{there: true, loose: k.Boot != ""}
		if k.Making != nil {
			v.mu.Lock()
			k.job = v.queue.AddLocked(nil, k.At)
			v.mu.Unlock()
		}
		drafts = append(drafts, k)
	}
	return drafts, known
}

// oneOf gives one version that is described in several places one description.
func (v *Volume) oneOf(x *remote.Version) *remote.Version {
	if x == nil || len(x.IV) == 0 {
		return x
	}
	x.SetFallback(v.oneOf(x.Fallback()))
	same := v.versions[string(x.IV)]
	switch {
	case same == nil:
		v.versions[string(x.IV)] = x
		return x
	}
	if _, etag := same.Place(); etag == "" {
		if now := x.State(); now.ETag != "" {
			same.Moved(now.Key, now.ETag, now.Sidecar)
		}
	}
	return same
}

// recoverChange puts a queued change back into the tree and into the queue.
func (v *Volume) recoverChange(sc spool.Change) {
	read, err := changes.Read(sc)
	if err != nil {
		v.log.Error("a queued change cannot be read and stays in the journal", "what", sc.Op, "path", sc.Path, "cause", err)
		return
	}
	c := &change{Change: read}
	v.mu.Lock()
	defer v.mu.Unlock()
	c.Ver, c.Replaces = v.oneOf(c.Ver), v.oneOf(c.Replaces)
	switch c.Op {
	case changes.Remove, changes.Rmdir, changes.Localise:
		d, name := v.makeParents(c.Path)
		d.dir.Drop(name)
		d.dir.Bury(name)
		c.dir, c.name = d, name
	case changes.Rename:
		d, name := v.makeParents(c.Path)
		n := d.dir.Get(name)
		d.dir.Drop(name)
		d.dir.Bury(name)
		c.dir, c.name = d, name
		if n != nil && n.another(c.Ver) {
			n.gone, n = true, nil // an older version, of which only attributes were to be written
		}
		if n == nil && c.Ver.IsSymlink() {
			n = v.newLink(nil, "", c.Ver)
		} else if n == nil {
			n = v.newNode(File, nil, "")
			n.content.SetBaseLocked(c.Ver)
		} else if n.content.Base != nil {
			c.Ver = n.content.Base // one version, moved twice
		}
		v.putNode(n, c.To)
		c.node = n
	case changes.Move:
		v.recoverMove(c)
	case changes.Link:
		c.Ver.SetJournaled(c.Body)
		l := v.newLink(nil, "", c.Ver)
		v.putNode(l, c.Path)
		c.node = l
	case changes.Mkdir:
		d, name := v.makeParents(c.Path)
		if d.dir.Get(name) == nil {
			d.dir.Put(name, v.newDir(d, name))
		}
		if sub := d.dir.Get(name); sub.kind == Dir {
			sub.dir.State(c.Attr)
			c.node = sub
		}
	case changes.Attr:
		v.recoverAttr(c)
	}
	v.enqueue(c)
}

// another reports whether the node has certainly another version than x.
func (n *Node) another(x *remote.Version) bool {
	return n.content.Base != nil && len(n.content.Base.IV) > 0 && len(x.IV) > 0 && !bytes.Equal(n.content.Base.IV, x.IV)
}

// recoverAttr shows attributes that were set and are not in the store yet.
func (v *Volume) recoverAttr(c *change) {
	d, name := v.makeParents(c.Path)
	n := d.dir.Get(name)
	switch { // without a node it comes to nothing
	case n == nil && d.dir.WasRemoved(name):
		return
	case n == nil && c.Ver.IsSymlink():
		n = v.newLink(nil, "", c.Ver)
	case n == nil:
		if key, etag := c.Ver.Place(); key != c.Path && v.moves.AtRest(c.Path) {
			c.Ver.Moved(c.Path, etag, remote.Sidecar{}) // with a directory above, before the crash
		}
		n = v.newNode(File, nil, "")
		n.content.SetBaseLocked(c.Ver)
	case n.content.Base == nil || !bytes.Equal(n.content.Base.IV, c.Ver.IV):
		return
	}
	n.content.Attr, c.Ver, c.node = c.Attr, n.content.Base, n
	v.putNode(n, c.Path)
}

// recoverMove moves what the tree knows of a directory, and remembers its old place.
func (v *Volume) recoverMove(c *change) {
	d, name := v.makeParents(c.Path)
	n := d.dir.Get(name)
	d.dir.Drop(name)
	d.dir.Bury(name)
	c.dir, c.name = d, name
	if n == nil || n.kind != Dir {
		n = v.newDir(nil, "")
	}
	if c.Stated { // until it has moved, another directory's marker may stand at its name
		n.dir.StateMoved(c.Attr)
	}
	v.putNode(n, c.To)
	c.node = n
	v.moves.Begin(c.Path, c.To)
}

// makeParents returns the directory of a path, made where it is missing, and the last element.
func (v *Volume) makeParents(p string) (*Node, string) {
	p = strings.TrimSuffix(p, "/")
	d := v.root
	dir, name := path.Split(p)
	for elem := range strings.SplitSeq(strings.TrimSuffix(dir, "/"), "/") {
		if elem == "" {
			continue
		}
		c := d.dir.Get(elem)
		if c == nil || c.kind != Dir {
			c = v.newDir(d, elem)
			d.dir.Put(elem, c)
		}
		d = c
	}
	return d, name
}

// putNode puts a node at a path of the tree.
func (v *Volume) putNode(n *Node, p string) {
	p = strings.TrimSuffix(p, "/")
	d, name := v.makeParents(p)
	n.parent, n.name, n.changed = d, name, time.Now()
	d.dir.Enter(name, n)
}

// recoverEntry brings a draft back. What was not promised is dropped; what
// may have reached the store already is looked up there.
func (v *Volume) recoverEntry(k *recoveredDraft) {
	e, r := k.Entry, k.Record
	for _, id := range r.Uploads {
		v.orphans.Abort(store.Upload{Key: r.At, ID: id})
	}
	if entry.IsLocal(e) {
		v.mu.Lock()
		err := v.recoverLocal(e, r)
		v.mu.Unlock()
		if err != nil {
			v.log.Error("a journal entry cannot be taken up", "path", e.Path, "cause", err)
		}
		return
	}
	if r.IsLost() && e.State != Lost.String() {
		v.losePartial(&k.Entry)
		e = k.Entry
	}
	if !r.IsWanted(e) {
		v.removeUnpromised(k)
		return
	}
	if v.nothingCameBack(e, r) {
		r.Blank, r.Boot, e.Size = true, "", 0
		if e.State == Temporary.String() {
			e.State = Interrupted.String() // nobody means it as it is
		}
		v.log.Warn("a file that was never fsynced is empty: the machine went down before it was on the disk", "path", e.Path)
	}
	if r.Blank || r.Bare {
		v.clearPlace(e.ID)
	}
	n, err := v.draftOf(e, r)
	making, err2 := r.Making.Version()
	if err = errors.Join(err, err2); err != nil {
		v.log.Error("a draft cannot be taken up", "path", e.Path, "cause", err)
		v.commits.Quarantine(e.ID, err.Error())
		return
	}
	v.mu.Lock()
	v.putDraft(n, e.Path)
	if k.node, k.making = n, v.oneOf(making); making != nil {
		k.making.SetAttr(r.Making.Attr) // what a queued change says of it is older
	}
	v.mu.Unlock()
	if making != nil {
		return // recoverInFlight goes on with it
	}
	v.log.Info("draft taken up", "path", e.Path, "state", n.content.State.String(), "bytes", e.Size)
	if n.content.State == Queued {
		v.mu.Lock()
		n.commit.StartLocked()
		v.mu.Unlock()
	}
}

// putDraft puts a draft at a path of the tree. What is queued for the version by that
// name concerns the draft from now on; v.mu is held.
func (v *Volume) putDraft(n *Node, p string) {
	d, name := v.makeParents(p)
	if old := d.dir.Get(name); old != nil && old.kind == File {
		old.gone = true
		for _, c := range slices.Clone(old.queued) {
			if c.Op == changes.Rename {
				old.leave(c)
				c.node, n.queued = n, append(n.queued, c)
			}
		}
	}
	v.putNode(n, p)
	v.busy[n] = struct{}{}
}

// draftOf makes the node of an entry, without its bytes: those wait for the keeper.
func (v *Volume) draftOf(e spool.Entry, r entry.Record) (*Node, error) {
	ver, err := r.Base.Version()
	if err != nil {
		return nil, err
	}
	replaces, err := r.Replaces.Version()
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	ver, replaces = v.oneOf(ver), v.oneOf(replaces)
	n := v.newNode(File, nil, "")
	n.staged = v.classByPath(File, e.Path) == naming.Staged
	n.content.Recover(file.Recovered{
		Entry: &e, State: r.StateUnder(e, v.boot, v.classByPath(File, e.Path)), Base: ver, Replaces: replaces, Blank: r.Blank, Bare: r.Bare, Boot: r.Boot,
		Flaws: flaw.Recall(r.Flaws, file.FlawKinds, ErrIO), Unchecked: r.Unchecked, Awaits: r.Awaits && !r.IsLoose(v.boot),
	})
	return n, nil
}
