package status

import (
	"fmt"
	"strings"
	"time"

	"mcfs/internal/human"
)

// HotFolder is how a hot folder of a mount is.
type HotFolder struct {
	Path    string      `json:"path"` // in the volume; "" is all of it
	Match   []string    `json:"match,omitempty"`
	Running int         `json:"running"`           // jobs that are followed
	Created int         `json:"created"`           // jobs, since the mount
	Looked  time.Time   `json:"looked,omitzero"`   // when all files were last looked at
	Failure *HotFailure `json:"failure,omitempty"` // the last
}

// HotFailure is what went wrong in a hot folder.
type HotFailure struct {
	Path  string    `json:"path,omitempty"` // "": the whole folder
	Job   string    `json:"job,omitempty"`
	Cause string    `json:"cause"`
	At    time.Time `json:"at"`
	Again bool      `json:"again,omitempty"` // it is tried again
}

// where is the folder with its patterns, for a person.
func (w HotFolder) where() string {
	at := w.Path
	if at == "" {
		at = "/"
	}
	if len(w.Match) > 0 {
		at += " (" + strings.Join(w.Match, ", ") + ")"
	}
	return human.Quoted(at)
}

func hotItem(w HotFolder, now time.Time) item {
	i := item{key: "watch " + w.where(), kind: "hot folder", name: w.where(), extra: true}
	i.now = fmt.Sprintf("jobs: %d under way, %d created since the mount", w.Running, w.Created)
	i.rest = "not looked through yet"
	if !w.Looked.IsZero() {
		i.rest, i.now = "", i.now+"; looked through at "+human.Clock(w.Looked, now)
	}
	if f := w.Failure; f != nil {
		i.extra = false
		i.rest = strings.TrimPrefix(i.rest+"; "+f.text(now), "; ")
	}
	return i
}

func (f *HotFailure) text(now time.Time) string {
	s := "last failure, at " + human.Clock(f.At, now)
	if f.Again {
		s += " and tried again"
	}
	if f.Path != "" {
		s += ", of " + human.Quoted(f.Path)
	}
	return s + ": " + human.Quoted(f.Cause)
}
