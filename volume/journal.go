package volume

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mcfs/spool"
	"mcfs/volume/flaw"
	"mcfs/volume/remote"
)

// record is what the volume adds to a journal entry of the spool.
type record struct {
	Promised bool           `json:"promised"`       // content that an fsync, a close or an interruption promised to keep
	Asked    bool           `json:"asked"`          // the commit of just that was asked for
	Blank    bool           `json:"blank"`          // no sealed file: the content is empty
	Bare     bool           `json:"bare,omitempty"` // no sealed file: the content is Base's
	Body     []byte         `json:"body,omitempty"` // of a symlink kept here: its encrypted target
	Base     *remote.Record `json:"base,omitempty"`
	Replaces *remote.Record `json:"replaces,omitempty"`
	Making   *remote.Record `json:"making,omitempty"`  // a version whose object may have been made
	Newer    bool           `json:"newer,omitempty"`   // what is promised was written after Making was frozen
	Older    bool           `json:"older,omitempty"`   // what is promised, and in the spool, was written over before Making was frozen
	Partial  bool           `json:"partial,omitempty"` // it was to be kept, and could not: an upload alone has some of it
	Loose    bool           `json:"loose,omitempty"`   // Making ends under its name, from which a rename to a local-only name draws the file
	Uploads  []string       `json:"uploads,omitempty"` // multipart uploads to abort after a crash
	Flaws    []flaw.Record  `json:"flaws,omitempty"`   // of what is promised: writes that failed
	At       string         `json:"at,omitempty"`      // the key of Making and Uploads

	// Unchecked: bytes of Base that nobody has checked may be in the sealed file. Older programs did not say.
	Unchecked bool `json:"unchecked,omitempty"`

	// Boot is that of the machine in which the content was promised, and through which alone it
	// is: its sealed file was never fsynced. Empty: it was, or there is none.
	Boot string `json:"boot,omitempty"`
}

// entryID is the id under which the journal knows the node: its sealed file's; n is locked.
func (n *Node) entryID() (spool.ID, bool) {
	if n.stored != nil {
		return n.stored.ID, true
	}
	if n.file == nil {
		return n.blankID, n.blankID != spool.ID{}
	}
	return n.file.ID(), true
}

// entry describes the node's draft; v.mu is held and n locked.
func (v *Volume) entry(n *Node) (spool.Entry, error) {
	return v.entryAs(n, title{path: v.path(n), state: n.state, asked: n.asked, replaces: n.replaces, kept: n.kept})
}

// title is what a rename changes of a draft.
type title struct {
	path        string
	state       State
	asked, kept uint64
	replaces    *remote.Version
	drawn       bool
}

// entryAs describes the node's draft as it will be under another title; v.mu is held and n locked.
func (v *Volume) entryAs(n *Node, t title) (spool.Entry, error) {
	filed := n.file != nil || n.stored != nil
	if !filed && n.blankID == (spool.ID{}) {
		n.blankID = spool.NewID()
	}
	id, _ := n.entryID()
	wrapped, keyID := n.wrapped, n.keyID
	if n.stored != nil {
		wrapped, keyID = n.stored.Wrapped, n.stored.KeyID
	}
	whole := n.ver != nil && !n.blank // there are bytes to be had from the base
	r := record{
		Promised: t.kept > n.committed, Asked: t.asked > n.committed && t.kept <= t.asked, Blank: !filed && !whole, Bare: !filed && whole,
		Partial: n.unsafe > max(t.kept, n.committed), Unchecked: n.promisesUnchecked(t.kept),
		Uploads: n.uploads, Base: n.ver.Record(), Replaces: t.replaces.Record(), At: cmp.Or(n.aimed(), v.path(n)),
	}
	if filed {
		r.Boot = n.throughBoot()
	}
	if a := n.attempt; a != nil && a.ver != nil && t.state != Lost {
		r.Making, r.At = a.ver.Record(), a.path
		r.Newer, r.Asked = t.kept > a.gen, r.Asked && t.asked > a.gen
		r.Older = t.kept < a.gen
		r.Loose = t.drawn || v.drawsAway(n, a.ver)
	}
	if t.kept > t.asked { // else they are of later content
		r.Flaws = n.flaws.Records(flawKinds)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return spool.Entry{}, fmt.Errorf("journal %s: %w", t.path, err)
	}
	size := n.size()
	if n.file != nil && t.kept > n.committed {
		size = n.file.Kept() // of what is promised
	}
	e := spool.Entry{
		ID: id, Path: t.path, State: t.state.String(), Wrapped: wrapped, KeyID: keyID, Size: size,
		Attr: n.attr, Updated: time.Now(), Data: data,
	}
	if why := n.trouble(); why != nil {
		e.Reason = why.Error()
	}
	return e, nil
}

// throughBoot is record.Boot of the node's sealed file; n is locked.
func (n *Node) throughBoot() string {
	switch {
	case n.stored != nil:
		return n.boot
	case n.ver != nil || n.file.Durable():
		return ""
	}
	return n.v.boot
}

// loose reports whether the content may be gone, since the machine went down before the
// disk had what no fsync had asked for: then what is there of it is all that there is.
func (r record) loose(boot string) bool { return r.Boot != "" && r.Boot != boot }

// trouble is why the draft is not committed; v.mu is held and n locked.
func (n *Node) trouble() error {
	if why := n.reason(); why != nil || n.attempt == nil {
		return why
	}
	if up := n.attempt.up.Load(); up != nil {
		return up.Trouble().Cause
	}
	return nil
}

// snapshot is entry with the locks taken; ok is false where there is no draft.
func (v *Volume) snapshot(n *Node) (e spool.Entry, ok bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n.lock()
	defer n.unlock()
	if n.gone || n.state == Clean {
		return spool.Entry{}, false, nil
	}
	e, err = v.entry(n)
	return e, err == nil, err
}

// journalEntry makes what the journal knows of the draft durable.
func (v *Volume) journalEntry(n *Node) error {
	v.names.RLock()
	defer v.names.RUnlock()
	return v.journalNamed(n)
}

// journalNamed is journalEntry for who holds names.
func (v *Volume) journalNamed(n *Node) error {
	e, ok, err := v.snapshot(n)
	if err != nil || !ok {
		return err
	}
	err = v.spool.Journal().Update(func(tx *spool.Tx) error {
		if n.peekState() == Clean { // committed meanwhile: its entry is gone, and is not to come back
			return nil
		}
		return tx.PutEntry(e)
	})
	if err != nil {
		return fmt.Errorf("journal %s: %w", e.Path, err)
	}
	return nil
}

// promise is why a draft is made durable.
type promise uint8

const (
	behind  promise = iota // nobody's of the content as it is: what a close asked for stays instead, if it is safe
	closed                 // a close's
	fsynced                // an fsync's
)

// keep makes the draft's bytes, map and journal entry durable in the spool. Of a file
// of which an upload alone has some bytes only the entry, so that the next mount can
// name it; that is an error, with a *spool.SentError.
func (v *Volume) keep(n *Node, p promise) error {
	err := v.keepBytes(n, p)
	if err != nil && !isSent(err) {
		return err
	}
	return errors.Join(err, v.journalEntry(n))
}

// keepBytes makes the bytes and the map durable, and has the spool hold them until the
// commit; the journal entry is to follow.
func (v *Volume) keepBytes(n *Node, p promise) error {
	n.lock()
	file, gen := n.file, n.gen
	if n.state == Clean || n.state == Lost {
		n.unlock()
		return nil
	}
	if p == behind && n.rewritten() {
		n.unlock()
		return nil
	}
	if err := n.holdBytes(); err != nil {
		n.unsafe = gen
		n.unlock()
		return n.outOfReach("cannot make a file safe of which parts were sent", err)
	}
	n.keeping++
	n.unlock()
	var err error
	if file != nil {
		err = file.Sync(false)
	}
	n.lock()
	n.keeping--
	if err == nil {
		n.kept = max(n.kept, gen)
	}
	n.unlock()
	if err != nil {
		return fromSpool(fmt.Errorf("sync %s: %w", n.Path(), err))
	}
	return nil
}

// keepFast is enough for kill -9: what a close under a local-only name needs. The
// bytes may wait for the disk, as the system has them, and the entry says so; the
// journal may not, for nobody but it knows of the file.
func (v *Volume) keepFast(n *Node) error {
	n.lock()
	file, gen := n.file, n.gen
	held, told := n.holdBytes(), n.told
	if held != nil && told {
		n.unsafe = gen // as the next mount is to know: only a rename can have it committed
	}
	n.unlock()
	switch {
	case held != nil && told:
		n.v.log.Warn("a file larger than the spool was closed under a temporary name: it is not safe before it is renamed and uploaded", "path", n.Path())
		return n.v.journalEntry(n)
	case held != nil:
		return nil // the last close commits it; before that nobody is promised what does not fit into the spool
	}
	if file != nil {
		if err := file.Sync(true); err != nil {
			return fromSpool(fmt.Errorf("keep %s: %w", n.Path(), err))
		}
	}
	n.lock()
	n.kept = max(n.kept, gen)
	n.unlock()
	return v.journalEntry(n)
}

// rejournal renews, soon, what the journal knows of the draft, if it is one still.
func (v *Volume) rejournal(n *Node) {
	v.names.RLock()
	defer v.names.RUnlock()
	e, ok, err := v.snapshot(n)
	if err != nil {
		v.log.Error("journal", "path", n.Path(), "cause", err)
	}
	if !ok {
		return
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		n.lock()
		id, filed := n.entryID()
		n.unlock()
		if !filed || id != e.ID {
			return nil // the file was begun anew meanwhile, and what it was is not to come back
		}
		return tx.PutEntry(e)
	})
}

// settleEntry forgets a committed draft's entry, or renews it if a later draft
// has one to keep. It does not wait: whatever is journaled next comes after it.
func (v *Volume) settleEntry(n *Node, id spool.ID, filed, rejournal bool) {
	if rejournal {
		v.background(func() {
			if err := v.journalEntry(n); err != nil {
				v.log.Error("journal", "path", n.Path(), "cause", err)
			}
		})
		return
	}
	if !filed {
		return
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		n.lock()
		later := n.entitled || n.state != Clean && n.kept > n.committed
		n.unlock()
		if later {
			return nil // a later draft under the same id was promised meanwhile, or what a rename makes of it
		}
		return v.endEntry(tx, id)
	})
}

// finishEntry forgets an entry with which there is nothing left to do, soon: a crash before
// that finds as much.
func (v *Volume) finishEntry(id spool.ID) {
	v.spool.Journal().Later(func(tx *spool.Tx) error { return v.endEntry(tx, id) })
}

// dropEntry forgets, soon, the entry of what is in quarantine, or was never promised: what
// was to be drawn for it stays in the store.
func (v *Volume) dropEntry(id spool.ID) {
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteEntry(id) })
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
		if err := v.keep(n, behind); err != nil {
			v.log.Error("draft is not safe in the spool", "path", n.Path(), "cause", err)
		}
	}
}
