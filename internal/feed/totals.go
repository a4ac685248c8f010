package feed

import (
	"maps"

	"mcfs/volume/event"
)

// Total is what events are counted by. Its words are those of the lines, of which there are few.
type Total struct {
	Type   string // of the line
	What   string // of a failure: what has failed; of a job: what has become of it
	Status string // of a job that has ended, the service's word
	Again  bool   // of a failure: it will be tried again
}

// Totals are how many events there were since the mount began, also of those that are not kept
// any more. The map is the caller's.
func (f *Feed) Totals() map[Total]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.totals)
}

// count adds an event to its sum; f.mu is held.
func (f *Feed) count(e entry) {
	t := Total{Type: string(e.Kind)}
	switch e.Kind {
	case event.Failure:
		t.What, t.Again = e.What, e.Again
	case kindJob:
		t.What = e.What
		if e.job.What == JobEnded {
			t.Status = e.job.Status
		}
	}
	f.totals[t]++
}
