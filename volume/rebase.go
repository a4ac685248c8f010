package volume

// rebase has the drafts that rest on a foreign object which has just been copied, and
// the journal, know the copy, before the original goes: no IV would tell a later look
// which object is the one.
func (v *Volume) rebase(c *change) error {
	if !c.ver.foreign() || c.source == nil {
		return nil
	}
	was, made := listing{key: c.Path, etag: c.source.etag}, c.ver
	for _, n := range v.restingOn(was, made) {
		if err := v.journalEntry(n); err != nil {
			return err
		}
	}
	return nil
}

// restingOn moves every description of a foreign object that drafts have to its copy,
// and gives these drafts.
func (v *Volume) restingOn(was listing, made *version) (drafts []*Node) {
	key, etag := made.place()
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range v.busy {
		n.lock()
		for _, x := range []*version{n.ver, n.replaces} {
			switch {
			case x == nil || !x.foreign():
				continue
			case x == made:
			case x.stands(was):
				x.moved(key, etag, sideInfo{})
			default:
				continue
			}
			drafts = append(drafts, n)
		}
		n.unlock()
	}
	return drafts
}

// stands reports whether the version is what was listed there.
func (x *version) stands(at listing) bool {
	key, etag := x.place()
	return key == at.key && etag == at.etag
}
