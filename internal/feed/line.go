package feed

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/volume/event"
)

// The types of lines that are no event of a file.
const (
	kindListening = "listening" // the listener is there: what happens from now on is told
	kindMissed    = "missed"    // there were more than are kept, or the mount was another one
	kindEnded     = "ended"     // the mount has ended, and this was all
)

// Line is one line for a listener.
type Line struct {
	V       int           `json:"v"`
	Type    string        `json:"type"`
	Seq     string        `json:"seq"` // to be given as since
	Time    time.Time     `json:"time"`
	Mount   string        `json:"mountpoint"`
	Path    string        `json:"path,omitempty"` // in the volume
	To      string        `json:"to,omitempty"`
	Dir     bool          `json:"dir,omitempty"`
	Size    *int64        `json:"size,omitempty"`
	ETag    string        `json:"etag,omitempty"`
	Address string        `json:"address,omitempty"`  // of the object
	Sidecar string        `json:"settings,omitempty"` // path of its settings, in the volume
	IV      string        `json:"iv,omitempty"`       // as the settings spell it
	What    string        `json:"what,omitempty"`     // has failed
	Again   bool          `json:"again,omitempty"`    // it will be tried again
	Failure *verdict.Line `json:"failure,omitempty"`
	Missed  uint64        `json:"missed,omitempty"` // how many, where that is known
}

// JSON is the line as it is printed.
func (l Line) JSON() ([]byte, error) { return json.Marshal(l) }

// IsMissed reports whether events are missing before the line.
func (l Line) IsMissed() bool { return l.Type == kindMissed }

// IsListening reports whether the line says that the listener is there.
func (l Line) IsListening() bool { return l.Type == kindListening }

// IsEnded reports whether the mount has ended.
func (l Line) IsEnded() bool { return l.Type == kindEnded }

// IsCommit reports whether a version is in the store.
func (l Line) IsCommit() bool { return l.Type == string(event.Commit) }

// IsRename reports whether what was in the store has another name.
func (l Line) IsRename() bool { return l.Type == string(event.Rename) }

// Kinds are the types that lines of files have.
func Kinds() []string {
	return []string{string(event.Commit), string(event.Failure), string(event.Conflict), string(event.Rename), string(event.Remove)}
}

// seq spells a number for this mount alone.
func (f *Feed) seq(n uint64) string { return f.run + "-" + strconv.FormatUint(n, 10) }

// number is the inverse; ok is false for a number of another mount.
func (f *Feed) number(seq string) (n uint64, ok bool) {
	run, text, _ := strings.Cut(seq, "-")
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && run == f.run
}

// line is one that is of no file.
func (f *Feed) line(kind string, n uint64) Line {
	return Line{V: 1, Type: kind, Seq: f.seq(n), Time: time.Now(), Mount: f.place.Mountpoint}
}

// lineOf is the line of an event.
func (f *Feed) lineOf(e entry, n uint64) Line {
	l := Line{V: 1, Type: string(e.Kind), Seq: f.seq(n), Time: e.at, Mount: f.place.Mountpoint, Path: e.Path, To: e.To, Dir: e.Dir}
	switch {
	case e.Kind == event.Failure:
		failure := verdict.LineOf(e.Cause)
		failure.Type = ""
		l.Failure, l.What, l.Again = &failure, e.What, e.Again
	case e.Kind == event.Commit, e.Kind == event.Rename && !e.Dir:
		l.describe(e, f.place)
	}
	return l
}

// describe says of a version where it is, and what names it.
func (l *Line) describe(e entry, p Place) {
	at := e.Path
	if e.To != "" {
		at = e.To
	}
	l.Size, l.ETag = &e.Size, e.ETag
	if p.Address != "" {
		l.Address = p.Address + at
	}
	if len(e.IV) > 0 {
		l.IV = base64.StdEncoding.EncodeToString(e.IV)
	}
	if e.Settings {
		l.Sidecar = sidecar.Name(at)
	}
}
