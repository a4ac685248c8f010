package volume

import "mcfs/volume/remote"

// rebase has the drafts that rest on a foreign object, which stood at key and has just
// been copied, and the journal, know the copy, before the original goes: no IV would tell
// a later look which object is the one.
func (v *Volume) rebase(key, etag string, made *remote.Version) error {
	if !made.Foreign() {
		return nil
	}
	for _, n := range v.moveBases(remote.Listing{Key: key, ETag: etag}, made) {
		if err := v.journalEntry(n); err != nil {
			return err
		}
	}
	return nil
}

// moveBases has the drafts whose base is a moved foreign object know its copy, and
// returns them.
func (v *Volume) moveBases(was remote.Listing, made *remote.Version) (drafts []*Node) {
	key, etag := made.Place()
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.content.Lock()
		for _, x := range []*remote.Version{n.content.Base, n.content.Replaces} {
			switch {
			case x == nil || !x.Foreign():
				continue
			case x == made:
			case stands(x, was):
				x.Moved(key, etag, remote.Sidecar{})
			default:
				continue
			}
			drafts = append(drafts, n)
		}
		n.content.Unlock()
	}
	return drafts
}

// stands reports whether a version is what was listed there.
func stands(x *remote.Version, at remote.Listing) bool {
	key, etag := x.Place()
	return key == at.Key && etag == at.ETag
}
