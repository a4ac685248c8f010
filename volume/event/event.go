package event

import (
	"mcfs/volume/remote"
)

// Kind is what has happened. The names are those of `mcfs events`, and stay.
type Kind string

const (
	Commit   Kind = "commit"   // a version is in the store, and its sidecar beside it
	Failure  Kind = "failure"  // a commit, or a change of a name, did not succeed
	Conflict Kind = "conflict" // another machine had the name; To is where the one that gave way is kept
	Rename   Kind = "rename"   // what stood in the store at Path stands at To
	Remove   Kind = "remove"   // nothing stands in the store at Path any more
)

// Event is one thing that has happened. What it points to does not change any more.
type Event struct {
	Kind Kind
	Path string // in the volume
	To   string
	Dir  bool // a directory, and all below it

	// Of a version: of a commit, and of a rename of a file.
	Size     int64 // bytes of plaintext
	ETag     string
	IV       []byte // names the version; nil: mcfs has not encrypted it
	Settings bool   // a sidecar belongs to it

	// Of a failure.
	What  string // "commit", or the change
	Cause error
	Again bool // it will be tried again
}

// Observer is told of what happens to a volume, in the order in which it happens.
//
// Observe is called with locks of the volume held, and by the goroutine that does the work. So it
// takes no lock but one over its own memory, does no I/O, waits for nobody, and calls nothing of
// the volume. It keeps the event, or leaves it.
type Observer interface {
	Observe(Event)
}

// Discard is the observer that leaves every event.
type Discard struct{}

// Observe leaves the event.
func (Discard) Observe(Event) {}

// Committed is the commit of a version at a path.
func Committed(path string, x *remote.Version) Event { return of(Commit, path, x) }

// Renamed is the rename of a version; of a directory where x is nil.
func Renamed(from, to string, x *remote.Version) Event {
	e := Event{Kind: Rename, Path: from, Dir: x == nil}
	if x != nil {
		e = of(Rename, from, x)
	}
	e.To = to
	return e
}

// of is an event of a version.
func of(k Kind, path string, x *remote.Version) Event {
	_, etag := x.Place()
	return Event{Kind: k, Path: path, Size: x.Plain, ETag: etag, IV: x.IV, Settings: x.WantsSidecar()}
}
