package volume

import (
	"mcfs/volume/event"
)

// observeFailure tells of what did not succeed: of a commit, or of a change of a name.
func (v *Volume) observeFailure(what, path string, cause error, again bool) {
	v.o.Observer.Observe(event.Event{Kind: event.Failure, What: what, Path: path, Cause: cause, Again: again})
}
