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

// kindJob is what has become of a job that a hot folder of the mount has made. It is no volume's.
const kindJob event.Kind = "job"

// Jobs is the type of the lines of jobs.
const Jobs = string(kindJob)

// What has become of a job. The words are those of `mcfs events`, and stay.
type What string

const (
	JobCreated  What = "created"
	JobAdopted  What = "adopted"  // it was there already
	JobEnded    What = "ended"    // as its status says
	JobReplaced What = "replaced" // the file was saved again while it waits or runs
	JobFailed   What = "failed"   // there is none, or it is not followed any more
)

// Job is what has become of the job of a version.
type Job struct {
	What    What
	Path    string // of the file, in the volume; "": all
	IV      string // of the version, as the settings spell it
	ID      string
	Status  string   // the service's word
	Outputs []string // addresses, of a job that is complete
	Cause   error    // why it has failed
	Again   bool     // it will be tried again
}

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
	What    string        `json:"what,omitempty"`     // has failed; of a job: has become of it
	Job     string        `json:"job,omitempty"`      // ID
	Status  string        `json:"status,omitempty"`   // of the job, the service's word
	Outputs []string      `json:"outputs,omitempty"`  // addresses, of a job that is complete
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

// IsRemove reports whether a name is gone.
func (l Line) IsRemove() bool { return l.Type == string(event.Remove) }

// IsFailure reports whether something has failed for a file.
func (l Line) IsFailure() bool { return l.Type == string(event.Failure) }

// IsJob reports whether the line says what has become of a job.
func (l Line) IsJob() bool { return l.Type == string(kindJob) }

// Kinds are the types that lines of files have.
func Kinds() []string {
	return []string{string(event.Commit), string(event.Failure), string(event.Conflict), string(event.Rename), string(event.Remove), string(kindJob)}
}

// seq spells a number for this mount alone.
func (f *Feed) seq(n uint64) string { return f.run + "-" + strconv.FormatUint(n, 10) }

// Number is that of the event that a line tells; 0: it is of another mount.
func (f *Feed) Number(l Line) uint64 {
	n, _ := f.number(l.Seq)
	return n
}

// number is the inverse of seq; ok is false for a number of another mount.
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
	l.What, l.Again = e.What, e.Again
	if e.Cause != nil {
		failure := verdict.LineOf(e.Cause)
		failure.Type = ""
		l.Failure = &failure
	}
	switch {
	case e.job != nil:
		l.ofJob(*e.job, f.place)
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

// ofJob says of a job which it is, and of which version.
func (l *Line) ofJob(j Job, p Place) {
	l.Job, l.Status, l.Outputs, l.IV = j.ID, j.Status, j.Outputs, j.IV
	if j.Path != "" && p.Address != "" {
		l.Address = p.Address + j.Path
	}
	if j.IV != "" {
		l.Sidecar = sidecar.Name(j.Path)
	}
}
