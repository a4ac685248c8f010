package upload

import "slices"

// phase is where an upload is in its life.
type phase uint8

const (
	fresh     phase = iota // the store and the volume know nothing of it
	begun                  // Target.Begun returned nil: parts may leave
	finishing              // everything was sent; the request that makes it visible may have left
	done                   // the object is there
	aborted                // given up; by Abort
	lost                   // cannot become an object any more; the upload's error says why
)

// moves is the whole of an upload's life: which phase may follow which.
var moves = map[phase][]phase{
	fresh:     {begun, aborted, lost},
	begun:     {finishing, aborted, lost},
	finishing: {done, aborted, lost},
	lost:      {aborted}, // what is left in the store goes away
	done:      nil,
	aborted:   nil,
}

// may says whether q may follow p.
func (p phase) may(q phase) bool { return slices.Contains(moves[p], q) }

// ended says that no byte leaves any more.
func (p phase) ended() bool { return p == done || p == aborted || p == lost }

func (p phase) String() string {
	return [...]string{"fresh", "begun", "finishing", "done", "aborted", "lost"}[p]
}
