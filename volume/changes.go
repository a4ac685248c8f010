package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
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
	stays    bool // of a removal or localisation that is done: the store still has something there, which is to be replaced, or to stay
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
