package volume

import (
	"testing"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/remote"
)

// journaledMode is the mode that the journal's rename to a name says its version has: what the next
// mount shows before it has finished the rename.
func (r *rig) journaledMode(to string) uint32 {
	r.t.Helper()
	if err := r.spool.Journal().Flush(); err != nil {
		r.t.Fatal(err)
	}
	list, err := r.spool.Journal().Changes()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, kept := range list {
		c, err := changes.Read(kept)
		if err != nil {
			r.t.Fatal(err)
		}
		if c.Op == changes.Rename && c.To == to {
			return c.Ver.Attr().Mode & 0o7777
		}
	}
	r.t.Fatalf("the journal has no rename to %s", to)
	return 0
}

// TestRenameWhileAttributesAreWritten: a chmod that reaches the store between the plan of a rename
// and its transaction is in the journal with the rename, though its own change is gone from there.
func TestRenameWhileAttributesAreWritten(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("content"))
	r.sync()
	f.set(down)
	r.chmod("a", 0o600)
	r.v.mu.Lock()
	r.v.changes.BeginDelayedLocked()
	r.v.mu.Unlock()
	r.await(func(s Status) bool { return len(s.Changes) == 1 && s.Changes[0].Failure != nil })
	hold, held := make(chan struct{}), make(chan struct{})
	go r.v.spool.Journal().Update(func(*spool.Tx) error { close(held); <-hold; return nil })
	<-held
	renamed := make(chan error, 1)
	go func() { renamed <- r.v.Root().Rename(t.Context(), "a", r.v.Root(), "b", 0) }()
	until(t, "the rename waits for the journal", func() bool { return running("journalMove", "(*Journal).Update") })
	f.set(func(op, key string) error {
		if key == "a.settings.json" {
			return nil
		}
		return errDown
	})
	r.await(func(s Status) bool { return len(s.Changes) == 0 })
	close(hold)
	if err := <-renamed; err != nil {
		t.Fatal(err)
	}
	if mode := r.journaledMode("b"); mode != 0o600 {
		t.Errorf("the journal says %o", mode)
	}
	f.set(nil)
	r.sync()
	r.truthful()
}

// TestRestatedBeforeItIsQueued: what a version states from now on is in the journal with a change
// that has just been journaled and is not queued yet, and with none that could not be.
func TestRestatedBeforeItIsQueued(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.save("a", []byte("content"))
	r.sync()
	f.set(down)
	ver := r.node("a").content.Base
	c := &change{Change: changes.Change{Op: changes.Rename, Path: "a", To: "b", Ver: ver}}
	if err := r.v.journalChanges([]*change{c}, nil); err != nil {
		t.Fatal(err)
	}
	r.restateMode(ver, 0o600)
	if mode := r.journaledMode("b"); mode != 0o600 {
		t.Errorf("the journal says %o", mode)
	}
	r.v.mu.Lock()
	before := r.v.queue.AddLocked(nil, "b") // one that has begun looks at the store
	r.v.enqueue(c)
	r.v.mu.Unlock()
	r.restateMode(ver, 0o640)
	if mode := r.journaledMode("b"); mode != 0o640 {
		t.Errorf("once it is queued, the journal says %o", mode)
	}
	refused := &change{Change: changes.Change{Op: changes.Rename, Path: "a", To: "c", Ver: ver}}
	if err := r.v.journalChanges([]*change{refused}, func(*spool.Tx) error { return errDown }); err == nil {
		t.Fatal("the transaction has not failed")
	}
	r.restateMode(ver, 0o644)
	list, err := r.spool.Journal().Changes()
	if err != nil || len(list) != 1 {
		t.Errorf("the journal has %d changes, %v", len(list), err)
	}
	f.set(nil)
	r.v.mu.Lock()
	r.v.queue.FinishLocked(before)
	r.v.mu.Unlock()
	r.sync()
}

// restateMode has a version state another mode, as the end of a change of attributes does.
func (r *rig) restateMode(ver *remote.Version, mode uint32) {
	attr := ver.Attr()
	attr.Mode = attr.Mode&^0o7777 | mode
	ver.SetAttr(attr)
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	r.v.changes.RestateCarriersLocked(ver)
}
