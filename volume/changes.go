package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume/commit"
	"mcfs/volume/file"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// What a queued change does to names in the store.
const (
	opRemove = "remove" // object and sidecar of Path
	opRename = "rename" // Path to To
	opMkdir  = "mkdir"  // put the marker of a directory
	opRmdir  = "rmdir"  // delete it
	opAttr   = "attr"   // put the sidecar again
)

// change is one queued change of names: true in the tree at once, journaled,
// and finished behind in the order of the tickets.
type change struct {
	spool.Change
	node     *Node           // whose change it is; nil if nothing here knows it any more
	ver      *remote.Version // what is removed or renamed
	replaces *remote.Version // what a rename replaces
	attr     sidecar.Attr
	body     []byte   // ciphertext of a symlink's target
	entry    spool.ID // of the draft that a localisation is for
	unwanted bool     // of a localisation: that entry has ended, and the bytes are not needed; guarded by Volume.mu
	stated   bool     // of a move: attr is what the directory's marker states, or what was set since
	bare     bool     // a rename to a name that is not to be shown: without a sidecar
	bareOld  bool     // a rename from such a name
	dir      *Node    // where a tomb stands
	name     string
	again    bool // taken up from the journal
	stays    bool // of a localisation that is done: the store keeps the version, which a draft replaces, or of which nobody else has the bytes
	// relocation is how far a rename of an object is.
	relocation remote.Relocation
	pace       *queue.Pace   // how far it is; set when it begins
	stride     *queue.Stride // of the try, with the object of a rename

	// Guarded by Volume.mu.
	job     *queue.Job // nil: more may come before it begins
	aside   *queue.Job // of the conflict name to which it was diverted
	timer   *time.Timer
	carries *remote.Version // ver as it was queued, counted there
	makes   bool            // a mkdir that makes the directory, and not one that restates its attributes
	waited  int             // times that it was put off
	reason  string          // of the last failure
	queue.Retry
}

// changeRecord is the volume's part of a queued change at rest.
type changeRecord struct {
	Ver      *remote.Record `json:"ver,omitempty"`
	Replaces *remote.Record `json:"replaces,omitempty"`
	Attr     sidecar.Attr   `json:"attr"`
	Body     []byte         `json:"body,omitempty"`
	Entry    *spool.ID      `json:"entry,omitempty"`
	Unwanted bool           `json:"unwanted,omitempty"` // earlier programs did not say
	Stated   bool           `json:"stated,omitempty"`
	Bare     bool           `json:"bare,omitempty"`
	BareOld  bool           `json:"bare_old,omitempty"`
}

func (c *change) pack() error {
	r := changeRecord{
		Ver: c.ver.Record(), Replaces: c.replaces.Record(), Attr: c.attr, Body: c.body,
		Stated: c.stated, Bare: c.bare, BareOld: c.bareOld,
	}
	if c.Op == opLocalise {
		r.Entry, r.Unwanted = &c.entry, c.unwanted
	}
	data, err := json.Marshal(r)
	c.Data = data
	return err
}

func (c *change) unpack() error {
	var r changeRecord
	if err := json.Unmarshal(c.Data, &r); err != nil {
		return err
	}
	var err, err2 error
	c.ver, err = r.Ver.Version()
	c.replaces, err2 = r.Replaces.Version()
	c.attr, c.body, c.stated, c.bare, c.bareOld = r.Attr, r.Body, r.Stated, r.Bare, r.BareOld
	if r.Entry != nil {
		c.entry, c.unwanted = *r.Entry, r.Unwanted
	}
	return errors.Join(err, err2)
}

// journalChanges makes changes durable, together with what else belongs to the same step;
// enqueue is to follow.
func (v *Volume) journalChanges(list []*change, also func(tx *spool.Tx) error) error {
	err := v.spool.Journal().Update(func(tx *spool.Tx) error {
		if err := v.putChanges(tx, list); err != nil || also == nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, c := range list {
			delete(v.coming, c)
		}
		return file.FromSpool(fmt.Errorf("journal: %w", err))
	}
	return nil
}

// putChanges puts new changes into a transaction, as they are when it runs. What the versions
// state that they carry on may change from then on, and before they are queued: so
// restateCarriers knows them already.
func (v *Volume) putChanges(tx *spool.Tx, list []*change) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range list {
		if err := c.pack(); err != nil {
			return fmt.Errorf("journal %s %s: %w", c.Op, c.Path, err)
		}
		seq, err := tx.AddChange(c.Change)
		if err != nil {
			return err
		}
		c.Seq = seq
		if c.ver != nil {
			v.coming[c] = struct{}{}
		}
	}
	return nil
}

// restateCarriers has the journal know with the changes that are to carry x on what
// x states by now: the next mount would show what it stated when they were queued.
// v.mu is held.
func (v *Volume) restateCarriers(x *remote.Version) {
	for c := range v.coming {
		if c.ver == x {
			v.restateComing(c)
		}
	}
	for _, c := range v.carriers[x] {
		if c.job.BegunLocked() || c.ver != x {
			continue // one that has begun looks at the store when it is taken up again
		}
		if err := c.pack(); err != nil {
			v.log.Error("journal", "what", c.Op, "path", c.Path, "cause", err)
			continue
		}
		v.journalSoon(c)
	}
}

// restateComing is restateCarriers for a change that is in the journal, or in a transaction
// that may fail, and not queued yet; v.mu is held.
func (v *Volume) restateComing(c *change) {
	if err := c.pack(); err != nil {
		v.log.Error("journal", "what", c.Op, "path", c.Path, "cause", err)
		return
	}
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		v.mu.Lock()
		_, coming := v.coming[c]
		there, kept := coming || v.changes[c.Seq] == c, c.Change
		v.mu.Unlock()
		if !there {
			return nil
		}
		return tx.PutChange(kept)
	})
}

// backoff is how long a commit, a change of names or what an earlier mount has left waits
// between tries.
var backoff = queue.Backoff{First: 500 * time.Millisecond, Longest: time.Minute}

// enqueue claims the paths of a journaled change; v.mu is held, in the same
// step in which the tree changes.
func (v *Volume) enqueue(c *change) {
	delete(v.coming, c)
	v.changes[c.Seq] = c
	if c.ver != nil {
		c.carries = c.ver
		v.carriers[c.ver] = append(v.carriers[c.ver], c)
	}
	if c.node != nil {
		c.node.queued = append(c.node.queued, c)
	}
	if c.Op == opLocalise {
		v.localising[c.entry] = append(v.localising[c.entry], c)
	}
	if c.dir != nil {
		c.dir.dir.leaves(c.name)
	}
	c.job = v.queue.AddLocked(func() { v.perform(c) }, c.claims()...)
}

// forgetChange takes a change that has ended out of what v.mu guards, but for its node's; v.mu is held.
func (v *Volume) forgetChange(c *change) {
	delete(v.changes, c.Seq)
	if c.carries != nil {
		takeOut(v.carriers, c.carries, c)
	}
	if c.Op == opLocalise {
		takeOut(v.localising, c.entry, c)
	}
}

// takeOut takes a change out of a list, and the list away with its last one.
func takeOut[K comparable](lists map[K][]*change, key K, c *change) {
	if lists[key] = without(lists[key], c); len(lists[key]) == 0 {
		delete(lists, key)
	}
}

// without is the list without a change.
func without(list []*change, c *change) []*change {
	return slices.DeleteFunc(list, func(x *change) bool { return x == c })
}

// leave takes a change that has ended, or is another node's now, from the node; v.mu is held.
func (n *Node) leave(c *change) { n.queued = without(n.queued, c) }

// claims are the paths of which it keeps other work back.
func (c *change) claims() []string {
	switch {
	case c.Op == opMkdir:
		return []string{queue.Alone(c.Path)}
	case c.To != "":
		return []string{c.Path, c.To}
	}
	return []string{c.Path}
}

// perform is one try of a change, on a worker.
func (v *Volume) perform(c *change) {
	v.mu.Lock()
	c.Next = time.Time{}
	if c.pace == nil {
		c.pace = queue.NewPace(&v.steps)
	}
	c.stride = c.pace.Stride(c.Path)
	v.mu.Unlock()
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	if c.Op == opRename || c.Op == opMove || c.Op == opLocalise {
		cancel()
		ctx, cancel = context.WithCancel(v.ctx) // these take as long as the size asks; the store has a deadline without progress
	}
	err := v.carryOut(ctx, c)
	cancel()
	if v.ctx.Err() != nil {
		return // the journal has it
	}
	if errors.Is(err, remote.ErrTaken) {
		if err = v.moveToConflictName(c); err == nil {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.queue.AgainLocked(c.job, 0)
			return
		}
	}
	if c.worthAnother(err) {
		v.performLater(c, err)
		return
	}
	switch {
	case errors.Is(err, store.ErrNotExist):
		v.log.Warn("what was to be renamed was removed elsewhere meanwhile", "path", c.Path, "to", c.To, "cause", err)
		v.observeFailure(c.Op, c.Path, err, false)
		v.commits.RestoreSidecar(c.replaces, c.To)
	case err != nil:
		v.log.Error("a change of names could not be finished and is given up", "what", c.Op, "path", c.Path, "to", c.To, "cause", err)
		v.observeFailure(c.Op, c.Path, err, false)
		v.noteGivenUp(c, err)
	default:
		v.observeChange(c)
	}
	v.finishChange(c)
}

// unexplained is how long a change of names is tried that fails for a reason of which
// nobody knows whether it will pass, as an answer of the store's that is in no table.
// So long it keeps others from its names. A local disk that fails is given a day, so that
// room can be made.
const (
	unexplained = 10 * time.Minute
	diskFails   = 24 * time.Hour
)

// worthAnother reports whether a try that ended so is to be followed by another. Volume.mu
// need not be held: only one try runs at a time.
func (c *change) worthAnother(err error) bool {
	switch {
	case err == nil, errors.Is(err, store.ErrNotExist):
		return errors.Is(err, errCommitBusy)
	case errors.Is(err, errCommitBusy), transient(err):
		return true
	case c.Op != opRename && errors.Is(err, file.ErrLocked):
		return true // dropped, it would take with it what only the journal has
	case commit.Permanent(err), errors.Is(err, store.ErrPrecondition), errors.Is(err, errUnknownChange):
		return false
	}
	limit := unexplained
	if errors.Is(err, spool.ErrFull) || errors.As(err, new(syscall.Errno)) {
		limit = diskFails
	}
	return c.Failing.IsZero() || time.Since(c.Failing) < limit
}

// unarrived says of a rename whose object is not there that the commit under way
// then never made it. Its draft, if there still is one, is to be committed under the
// name that it has now.
func (v *Volume) unarrived(c *change) bool {
	if c.Op != opRename || c.ver.Foreign() {
		return false
	}
	if _, etag := c.ver.Place(); etag != "" {
		return false
	}
	return c.again || c.draft() != nil
}

// draft is what a rename's file has that is not committed; nil: nothing.
func (c *change) draft() *Node {
	n := c.node
	if n == nil {
		return nil
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.State == Clean || n.content.Base == c.ver {
		return nil
	}
	return n
}

// skipRename finishes a rename whose object was never made. The draft replaces what it was
// to replace; without a draft at that name, that is removed.
func (v *Volume) skipRename(ctx context.Context, c *change) error {
	n, stays := c.draft(), false
	if n != nil {
		v.mu.Lock()
		stays = !n.gone && v.path(n) == c.To
		n.content.Lock()
		if n.content.Replaces = nil; stays {
			n.content.Replaces = c.replaces
		}
		n.content.Unlock()
		v.mu.Unlock()
	}
	if !stays && c.replaces != nil {
		if err := v.remote.Remove(ctx, c.replaces, c.To, nil); err != nil {
			return err
		}
	}
	if n == nil {
		return nil
	}
	return v.journalEntry(n)
}

func (v *Volume) performLater(c *change, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c.Tries == 0 {
		v.log.Warn("a change of names failed; it will be tried again", "what", c.Op, "path", c.Path, "cause", err)
		v.observeFailure(c.Op, c.Path, err, true)
	}
	c.reason = err.Error()
	v.queue.AgainLocked(c.job, c.FailedLocked(backoff))
}

// finishChange forgets a change that is done, or cannot be done.
func (v *Volume) finishChange(c *change) {
	if c.Op == opMove {
		v.forgetMove(c)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forgetChange(c)
	if c.Op == opAttr {
		v.restateCarriers(c.ver)
	}
	v.steps.Add(1)
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) })
	if v.attrs[c.node] == c {
		delete(v.attrs, c.node)
	}
	now := time.Now()
	if c.node != nil {
		c.node.leave(c)
		c.node.changed = now
	}
	if c.dir != nil {
		c.dir.dir.left(c.name, now)
	}
	if c.Op == opMove {
		v.moves.Done(c.Path, c.To)
	}
	v.queue.FinishLocked(c.job)
	if c.aside != nil {
		v.queue.FinishLocked(c.aside)
	}
	v.signal()
}

// forgetMove takes a directory's move out of the journal at once: to do it again
// after a crash could take along what has come to its old place since.
func (v *Volume) forgetMove(c *change) {
	err := v.spool.Journal().Update(func(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) })
	if err != nil {
		v.log.Error("journal", "what", c.Op, "path", c.Path, "cause", err)
	}
}

// queueAttr has the sidecar of a clean file put again, soon: changes that come
// within attrDelay share one request.
func (v *Volume) queueAttr(n *Node) error {
	v.mu.Lock()
	if n.local && !n.gone {
		defer v.mu.Unlock()
		return v.journalLocal(n)
	}
	n.content.Lock()
	attr, ver := n.content.Attr, n.content.Base
	n.content.Unlock()
	fresh := v.attrs[n] == nil
	err := v.restate(n, ver, attr)
	v.mu.Unlock()
	if err != nil || !fresh {
		return err
	}
	return v.flush()
}

// restate queues the attributes that a version is to state. They are in the
// journal before whatever is queued there from now on; v.mu is held.
func (v *Volume) restate(n *Node, ver *remote.Version, attr sidecar.Attr) error {
	if n.gone || ver == nil {
		return nil
	}
	if c := v.attrs[n]; c != nil {
		return v.restateChange(c, attr)
	}
	return v.waitForMore(&change{Change: spool.Change{Op: opAttr, Path: v.path(n)}, node: n, ver: ver, attr: attr})
}

// flush makes durable what was journaled to be written a little later.
func (v *Volume) flush() error {
	if err := v.spool.Journal().Flush(); err != nil {
		return file.FromSpool(fmt.Errorf("journal: %w", err))
	}
	return nil
}

// forgetAttr drops a change of attributes that has not begun, because its file or
// directory is gone, or has been committed anew: carried out later, or after a
// crash, it would bring a directory back, or fall upon the next file or version of
// that name. What has overtaken it is in the journal already, and is done there
// no sooner than this. v.mu is held.
func (v *Volume) forgetAttr(c *change) {
	c.timer.Stop()
	delete(v.attrs, c.node)
	delete(v.changes, c.Seq)
	c.node.leave(c)
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteChange(c.Seq) })
	v.signal()
}

// followName journals a change of attributes anew, behind the rename that has just
// given its file or directory another name: under the old one, the next mount
// would bring that back. v.mu is held.
func (v *Volume) followName(c *change) {
	path := v.path(c.node)
	if c.Op == opMkdir {
		path += "/"
	}
	if path == c.Path || c.job != nil {
		return
	}
	c.Path = path
	if err := c.pack(); err != nil {
		v.log.Error("journal", "what", c.Op, "path", path, "cause", err)
		return
	}
	old := c.Seq
	delete(v.changes, old)
	c.Seq = v.spool.Journal().Number()
	v.changes[c.Seq] = c
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.DeleteChange(old) })
	v.journalSoon(c)
}

// journalSoon has the journal know of a packed change, or know it anew, as it is when the
// transaction runs: what it was before could take the place of what another one has put
// since. v.mu is held.
func (v *Volume) journalSoon(c *change) {
	seq := c.Seq
	v.spool.Journal().Later(func(tx *spool.Tx) error {
		v.mu.Lock()
		over, kept := v.changes[seq] != c, c.Change
		v.mu.Unlock()
		if over {
			return nil // the journal must not bring it back
		}
		return tx.PutChange(kept)
	})
}

// beginAttr claims the path under which the file is by now.
func (v *Volume) beginAttr(c *change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changes[c.Seq] != c {
		return // forgotten
	}
	if v.comesLater(c) && c.waited < maxWaits && c.job == nil {
		c.waited++
		c.timer = time.AfterFunc(attrDelay, func() { v.beginAttr(c) })
		return
	}
	v.beginAttrLocked(c)
}

// maxWaits is how often a marker waits attrDelay for what is under way in its directory.
const maxWaits = 30

// comesLater reports whether a change is of a directory in which something is under
// way: its marker comes last. Stores that keep directories as a disk does change
// a marker's time with each entry. v.mu is held.
func (v *Volume) comesLater(c *change) bool {
	if c.Op != opMkdir || c.node == nil || c.node.gone {
		return false
	}
	for _, child := range c.node.dir.children {
		if len(child.queued) > 0 || child.commit.AttemptLocked() != nil {
			return true
		}
	}
	return false
}

func (v *Volume) beginAttrLocked(c *change) {
	if c.job != nil {
		return
	}
	if c.node != nil {
		c.Path = v.path(c.node)
		if c.Op == opMkdir {
			c.Path += "/"
		}
	}
	c.job = v.queue.AddLocked(func() { v.perform(c) }, c.claims()...)
}

// beginDelayed begins what waits for more to come; v.mu is held.
func (v *Volume) beginDelayed() {
	for _, c := range v.attrs {
		if c.timer != nil && c.job == nil && !v.comesLater(c) {
			c.timer.Stop()
			v.beginAttrLocked(c)
		}
	}
}
