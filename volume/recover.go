package volume

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"strings"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
)

// recover takes up what an earlier mount left in the spool: queued changes of
// names first, so that the tree shows what was promised, then drafts.
func (v *Volume) recover(ctx context.Context) error {
	j := v.spool.Journal()
	changes, err := j.Changes()
	if err != nil {
		return err
	}
	uploads, err := j.Uploads()
	if err != nil {
		return err
	}
	for _, u := range uploads {
		v.abortUpload(store.Upload{Key: u.Key, ID: u.ID}, straggle) // the store copies on, though nobody listens
	}
	entries, err := j.Entries()
	if err != nil {
		return err
	}
	v.names.Lock()
	defer v.names.Unlock()
	v.versions = make(map[string]*version)
	drafts, known := v.readEntries(entries)
	for _, c := range changes {
		v.recoverChange(c)
	}
	for _, d := range drafts {
		v.recoverEntry(d)
	}
	v.mu.Lock()
	v.linkDraws()
	v.mu.Unlock()
	v.versions = nil
	close(v.recovered)
	return v.sweep(ctx, known)
}

// kept is a draft as the journal has it.
type kept struct {
	spool.Entry
	record
	ticket *ticket // where it is to be seen whether its object has arrived
}

// readEntries reads the drafts. What waited for the object of one to arrive was
// queued after its request had left, and waits again until that is settled.
func (v *Volume) readEntries(entries []spool.Entry) (drafts []*kept, known map[spool.ID]bool) {
	known = make(map[spool.ID]bool)
	for _, e := range entries {
		known[e.ID] = true
		k := &kept{Entry: e}
		if err := json.Unmarshal(e.Data, &k.record); err != nil {
			v.log.Error("a draft's journal entry cannot be read", "path", e.Path, "id", e.ID, "cause", err)
			v.quarantine(e.ID, "journal entry cannot be read")
			continue
		}
		if k.Making != nil {
			v.mu.Lock()
			k.ticket = v.seq.claim(func() {}, k.At)
			v.mu.Unlock()
		}
		drafts = append(drafts, k)
	}
	return drafts, known
}

// oneOf gives one version that is described in several places one description.
func (v *Volume) oneOf(x *version) *version {
	if x == nil || len(x.iv) == 0 {
		return x
	}
	x.over = v.oneOf(x.over)
	same := v.versions[string(x.iv)]
	switch {
	case same == nil:
		v.versions[string(x.iv)] = x
		return x
	case same.etag == "" && x.etag != "":
		same.moved(x.key, x.etag, x.side)
	}
	return same
}

// recoverChange puts a queued change back into the tree and into the queue.
func (v *Volume) recoverChange(sc spool.Change) {
	c := &change{Change: sc, again: true}
	if err := c.unpack(); err != nil {
		v.log.Error("a queued change cannot be read and stays in the journal", "what", sc.Op, "path", sc.Path, "cause", err)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c.ver, c.replaces = v.oneOf(c.ver), v.oneOf(c.replaces)
	switch c.Op {
	case opRemove, opRmdir, opDraw:
		d, name := v.grow(c.Path)
		delete(d.dir.children, name)
		d.dir.tombs[name] = &tomb{}
		c.dir, c.name = d, name
	case opRename:
		d, name := v.grow(c.Path)
		n := d.dir.children[name]
		delete(d.dir.children, name)
		d.dir.tombs[name] = &tomb{}
		c.dir, c.name = d, name
		if n == nil && c.ver.attr.Mode&modeType == modeSymlink {
			n = v.newLink(nil, "", c.ver)
		} else if n == nil {
			n = v.newNode(File, nil, "")
			n.setVersion(c.ver)
		} else if n.ver != nil {
			c.ver = n.ver // one version, moved twice
		}
		v.plant(n, c.To)
		c.node = n
	case opMove:
		v.recoverMove(c)
	case opLink:
		c.ver.body = c.body
		l := v.newLink(nil, "", c.ver)
		v.plant(l, c.Path)
		c.node = l
	case opMkdir:
		d, name := v.grow(c.Path)
		if d.dir.children[name] == nil {
			d.dir.children[name] = v.newDir(d, name)
		}
		if sub := d.dir.children[name]; sub.kind == Dir {
			sub.dir.attr, sub.dir.described = c.attr, true
			c.node = sub
		}
	case opAttr:
		v.recoverAttr(c)
	}
	v.enqueue(c)
}

// recoverAttr shows attributes that were set and are not in the store yet.
func (v *Volume) recoverAttr(c *change) {
	d, name := v.grow(c.Path)
	n := d.dir.children[name]
	switch {
	case n == nil && d.dir.tombs[name] != nil:
		return
	case n == nil && c.ver.attrMode()&modeType == modeSymlink:
		n = v.newLink(nil, "", c.ver)
	case n == nil:
		if key, etag := c.ver.place(); key != c.Path && len(v.sources(c.Path)) == 1 {
			c.ver.moved(c.Path, etag, sideInfo{}) // with a directory above, before the crash
		}
		n = v.newNode(File, nil, "")
		n.setVersion(c.ver)
	case n.ver == nil || !bytes.Equal(n.ver.iv, c.ver.iv):
		return
	}
	n.attr, c.ver, c.node = c.attr, n.ver, n
	v.plant(n, c.Path)
}

// recoverMove moves what the tree knows of a directory, and remembers its old place.
func (v *Volume) recoverMove(c *change) {
	d, name := v.grow(c.Path)
	n := d.dir.children[name]
	delete(d.dir.children, name)
	d.dir.tombs[name] = &tomb{}
	c.dir, c.name = d, name
	if n == nil || n.kind != Dir {
		n = v.newDir(nil, "")
		n.dir.attr = c.attr
	}
	v.plant(n, c.To)
	c.node = n
	v.beginMove(c)
}

// grow finds the directory of a path, making what is missing, and the last element.
func (v *Volume) grow(p string) (*Node, string) {
	p = strings.TrimSuffix(p, "/")
	d := v.root
	dir, name := path.Split(p)
	for elem := range strings.SplitSeq(strings.TrimSuffix(dir, "/"), "/") {
		if elem == "" {
			continue
		}
		c := d.dir.children[elem]
		if c == nil || c.kind != Dir {
			c = v.newDir(d, elem)
			d.dir.children[elem] = c
		}
		d = c
	}
	return d, name
}

// plant gives a node a place.
func (v *Volume) plant(n *Node, p string) {
	p = strings.TrimSuffix(p, "/")
	d, name := v.grow(p)
	n.parent, n.name, n.changed = d, name, time.Now()
	delete(d.dir.tombs, name)
	d.dir.children[name] = n
}

// recoverEntry brings a draft back. What nobody was promised is dropped; what
// may have reached the store already is settled by looking.
func (v *Volume) recoverEntry(k *kept) {
	e, r := k.Entry, k.record
	for _, id := range r.Uploads {
		v.abortUpload(store.Upload{Key: r.At, ID: id}, 0)
	}
	if keepsNode(e.Attr) {
		v.mu.Lock()
		err := v.recoverKept(e, r)
		v.mu.Unlock()
		if err != nil {
			v.log.Error("a journal entry cannot be taken up", "path", e.Path, "cause", err)
		}
		return
	}
	if r.Making == nil && !r.Promised {
		v.log.Info("an unfinished draft that was never closed nor synced is gone", "path", e.Path)
		v.removeEntry(e.ID)
		return
	}
	n, err := v.draftOf(e, r)
	making, err2 := r.Making.version()
	if err = errors.Join(err, err2); err != nil {
		v.log.Error("a draft cannot be taken up", "path", e.Path, "cause", err)
		v.quarantine(e.ID, err.Error())
		return
	}
	v.mu.Lock()
	v.plantDraft(n, e.Path)
	making = v.oneOf(making)
	v.mu.Unlock()
	if making != nil {
		v.background(func() { v.settleMaking(n, k, making) })
		return
	}
	v.log.Info("draft taken up", "path", e.Path, "state", n.state.String(), "bytes", e.Size)
	if n.state == Queued {
		v.mu.Lock()
		v.startAttempt(n)
		v.mu.Unlock()
	}
}

// plantDraft gives a draft its place. What is queued about the version by its
// name concerns it from now on; v.mu is held.
func (v *Volume) plantDraft(n *Node, p string) {
	d, name := v.grow(p)
	if old := d.dir.children[name]; old != nil && old.kind == File {
		old.gone = true
		for _, c := range v.changes {
			if c.node == old && c.Op == opRename {
				c.node = n
				old.queued--
				n.queued++
			}
		}
	}
	v.plant(n, p)
	v.busy[n] = struct{}{}
}

// draftOf makes the node of an entry, without its bytes: those wait for the keeper.
func (v *Volume) draftOf(e spool.Entry, r record) (*Node, error) {
	ver, err := r.Base.version()
	if err != nil {
		return nil, err
	}
	replaces, err := r.Replaces.version()
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	ver, replaces = v.oneOf(ver), v.oneOf(replaces)
	n := v.newNode(File, nil, "")
	n.ver, n.replaces, n.attr, n.described = ver, replaces, e.Attr, true
	n.gen, n.kept = 1, 1
	n.stored = &e
	if r.Blank || r.Bare {
		n.blank, n.blankID, n.stored = r.Blank, e.ID, nil
	}
	n.state = Interrupted
	switch {
	case e.State == Local.String():
		n.state = Local
	case r.Asked, r.Making != nil:
		n.state, n.asked = Queued, 1
	}
	return n, nil
}

// settleMaking looks whether an object that was on its way when the last mount
// ended has arrived. If so its sidecar is published; if not the draft starts over.
func (v *Volume) settleMaking(n *Node, k *kept, ver *version) {
	e, r := k.Entry, k.record
	var ours bool
	var err error
	for tries := 0; err == nil; tries++ {
		ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
		ours, err = v.isOurs(ctx, ver, r.At)
		if err == nil && ours {
			err = v.publishRecovered(ctx, ver, r.At)
		}
		cancel()
		if err == nil || v.ctx.Err() != nil || !transient(err) {
			break
		}
		select {
		case <-time.After(backoff(tries)):
			err = nil
		case <-v.ctx.Done():
			return
		}
	}
	if v.ctx.Err() != nil {
		return
	}
	if err != nil {
		v.log.Error("what the store has of a draft is not clear; it is sent again", "path", e.Path, "cause", err)
		ours = false
	}
	if err := n.lockOpening(v.ctx); err != nil {
		return
	}
	defer n.unlockOpening() // nobody opens its sealed file in the middle
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seq.finish(k.ticket)
	n.mu.Lock()
	since := n.gen > 1 || n.state == Lost
	n.mu.Unlock()
	if ours && (r.Newer || since) {
		v.resumeNewer(n, r, ver)
		return
	}
	if !ours {
		if !r.Promised {
			v.unlink(n.parent, n)
			delete(v.busy, n)
			v.background(func() {
				v.restoreSidecar(n.replaces, r.At) // it went when the commit was about to replace it
				v.removeEntry(e.ID)
			})
		} else {
			n.mu.Lock()
			if v.local.match(v.path(n), mkstemp) {
				n.state = Local
			}
			n.mu.Unlock()
			v.resume(n)
		}
		v.signal()
		return
	}
	n.mu.Lock()
	n.state, n.stored, n.blank = Clean, nil, false
	if n.file != nil {
		n.file.SetEvictable(0, -1) // somebody reads it: what the draft had is a cache now
	}
	reading := n.file != nil
	n.setVersion(ver)
	n.attr = mergeAttrs(r.Making.Attr, e.Attr, ver.attr) // what was set after the upload had begun to end
	n.committed = n.gen
	if attrDiffer(n.attr, ver) {
		v.background(func() { v.restate(n) })
	}
	n.mu.Unlock()
	delete(v.busy, n)
	v.signal()
	v.log.Info("an upload that had arrived before the last mount ended is finished", "path", e.Path)
	if reading {
		v.dropEntry(e.ID)
		return
	}
	v.background(func() { v.removeEntry(e.ID) })
}

// resumeNewer goes on with a draft whose object has arrived, and of which
// something newer was promised since; v.mu is held.
func (v *Volume) resumeNewer(n *Node, r record, ver *version) {
	drawn := v.drawsAway(n, ver)
	n.mu.Lock()
	if n.ver = ver; !drawn {
		n.replaces = ver
	}
	if !r.Newer {
		n.committed = 1 // only what was written since this mount began is newer
	}
	switch {
	case v.local.match(v.path(n), mkstemp):
		n.state, n.asked = Local, 0
	case n.gen > 1 && n.asked <= 1 && n.state == Queued && !r.Asked && !drawn:
		n.state, n.asked = Writing, 0
	case n.gen == 1 && !r.Asked && !drawn:
		n.state, n.asked = Interrupted, 0
	}
	due := n.state == Queued
	n.mu.Unlock()
	if due {
		v.startAttempt(n)
	}
	v.signal()
}

// publishRecovered publishes the sidecar of an object that arrived, unless it has one.
func (v *Volume) publishRecovered(ctx context.Context, ver *version, key string) error {
	info, err := v.store.Head(ctx, key)
	if err != nil {
		return err
	}
	ver.moved(key, info.ETag, sideInfo{})
	ver.mu.Lock()
	ver.modified = info.Modified
	ver.mu.Unlock()
	there, err := v.lookSidecar(ctx, key)
	if err != nil {
		return err
	}
	if there != nil {
		if doc, err := sidecar.Parse(there.text); err == nil && string(doc.IV) == string(ver.iv) {
			v.adoptSidecar(ver, there)
			return nil
		}
		err = v.putSidecar(ctx, ver, key, store.Condition{IfMatch: there.info.etag}, nil)
	} else {
		err = v.putSidecar(ctx, ver, key, store.Condition{IfNone: true}, nil)
	}
	if err != nil {
		return err
	}
	return v.withdrawIfLate(ctx, ver, key)
}
