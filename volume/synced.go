package volume

import (
	"slices"
	"time"

	"mcfs/volume/file"
	"mcfs/volume/naming"
)

// Some programs keep a project open for days as a database, and save into it without a
// close: their save is an fsync. Where Options.CommitOnFsync names the file, an fsync after
// which nothing is written for syncedQuiet asks for the commit that a close would.

// syncedQuiet is how long: a database goes on writing within moments of an fsync that only
// orders its writes.
const syncedQuiet = 5 * time.Second

// synced is a file that was fsynced, and may be committed for it.
type synced struct {
	gen   uint64 // of the content that is safe
	timer *time.Timer
}

// noteSynced begins the wait after an fsync, anew if one is under way.
func (n *Node) noteSynced() {
	v := n.v
	if len(v.o.CommitOnFsync) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.gone || !slices.ContainsFunc(v.o.CommitOnFsync, func(glob string) bool { return naming.Matches(glob, n.name) }) {
		return
	}
	n.content.Lock()
	gen, open := n.content.Kept, n.content.Writers > 0 && n.content.Kept == n.content.Gen
	n.content.Unlock()
	if !open {
		return
	}
	if s := v.synced[n]; s != nil {
		s.gen = gen
		s.timer.Reset(syncedQuiet)
		return
	}
	v.synced[n] = &synced{gen, v.queue.RunAfter(syncedQuiet, func() { v.commitSynced(n) })}
}

// commitSynced asks for the commit of what was fsynced, if nothing was written since.
func (v *Volume) commitSynced(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.synced[n]
	if s == nil {
		return
	}
	delete(v.synced, n)
	s.timer.Stop()
	whole := !n.gone && n.parent != nil && !n.inTransaction()
	n.content.Lock()
	quiet := whole && n.content.Gen == s.gen && n.content.Asked < s.gen && n.content.Flaws == nil && !n.content.IsKilledLocked()
	switch n.content.State {
	case Writing, Queued, Uploading, Publishing:
	default:
		quiet = false // nobody is to have it committed, or it is
	}
	if quiet {
		n.content.SupersedeOlderLocked()
		n.content.Asked = n.content.Gen
		n.content.StepLocked(file.EvAsk)
	}
	n.content.Unlock()
	if quiet {
		n.commit.StartLocked()
	}
}

// inTransaction reports whether SQLite's rollback journal of the file stands beside it: it is
// half of what its program means then. v.mu is held.
func (n *Node) inTransaction() bool {
	j := n.parent.dir.Get(n.name + "-journal")
	if j == nil || j.kind != File {
		return false
	}
	j.content.Lock()
	defer j.content.Unlock()
	return j.content.SizeLocked() > 0
}
