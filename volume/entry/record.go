package entry

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/file"
	"mcfs/volume/flaw"
	"mcfs/volume/remote"
)

// ErrPartial is why a draft is lost of which an upload alone had some bytes.
var ErrPartial = errors.New("parts of it were in an unfinished upload alone, since the spool is too small for it, and mcfs ended before that was complete")

// Record is what the volume adds to a journal entry of the spool. It has a field for each fact,
// since each is written by itself.
type Record struct {
	Promised bool           `json:"promised"`       // content that an fsync, a close or an interruption promised to keep
	Asked    bool           `json:"asked"`          // the commit of just that was asked for
	Blank    bool           `json:"blank"`          // no sealed file: the content is empty
	Bare     bool           `json:"bare,omitempty"` // no sealed file: the content is Base's
	Body     []byte         `json:"body,omitempty"` // of a symlink kept here: its encrypted target
	Base     *remote.Record `json:"base,omitempty"`
	Replaces *remote.Record `json:"replaces,omitempty"`
	Making   *remote.Record `json:"making,omitempty"`  // a version whose object may have been made
	Newer    bool           `json:"newer,omitempty"`   // what is promised was written after Making was frozen
	Older    bool           `json:"older,omitempty"`   // what is promised, and in the spool, was written over before Making was frozen
	Partial  bool           `json:"partial,omitempty"` // it was to be kept, and could not: an upload alone has some of it
	Loose    bool           `json:"loose,omitempty"`   // Making ends under its name, which a rename to a local-only name has taken away
	Uploads  []string       `json:"uploads,omitempty"` // multipart uploads to abort after a crash
	Flaws    []flaw.Record  `json:"flaws,omitempty"`   // of what is promised: writes that failed
	Awaits   bool           `json:"awaits,omitempty"`  // the end of the control file beside it
	At       string         `json:"at,omitempty"`      // the key of Making and Uploads

	// Unchecked: unchecked bytes of Base may be in the sealed file. Older programs did not say.
	Unchecked bool `json:"unchecked,omitempty"`

	// Boot is that of the machine in which the content was promised, and through which alone it
	// is: its sealed file was never fsynced. Empty: it was, or there is none.
	Boot string `json:"boot,omitempty"`
}

// Read reads the record of an entry.
func Read(e spool.Entry) (r Record, err error) {
	err = json.Unmarshal(e.Data, &r)
	return r, err
}

// In puts the record into an entry.
func (r Record) In(e spool.Entry) (spool.Entry, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return spool.Entry{}, fmt.Errorf("journal %s: %w", e.Path, err)
	}
	e.Data = data
	return e, nil
}

// The type bits of st_mode that an entry's attributes have.
const (
	modeType    = 0o170000
	modeDir     = 0o040000
	modeSymlink = 0o120000
)

// IsLocal reports whether an entry is of a local-only directory or symlink, and not of a draft.
func IsLocal(e spool.Entry) bool {
	t := e.Attr.Mode & modeType
	return t == modeDir || t == modeSymlink
}

// IsLocalDir reports whether it is a directory's.
func IsLocalDir(e spool.Entry) bool { return e.Attr.Mode&modeType == modeDir }

// Local is the entry of a local-only directory, or with a link's version of a symlink.
func Local(id spool.ID, path string, attr sidecar.Attr, link *remote.Version) (spool.Entry, error) {
	r := Record{Promised: true, Blank: true}
	if link != nil {
		r.Base, r.Body = link.Record(), link.State().Body
	}
	return r.In(spool.Entry{ID: id, Path: path, State: file.Local.String(), Attr: attr, Updated: time.Now()})
}

// Link is the version of a local-only symlink.
func (r Record) Link() (*remote.Version, error) {
	ver, err := r.Base.Version()
	if err != nil || ver == nil {
		return nil, fmt.Errorf("no version in its entry: %w", err)
	}
	ver.SetJournaled(r.Body)
	return ver, nil
}
