package volume

import (
	"context"
	"fmt"
	"sync"
	"time"

	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/fetch"
	"mcfs/volume/flaw"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// content is what a file holds, guarded by Node.lock. Its bytes are, block by
// block, in the spool's file or, where that says absent, in ver.
type content struct {
	state     State
	described bool         // attr, and ver's size, are known
	renew     *renewal     // they are not what the store has now; nil: they are
	attr      sidecar.Attr // as stat shows them

	// ver is the committed version that absent bytes belong to; replaces is what
	// stands in the store under the file's name and is replaced by the commit.
	// They are the same but after a rename over another file.
	ver      *remote.Version
	replaces *remote.Version

	// gen counts changes of content and attributes; asked is the gen that
	// somebody wants committed, committed the last that was.
	gen, asked, committed uint64

	target string // of a symlink, once it is known

	// draftState is not nil while the node is locked; it stays as long as it says anything.
	*draftState
}

// draftState is what a file has besides as long as it is open, or more than the
// version that the store has: few have it at a time.
type draftState struct {
	atime time.Time // zero: not set
	ctime time.Time

	expected int           // closes that wait for a commit
	failure  error         // of the last try
	turned   chan struct{} // closed when committed or failure changes; nil: nobody waits

	stored  *spool.Entry // of a recovered draft whose file has not been opened yet: that needs the keeper
	boot    string       // record.Boot of stored
	blank   bool         // no bytes at all, and no spool file needed yet
	file    *spool.File  // nil: nothing in the spool
	blankID spool.ID     // its name in the journal while there is no file, and then that of the file
	wrapped []byte       // the data key under which file is sealed
	keyID   string
	fresh   keys.DataKey // that same key, as long as no object was encrypted under it

	due     *due     // what was asked for before the file was written again; nil: nothing but what is there now
	keeping int      // syncs of its file under way
	taken   uint64   // gen that the attempt under way has frozen
	slain   uint64   // gen that is not to be committed, for its writer was killed or a write failed, while an earlier one was
	flaws   flaw.Set // what its programs could not write
	control control  // what a control file beside it has told

	up        *upload.Upload // parts leaving while the file is still being written
	told      bool           // to the key that the file's temporary name tells, and not to its own
	eager     bool           // such an upload is allowed
	starting  bool
	promised  bool     // the spool holds all its bytes until the commit
	kept      uint64   // gen of the last journal entry that promises content
	entitled  bool     // a rename has put an entry of what is true once it is made here
	unsafe    uint64   // gen of the last content that could not be promised: an upload alone has some of it
	uploads   []string // ids of multipart uploads begun for this draft
	displaced uint64   // gen that gave way to another machine's version
	estranged bool     // it became a draft after that: the next close tells
	ordinary  bool     // it bears a sidecar's name, and its commit found that it is none

	reader    *fetch.Reader // of ver
	unchecked bool          // an earlier mount fetched bytes of ver into file, and nobody has checked them
	departed  uint64        // gen at which the last bytes of ver that were needed left the content; 0: none have
	miss      *miss         // of it; nil: nobody has missed it lately

	opens   int       // handles
	writers int       // of them, open for writing
	quiet   time.Time // since when there is none of these

	ripens *time.Timer // of a Temporary one that is closed: it is committed then
	claims time.Time   // when that will be

	// opening serialises what fetches a version's description or key, for the
	// openers that wait for it or have it.
	opening chan struct{}
	openers int

	lostSize int64 // of a Lost draft that this mount could not open
	resized  bool  // its sealed file turned out to have another size than the journal, which stat has told
}

// lock guards the content. Whoever holds it finds a draft, an empty one where there is none.
func (n *Node) lock() {
	n.guard.Lock()
	if n.draftState == nil {
		n.draftState = drafts.Get().(*draftState)
	}
}

func (n *Node) unlock() {
	if n.draftState.empty() {
		drafts.Put(n.draftState)
		n.draftState = nil
	}
	n.guard.Unlock()
}

// drafts are empty ones.
var drafts = sync.Pool{New: func() any { return new(draftState) }}

// empty says that there is nothing to keep.
func (d *draftState) empty() bool {
	return d.atime.IsZero() && d.ctime.IsZero() && d.expected == 0 && d.failure == nil && d.turned == nil &&
		d.stored == nil && d.boot == "" && !d.blank && d.file == nil && d.blankID == spool.ID{} && d.wrapped == nil && d.keyID == "" && d.fresh.Plain == nil && d.fresh.Wrapped == nil && d.fresh.KeyID == "" &&
		d.due == nil && d.keeping == 0 && d.taken == 0 && d.slain == 0 && d.flaws == nil && d.control == noControl && d.up == nil && !d.told && !d.eager && !d.starting && !d.promised && d.kept == 0 && !d.entitled && d.unsafe == 0 && d.uploads == nil &&
		d.displaced == 0 && !d.estranged && !d.ordinary &&
		d.reader == nil && !d.unchecked && d.departed == 0 && d.miss == nil && d.opens == 0 && d.writers == 0 && d.quiet.IsZero() && d.ripens == nil && d.claims.IsZero() && d.opening == nil && d.lostSize == 0 && !d.resized
}

// known says that stat can be answered; n is locked, as in all that follows.
func (n *Node) known() bool { return n.described || n.state != Clean }

func (n *Node) size() int64 {
	switch {
	case n.blank:
		return 0
	case n.state == Lost && n.file == nil:
		return n.lostSize
	case n.file != nil:
		return n.file.Size()
	case n.stored != nil:
		return n.stored.Size
	case n.ver != nil:
		return n.ver.Plain
	}
	return 0
}

// peekState locks for a look.
func (n *Node) peekState() State {
	n.lock()
	defer n.unlock()
	return n.state
}

func (n *Node) openWriters() int {
	n.lock()
	defer n.unlock()
	return n.writers
}

// step moves the state machine. A transition that the table does not know is
// a defect: it is logged, and the state stays.
func (n *Node) step(e event) {
	to, err := n.state.next(e)
	if err != nil {
		n.v.log.Error("state machine", "inode", n.ino, "cause", err)
		return
	}
	if n.state == Temporary && to != Temporary {
		n.stopWaiting()
	}
	n.state = to
}

// changedContent notes a write; the caller has locked n and calls track afterwards, without it.
func (n *Node) changedContent(now time.Time) {
	n.gen++
	n.keepAtime()
	n.attr.Mtime, n.ctime = now, now
	n.described = true
	n.step(evWrite)
	if n.told && n.state == Writing { // it was interrupted: parts of it leave for its other name still
		n.step(evGuess)
	}
}

// keepAtime has the atime stay while mtime is about to move.
func (n *Node) keepAtime() {
	if n.atime.IsZero() {
		n.atime = n.attr.Mtime
	}
}

// track enters the node into the volume's list of drafts, or takes it out.
func (v *Volume) track(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trackLocked(n)
}

func (v *Volume) trackLocked(n *Node) {
	if n.stale && n.kind == File && n.peekState() != Clean {
		v.displace(n)
	}
	if n.peekState() == Clean || n.gone {
		if _, ok := v.busy[n]; ok {
			delete(v.busy, n)
			v.signal()
		}
		return
	}
	n.changed = time.Now()
	v.busy[n] = struct{}{}
}

// write stores p at off, and says how much of it: less than all only with an error,
// where the spool has no room for the rest. The file becomes a draft if it is none.
func (n *Node) write(ctx context.Context, p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	if off < 0 || end < 0 {
		return 0, ErrTooBig
	}
	if err := n.v.checkSize(end); err != nil {
		return 0, err
	}
	done, wasClean := 0, false
	err := n.attemptLocked(ctx, func() (obstacle, error) {
		if err := n.v.checkSize(n.size()); err != nil {
			return nil, err // it was made elsewhere, and could not be committed from here
		}
		if o, err := n.preserve(); o != nil || err != nil {
			return o, err
		}
		at, acks := off+int64(done), n.v.acks.Load()
		if o := n.obstacleTo(at, end); o != nil {
			return o, nil
		}
		k, err := n.file.WriteAt(p[done:], at)
		if err == nil || k > 0 {
			wasClean = wasClean || n.state == Clean
			n.wrote(p[done:done+k], at)
			done += k
		}
		if isFull(err) {
			return n.v.waitForRoom(acks, err), nil
		}
		if err != nil {
			return n.overcome(err)
		}
		return nil, nil
	})
	if wasClean {
		n.v.track(n)
	}
	return done, err
}

// wrote notes what the spool has taken; n is locked.
func (n *Node) wrote(p []byte, off int64) {
	n.blank = false
	n.flaws = n.flaws.Without(off, off+int64(len(p)))
	n.changedContent(time.Now())
	if n.up != nil {
		n.up.Wrote(p, off)
	}
	n.advance()
}

// adopt makes f the node's file.
func (n *Node) adopt(f *spool.File, wrapped []byte, keyID string) {
	n.file, n.wrapped, n.keyID, n.blankID = f, wrapped, keyID, spool.ID{}
}

// discardFile deletes a sealed file that holds nothing anybody needs.
func (v *Volume) discardFile(f *spool.File) error {
	if err := f.Close(); err != nil {
		v.log.Warn("close sealed file", "id", f.ID(), "cause", err)
	}
	return v.spool.Remove(f.ID())
}

// changeAttr changes attributes: of a draft they are committed with it, of a
// clean file they are written behind, with others that come soon.
func (n *Node) changeAttr(s SetAttr) error {
	n.lock()
	next := n.attr
	s.apply(&next)
	if err := n.fits(next); err != nil {
		n.unlock()
		return err
	}
	switch {
	case s.Atime != nil:
		n.atime = *s.Atime
	case s.Mtime != nil:
		n.keepAtime()
	}
	n.ctime = time.Now()
	same := next.Mode == n.attr.Mode && next.UID == n.attr.UID && next.GID == n.attr.GID && next.Mtime.Equal(n.attr.Mtime)
	n.attr = next
	n.unlock()
	if same {
		return nil
	}
	return n.attrChanged()
}

// fits refuses what could not be written later; n is locked.
func (n *Node) fits(a sidecar.Attr) error {
	fits := a.Fits
	if n.kind != File {
		fits = a.FitsAlone
	}
	if err := fits(); err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return nil
}

// attrChanged has changed attributes written: with the draft, if there is one,
// else by themselves.
func (n *Node) attrChanged() error {
	n.lock()
	clean, ver, promised := n.state == Clean, n.ver, n.kept > n.committed
	n.unlock()
	switch {
	case !clean && promised:
		n.v.rejournal(n)
		return nil
	case !clean, ver == nil, ver.Foreign():
		return nil // a foreign object is never altered: the change lasts as long as the mount
	}
	return n.v.queueAttr(n)
}
