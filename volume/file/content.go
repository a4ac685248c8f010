package file

import (
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

// Content is what a file holds, guarded by Lock. Its bytes are, block by block, in the
// sealed file or, where that says absent, in the base.
type Content struct {
	shared *Shared
	host   Host
	guard  sync.Mutex // see Lock

	State     State
	described bool         // Attr, and the base's size, are known
	Attr      sidecar.Attr // as stat shows them

	// Base is the committed version that absent bytes belong to; Replaces is what
	// stands in the store under the file's name and is replaced by the commit.
	// They are the same but after a rename over another file.
	Base     *remote.Version
	Replaces *remote.Version

	// Gen counts changes of content and attributes; Asked is the Gen that
	// somebody wants committed, Committed the last that was.
	Gen, Asked, Committed uint64

	// draft is not nil while the content is locked; it stays as long as it says anything.
	*draft
}

// draft is what a file has besides as long as it is open, or more than the
// version that the store has: few have it at a time.
type draft struct {
	Atime time.Time // zero: not set
	Ctime time.Time

	Expected int           // closes that wait for a commit
	Failure  error         // of the last try
	turned   chan struct{} // closed when Committed or Failure changes; nil: nobody waits

	stored  *spool.Entry // of a recovered draft whose file has not been opened yet: that needs the keeper
	boot    string       // of the machine in which the sealed file of stored was written without an fsync; empty: it had one
	blank   bool         // no bytes at all, and no sealed file needed yet
	sealed  *spool.File  // in the spool; nil: nothing is
	blankID spool.ID     // of the draft in the journal while there is no sealed file, and then that of the file
	wrapped []byte       // the data key under which it is sealed
	keyID   string
	fresh   keys.DataKey // that same key, as long as no object was encrypted under it

	snapshot *Snapshot // what was asked for before the file was written again; nil: nothing but what is there now
	syncing  int       // syncs of the sealed file under way
	taken    uint64    // Gen of the snapshot that an attempt has
	killed   uint64    // Gen that is not to be committed, for its writer was killed or a write failed, while an earlier one was
	Flaws    flaw.Set  // what its programs could not write
	Control  Control   // what a control file beside it has told

	early       *upload.Upload // parts leaving while the file is still being written
	toFinalName bool           // to the key that the file's temporary name tells, and not to its own
	leave       leave          // when such an upload may begin
	starting    bool
	fast        bool     // it left as fast as it was written, all of it: its bytes need not stay
	held        bool     // the spool holds all its bytes until the commit
	Kept        uint64   // Gen of the last journal entry that promises content
	Renaming    bool     // a rename has put an entry of what is true once it is made here
	unkept      uint64   // Gen of the last content that could not be promised: an upload alone has some of it
	Uploads     []string // ids of multipart uploads begun for this draft
	Displaced   uint64   // Gen that gave way to another machine's version
	Divided     bool     // it became a draft after that: the next close tells
	Ordinary    bool     // it bears a sidecar's name, and its commit found that it is none

	reader    *fetch.Reader // of the base
	unchecked bool          // an earlier mount fetched bytes of the base, and nobody has checked them
	leftBase  uint64        // Gen at which the last bytes of the base that were needed left the content; 0: none have
	miss      *miss         // of it; nil: nobody has missed it lately

	Opens   int       // handles
	Writers int       // of them, open for writing
	Quiet   time.Time // since when there is none of these

	graceTimer *time.Timer // of a Temporary one that is closed: it is committed then
	graceEnds  time.Time   // when that will be

	// opening serialises what fetches a version's description or key, for the
	// openers that wait for it or have it.
	opening chan struct{}
	openers int

	lostSize int64 // of a Lost draft that this mount could not open
	resized  bool  // its sealed file turned out to have another size than the journal, which stat has told
}

// Lock guards the content. Whoever holds it finds a draft, an empty one where there is none.
func (c *Content) Lock() {
	c.guard.Lock()
	if c.draft == nil {
		c.draft = drafts.Get().(*draft)
	}
}

// Unlock lets the next one have the content.
func (c *Content) Unlock() {
	if c.draft.empty() {
		drafts.Put(c.draft)
		c.draft = nil
	}
	c.guard.Unlock()
}

// drafts are empty ones.
var drafts = sync.Pool{New: func() any { return new(draft) }}

// empty reports whether there is nothing to keep.
func (d *draft) empty() bool {
	return d.Atime.IsZero() && d.Ctime.IsZero() && d.Expected == 0 && d.Failure == nil && d.turned == nil &&
		d.stored == nil && d.boot == "" && !d.blank && d.sealed == nil && d.blankID == spool.ID{} && d.wrapped == nil && d.keyID == "" && d.fresh.Plain == nil && d.fresh.Wrapped == nil && d.fresh.KeyID == "" &&
		d.snapshot == nil && d.syncing == 0 && d.taken == 0 && d.killed == 0 && d.Flaws == nil && d.Control == NoControl && d.early == nil && !d.toFinalName && d.leave == stays && !d.starting && !d.fast && !d.held && d.Kept == 0 && !d.Renaming && d.unkept == 0 && d.Uploads == nil &&
		d.Displaced == 0 && !d.Divided && !d.Ordinary &&
		d.reader == nil && !d.unchecked && d.leftBase == 0 && d.miss == nil && d.Opens == 0 && d.Writers == 0 && d.Quiet.IsZero() && d.graceTimer == nil && d.graceEnds.IsZero() && d.opening == nil && d.lostSize == 0 && !d.resized
}

// KnownLocked reports whether stat can be answered.
func (c *Content) KnownLocked() bool { return c.described || c.State != Clean }

// SizeLocked is how long the file is, as far as that is known.
func (c *Content) SizeLocked() int64 {
	switch {
	case c.blank:
		return 0
	case c.State == Lost && c.sealed == nil:
		return c.lostSize
	case c.sealed != nil:
		return c.sealed.Size()
	case c.stored != nil:
		return c.stored.Size
	case c.Base != nil:
		return c.Base.Plain
	}
	return 0
}

// PeekState locks for a look.
func (c *Content) PeekState() State {
	c.Lock()
	defer c.Unlock()
	return c.State
}

// OpenWriters is how many handles can write.
func (c *Content) OpenWriters() int {
	c.Lock()
	defer c.Unlock()
	return c.Writers
}

// StepLocked moves the state machine. A transition that the table does not know is
// a defect: it is logged, and the state stays.
func (c *Content) StepLocked(e Event) {
	to, err := c.State.Next(e)
	if err != nil {
		c.shared.Log.Error("the state of a file did not change as it should; please report this", "inode", c.host.Ino(), "cause", err)
		return
	}
	if c.State == Temporary && to != Temporary {
		c.EndGraceLocked()
	}
	c.State = to
}

// changedLocked notes a change of the bytes.
func (c *Content) changedLocked(now time.Time) {
	c.Gen++
	c.fast = false
	c.KeepAtimeLocked()
	c.Attr.Mtime, c.Ctime = now, now
	c.described = true
	if c.State == Clean && c.sealed != nil {
		c.sealed.Replaced()
	}
	if c.State == Clean && c.leave == stays && c.BasedLocked() != nil {
		c.leave = onceFull
	}
	c.StepLocked(EvWrite)
	if c.toFinalName && c.State == Writing { // it was interrupted: parts of it leave for its other name still
		c.StepLocked(EvGuess)
	}
}

// KeepAtimeLocked has the atime stay while mtime is about to move.
func (c *Content) KeepAtimeLocked() {
	if c.Atime.IsZero() {
		c.Atime = c.Attr.Mtime
	}
}

// EndGraceLocked ends the wait for another name.
func (c *Content) EndGraceLocked() {
	if c.graceTimer != nil {
		c.graceTimer.Stop()
		c.graceTimer, c.graceEnds = nil, time.Time{}
	}
}

// Init is called once, before anybody else knows the content: until its lock is let go for
// the first time, it can be filled in without.
func (c *Content) Init(s *Shared, h Host) {
	c.shared, c.host = s, h
	c.draft = drafts.Get().(*draft)
}
