package volume

import (
	"strings"

	"mcfs/volume/event"
)

// observeFailure tells of what did not succeed: of a commit, or of a change of a name.
func (v *Volume) observeFailure(what, path string, cause error, again bool) {
	v.o.Observer.Observe(event.Event{Kind: event.Failure, What: what, Path: path, Cause: cause, Again: again})
}

// observeChange tells of a change of a name that the store has carried out.
func (v *Volume) observeChange(c *change) {
	switch c.Op {
	case opRemove, opLocalise:
		if c.stays {
			return
		}
		v.o.Observer.Observe(event.Event{Kind: event.Remove, Path: c.Path})
	case opRmdir:
		v.o.Observer.Observe(event.Event{Kind: event.Remove, Path: strings.TrimSuffix(c.Path, "/"), Dir: true})
	case opMove:
		v.o.Observer.Observe(event.Renamed(strings.TrimSuffix(c.Path, "/"), strings.TrimSuffix(c.To, "/"), nil))
	case opRename:
		if _, etag := c.ver.Place(); etag != "" { // else there was nothing yet
			v.o.Observer.Observe(event.Renamed(c.Path, c.To, c.ver))
		}
	}
}
