package volume

import (
	"errors"
	"fmt"

	"mcfs/sidecar"
	"mcfs/volume/naming"
)

// A temporary name often contains the final one: rsync writes NAME as ".NAME.XXXXXX".
// Once the spool is full, parts of such a file are uploaded to the final name's key, where
// nothing shows until a rename to just that name completes the upload. On a rename to any
// other name the upload starts over, or the rename is refused if the spool lacks bytes.

// finalPath is the final path that a file's temporary or local-only name in d contains; "" if
// none, or if nothing may be uploaded there. v.mu is held.
func (v *Volume) finalPath(d *Node, name string) string {
	if d == nil {
		return ""
	}
	told := naming.Told(naming.Join(v.path(d), name), d.hasFile)
	if told == "" || sidecar.Is(told) || v.rules.LocalOnly(told, naming.AsFile) {
		return ""
	}
	return told
}

// uploadKey is the key to which parts of the draft may be uploaded early; "" if none may. v.mu is
// held and n locked.
func (v *Volume) uploadKey(n *Node) string {
	switch n.content.State {
	case Writing:
		return v.path(n)
	case Temporary, Local:
		if n.staged {
			return "" // its own name is the final one
		}
		return v.finalPath(n.parent, n.name)
	}
	return ""
}

// uploadKeysAfter are the keys to which early uploads go on when a file gets a name of this class; v.mu is held.
func (v *Volume) uploadKeysAfter(to *Node, newName string, class naming.Class) []string {
	keys := []string{naming.Join(v.path(to), newName)}
	if told := v.finalPath(to, newName); class != naming.Ordinary && told != "" {
		keys = append(keys, told)
	}
	return keys
}

// startEarlyUploads begins to upload all drafts with a final name: the spool is full.
func (v *Volume) startEarlyUploads() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.content.Lock()
		if v.canStartEarly(n) {
			n.content.StartEarlyLocked()
		}
		n.content.Unlock()
	}
}

// canStartEarly reports whether an early upload of a file with a temporary name can begin and
// would make room; v.mu is held and n locked.
func (v *Volume) canStartEarly(n *Node) bool {
	return n.content.CanStartLocked() && v.uploadKey(n) != ""
}

// errStranded is why only a rename can have such a file committed.
var errStranded = errors.New("the spool is too small for it, and its unfinished upload to that name alone has all of it")

// strandedLeft names what a sync leaves because only a rename can have it committed; nil: nothing.
func (v *Volume) strandedLeft(nodes []*Node) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, n := range nodes {
		n.content.Lock()
		if n.content.IsStrandedLocked() {
			errs = append(errs, fmt.Errorf("%s is not safe, and lost when mcfs ends, until it is renamed to %s: %w", v.path(n), n.content.EarlyKeyLocked(), errStranded))
		}
		n.content.Unlock()
	}
	return errors.Join(errs...)
}

// goesOn reports whether the upload of what is being written is to one of these keys, and
// there is no other; v.mu is held and n locked.
func (n *Node) goesOn(keys []string) bool {
	return n.commit.AttemptLocked() == nil && n.content.LeavesOnlyToLocked(keys)
}
