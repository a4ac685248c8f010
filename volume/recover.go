package volume

import (
	"bytes"
	"context"
	"encoding/json"
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
	for _, c := range changes {
		v.recoverChange(c)
	}
	known := make(map[spool.ID]bool)
	for _, e := range entries {
		known[e.ID] = true
		v.recoverEntry(e)
	}
	v.mu.Lock()
	v.linkDraws()
	v.mu.Unlock()
	close(v.recovered)
	return v.sweep(ctx, known)
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
func (v *Volume) recoverEntry(e spool.Entry) {
	var r record
	if err := json.Unmarshal(e.Data, &r); err != nil {
		v.log.Error("a draft's journal entry cannot be read", "path", e.Path, "id", e.ID, "cause", err)
		v.quarantine(e.ID, "journal entry cannot be read")
		return
	}
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
	if err != nil {
		v.log.Error("a draft cannot be taken up", "path", e.Path, "cause", err)
		v.quarantine(e.ID, err.Error())
		return
	}
	v.mu.Lock()
	v.plant(n, e.Path)
	v.busy[n] = struct{}{}
	v.mu.Unlock()
	if r.Making != nil {
		v.mu.Lock()
		ticket := v.seq.claim(func() {}, r.At)
		v.mu.Unlock()
		v.background(func() { v.settleMaking(n, e, r, ticket) })
		return
	}
	v.log.Info("draft taken up", "path", e.Path, "state", n.state.String(), "bytes", e.Size)
	if n.state == Queued {
		v.mu.Lock()
		v.startAttempt(n)
		v.mu.Unlock()
	}
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
	if r.Base != nil && r.Replaces != nil && string(r.Base.IV) == string(r.Replaces.IV) {
		replaces = ver
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if d, name := v.grow(e.Path); ver != nil {
		// A queued rename may carry the same version to the same name: one object, one description.
		if c := d.dir.children[name]; c != nil && c.ver != nil && string(c.ver.iv) == string(ver.iv) {
			if replaces == ver {
				replaces = c.ver
			}
			ver = c.ver
		}
	}
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
func (v *Volume) settleMaking(n *Node, e spool.Entry, r record, ticket *ticket) {
	ver, err := r.Making.version()
	if err != nil {
		v.log.Error("a draft cannot be taken up", "path", e.Path, "cause", err)
	}
	var ours bool
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
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seq.finish(ticket)
	if ours && r.Newer {
		// The object has arrived, and something newer was promised since.
		n.mu.Lock()
		n.ver, n.replaces = ver, ver
		if !r.Asked {
			n.state, n.asked = Interrupted, 0
		}
		n.mu.Unlock()
		if r.Asked {
			v.startAttempt(n)
		}
		v.signal()
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
	v.background(func() { v.removeEntry(e.ID) })
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
