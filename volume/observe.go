package volume

import (
	"strings"

	"mcfs/volume/changes"
	"mcfs/volume/event"
)

// observeFailure tells of what did not succeed: of a commit, or of a change of a name.
func (v *Volume) observeFailure(what, path string, cause error, again bool) {
	v.o.Observer.Observe(event.Event{Kind: event.Failure, What: what, Path: path, Cause: cause, Again: again})
}

// observeChange tells of a change of a name that the store has carried out.
func (v *Volume) observeChange(c *change) {
	switch c.Op {
	case changes.Remove, changes.Localise:
		if c.stays {
			return
		}
		v.o.Observer.Observe(event.Event{Kind: event.Remove, Path: c.Path})
	case changes.Rmdir:
		v.o.Observer.Observe(event.Event{Kind: event.Remove, Path: strings.TrimSuffix(c.Path, "/"), Dir: true})
	case changes.Move:
		v.o.Observer.Observe(event.Renamed(strings.TrimSuffix(c.Path, "/"), strings.TrimSuffix(c.To, "/"), nil))
	case changes.Rename:
		if _, etag := c.Ver.Place(); etag != "" { // else there was nothing yet
			v.o.Observer.Observe(event.Renamed(c.Path, c.To, c.Ver))
		}
	}
}
