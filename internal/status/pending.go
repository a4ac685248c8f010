package status

import (
	"fmt"
	"path"

	"mcfs/volume"
)

// Pending is what a mount has that its store has not, to be asked about many files.
type Pending struct {
	drafts map[string]string              // states, by path
	moved  map[string]volume.ChangeStatus // by the paths that are not the store's
}

// NewPending is what a report tells of.
func NewPending(r Report) *Pending {
	p := &Pending{drafts: make(map[string]string), moved: make(map[string]volume.ChangeStatus)}
	for _, d := range r.Drafts {
		p.drafts[d.Path] = d.State
	}
	for _, c := range r.Changes {
		if c.What == "attr" || c.What == "mkdir" { // neither moves an object, nor gives it another key
			continue
		}
		for _, at := range []string{c.Path, c.To} {
			if _, there := p.moved[at]; at != "" && !there {
				p.moved[at] = c
			}
		}
	}
	return p
}

// HasDraft reports whether the file of the mount is another one than the store's.
func (p *Pending) HasDraft(inside string) bool { _, there := p.drafts[inside]; return there }

// IsLocal reports whether a file stays on this machine under its name.
func (p *Pending) IsLocal(inside string) bool { return p.drafts[inside] == volume.Local.String() }

// Why returns why a file of the mount is not in the store as it is here, and the cure; else "".
func (p *Pending) Why(inside string) (why, cure string) {
	const wait = "wait for it with mcfs sync and its path"
	switch state, there := p.drafts[inside]; {
	case !there:
	case state == volume.Interrupted.String():
		return "is interrupted: its writer was killed or a write to it failed", "save it again, or commit it as it is with mcfs sync and its path"
	case state == volume.Lost.String():
		return "cannot be committed", "see mcfs status and mcfs help quarantine"
	case state == volume.Local.String(), state == volume.Temporary.String():
		return "", "" // which settings tells better
	case state == volume.Writing.String():
		return "is open for writing, and not committed yet", "close it first"
	default:
		return "is not committed yet", wait
	}
	for at := inside; at != "." && at != "/"; at = path.Dir(at) {
		if c, there := p.moved[at]; there {
			return fmt.Sprintf("is not in the store as it is here (%s of %s)", c.What, c.Path), wait
		}
	}
	return "", ""
}
