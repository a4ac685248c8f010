package volume

import (
	"time"

	"mcfs/volume/file"
)

// Unison copies a new folder under a name of its own, and renames that once all is there. The
// files below such a staging folder wait in the spool for that rename, as those with a temporary
// name do for theirs; but their time does not end while their program is still at work in it.

// staging is what is known of a staging folder; of any other it is zero. Guarded by Volume.mu.
type staging struct {
	over  bool      // its files were not waited for to the end: it counts as any other folder
	quiet time.Time // before that, nothing is to be decided about it
}

// stagingFolder is the outermost staging folder at or above d; nil: there is none. v.mu is held.
func (v *Volume) stagingFolder(d *Node) (folder *Node) {
	for ; d != nil; d = d.parent {
		if v.rules.IsStaging(d.name) {
			folder = d
		}
	}
	return folder
}

// isStaging reports whether what is made in d waits for the rename of a folder; v.mu is held.
func (v *Volume) isStaging(d *Node) bool {
	folder := v.stagingFolder(d)
	return folder != nil && !folder.dir.staging.over
}

// awaitsFolder reports whether a file whose grace has ended waits anew, since its program is
// still at work in its staging folder; v.mu is held.
func (v *Volume) awaitsFolder(n *Node) bool {
	if n.gone || !n.staged || !v.isStaging(n.parent) {
		return false
	}
	folder, now := v.stagingFolder(n.parent), time.Now()
	s := &folder.dir.staging
	if !now.Before(s.quiet) {
		s.quiet = v.quietFrom(folder, now)
	}
	if !now.Before(s.quiet) {
		s.over = true
		v.log.Info("a folder with a temporary name is uploaded under it: nothing was written there for a while, and it was not renamed",
			"path", v.path(folder), "grace", v.o.Grace)
		return false
	}
	n.content.Lock()
	defer n.content.Unlock()
	n.content.BeginGraceLocked()
	return true
}

// quietFrom is when a folder may have been left alone for the grace: now if it has been; v.mu is held.
func (v *Volume) quietFrom(folder *Node, now time.Time) time.Time {
	last := now
	for n := range v.busy {
		if n.gone || !inside(n, folder) {
			continue
		}
		if at := n.content.QuietFrom(now); at.After(last) {
			last = at
		}
	}
	return last
}

// endStaging has the files of all staging folders leave under the names that they have: the
// spool is full. What is written there from now on does so, too.
func (v *Volume) endStaging() {
	v.mu.Lock()
	defer v.mu.Unlock()
	var waiting []*Node
	for n := range v.busy {
		if n.staged && !n.gone && n.content.PeekState() == Temporary {
			waiting = append(waiting, n)
		}
	}
	for _, n := range waiting {
		if folder := v.stagingFolder(n.parent); folder != nil && !folder.dir.staging.over {
			folder.dir.staging.over = true
			v.log.Warn("the spool is full: a folder with a temporary name is uploaded under it, before it is renamed", "path", v.path(folder))
		}
		n.leaveStaging()
	}
}

// leaveStaging has a staged file committed under the name that it has; what is still being
// written is an ordinary file from now on. v.mu is held.
func (n *Node) leaveStaging() {
	n.content.Lock()
	n.staged = false
	asked, spoilt := false, false
	if n.content.Writers > 0 {
		n.content.StepLocked(file.EvMove)
		n.content.AdvanceLocked()
	} else {
		asked, spoilt = n.content.OwnNameLocked()
	}
	n.content.Unlock()
	n.goOnAsked(asked, spoilt)
}
