package changes

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// What a change does to names in the store. The journal has these words.
const (
	Remove = "remove" // object and sidecar of Path
	Rename = "rename" // Path to To
	Mkdir  = "mkdir"  // put the marker of a directory
	Rmdir  = "rmdir"  // delete it
	Attr   = "attr"   // put the sidecar again

	// Move renames a whole directory: all that the store has below Path.
	Move = "move"

	// Link puts a symlink: a small object with the encrypted target as its
	// content and its attributes in its own metadata. It has no sidecar.
	Link = "link"

	// Localise fetches the bytes of the version at Path into the spool and removes it there:
	// its file was renamed to a local-only name. So "mv f f~" leaves nothing named f~
	// in the store, and an editor that writes f anew replaces the old version of it.
	Localise = "draw"
)

// Change is one change of names: true in the tree at once, journaled, and finished behind.
type Change struct {
	Seq      uint64 // under which the journal has it; 0: part of a larger one
	Op       string
	Path, To string // a directory's end in a slash

	Ver      *remote.Version // what is removed or renamed
	Replaces *remote.Version // what a rename replaces
	Attr     sidecar.Attr
	Body     []byte   // ciphertext of a symlink's target
	Entry    spool.ID // of the draft that a localisation is for
	Unwanted bool     // of a localisation: that entry has ended, and the bytes are not needed
	Stated   bool     // of a move: Attr is what the directory's marker states, or what was set since
	Bare     bool     // a rename to a name that is not to be shown: without a sidecar
	BareOld  bool     // a rename from such a name
	Again    bool     // taken up from the journal

	// Stays says of a removal or localisation that is done: the store still has something there,
	// which is to be replaced, or to stay.
	Stays bool
	// Stride is of the try, with the object of Path.
	Stride *queue.Stride

	data []byte // the rest of the fields, as they were when it was packed
	host Host
	pace *queue.Pace // how far it is; set when it begins

	// Guarded by Config.Mu.
	Reason  string     // of the last failure
	job     *queue.Job // nil: it has not been queued, or is delayed
	aside   *queue.Job // of the name to which it was diverted
	timer   *time.Timer
	carries *remote.Version // Ver as it was queued
	waited  int             // times that it was put off
	queue.Retry
}

// Host is what AddLocked or DelayLocked was given.
func (c *Change) Host() Host { return c.host }

// Carries is the version that the change carried on when it was queued.
func (c *Change) Carries() *remote.Version { return c.carries }

// StrideOf begins the way of this try with one object of a directory.
func (c *Change) StrideOf(object string) *queue.Stride { return c.pace.Stride(object) }

// JobLocked is the change's place in the queue; nil: it has none yet.
func (c *Change) JobLocked() *queue.Job { return c.job }

// AsideLocked keeps others from the name to which the change was diverted; nil: it was not.
func (c *Change) AsideLocked() *queue.Job { return c.aside }

// record is what the journal has of a change beside its name and its paths.
type record struct {
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

// Read makes a change of what the journal has.
func Read(kept spool.Change) (Change, error) {
	c := Change{Seq: kept.Seq, Op: kept.Op, Path: kept.Path, To: kept.To, Again: true, data: kept.Data}
	var r record
	if err := json.Unmarshal(kept.Data, &r); err != nil {
		return c, fmt.Errorf("read %s %s from the journal: %w", c.Op, c.Path, err)
	}
	var err, err2 error
	c.Ver, err = r.Ver.Version()
	c.Replaces, err2 = r.Replaces.Version()
	c.Attr, c.Body, c.Stated, c.Bare, c.BareOld = r.Attr, r.Body, r.Stated, r.Bare, r.BareOld
	if r.Entry != nil {
		c.Entry, c.Unwanted = *r.Entry, r.Unwanted
	}
	return c, errors.Join(err, err2)
}

// Pack notes what the journal is to have of the change.
func (c *Change) Pack() error {
	r := record{
		Ver: c.Ver.Record(), Replaces: c.Replaces.Record(), Attr: c.Attr, Body: c.Body,
		Stated: c.Stated, Bare: c.Bare, BareOld: c.BareOld,
	}
	if c.Op == Localise {
		r.Entry, r.Unwanted = &c.Entry, c.Unwanted
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("journal %s %s: %w", c.Op, c.Path, err)
	}
	c.data = data
	return nil
}

// Record is the change for the journal, as it was packed last.
func (c *Change) Record() spool.Change {
	return spool.Change{Seq: c.Seq, Op: c.Op, Path: c.Path, To: c.To, Data: c.data}
}

// Target is the name that the change makes.
func (c *Change) Target() *string {
	if c.To != "" {
		return &c.To
	}
	return &c.Path
}

// Claims are the paths of which it keeps other work back.
func (c *Change) Claims() []string {
	switch {
	case c.Op == Mkdir:
		return []string{queue.Alone(c.Path)}
	case c.To != "":
		return []string{c.Path, c.To}
	}
	return []string{c.Path}
}

// Passes reports whether the change takes something to or from the path, a directory
// by that name or above it included: what stands there then would be in its way.
func (c *Change) Passes(path string) bool {
	for _, at := range []string{c.Path, c.To} {
		at = strings.TrimSuffix(at, "/")
		if at == path || c.Op == Move && strings.HasPrefix(path, at+"/") {
			return true
		}
	}
	return false
}
