package remote

import (
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
)

// Record is a version at rest, in the journal and in the metadata cache. Its fields are a
// format: earlier programs have written them, which is why there are so many.
type Record struct {
	Mode     string        `json:"mode,omitempty"`
	IV       []byte        `json:"iv,omitempty"`
	Check    string        `json:"check,omitempty"`
	MAC      string        `json:"mac,omitempty"`
	Plain    int64         `json:"plain,omitempty"`
	Cipher   int64         `json:"cipher,omitempty"`
	Key      string        `json:"key,omitempty"`
	ETag     string        `json:"etag,omitempty"`
	Wrapped  []byte        `json:"wrapped,omitempty"`
	KeyID    string        `json:"key_id,omitempty"`
	Region   string        `json:"region,omitempty"`
	Time     time.Time     `json:"time,omitzero"`
	Attr     sidecar.Attr  `json:"attr"`
	Job      string        `json:"job,omitempty"`
	Side     string        `json:"sidecar_etag,omitempty"`
	Size     int64         `json:"sidecar_size,omitempty"`
	SideTime time.Time     `json:"sidecar_time,omitzero"`
	Itself   *sidecar.Attr `json:"itself,omitempty"` // what the object states in place of a sidecar
	Body     []byte        `json:"body,omitempty"`   // ciphertext of a symlink's target; in the metadata cache only

	Over *Record `json:"over,omitempty"` // what stands in its place, should it not have arrived
}

// Record returns the version as it is kept; nil of nil.
func (x *Version) Record() *Record {
	if x == nil {
		return nil
	}
	now := x.State()
	mode := ""
	if !x.Foreign() {
		mode = x.Mode.String()
	}
	r := &Record{
		Mode: mode, IV: x.IV, Check: now.Check, MAC: x.MAC, Plain: x.Plain, Cipher: x.Cipher, Key: now.Key, ETag: now.ETag,
		Wrapped: now.Wrapped, KeyID: now.KeyID, Region: now.Region, Time: now.Modified, Attr: now.Attr, Job: now.Job,
		Side: now.Sidecar.ETag, Size: now.Sidecar.Size, Itself: now.Sidecar.Itself, Over: now.Fallback.Record(),
	}
	if !now.Sidecar.Modified.Equal(now.Modified) { // else earlier records do not have it
		r.SideTime = now.Sidecar.Modified
	}
	return r
}

// Version returns what was kept; nil of nil. It fails where the mode is none.
func (r *Record) Version() (*Version, error) {
	if r == nil {
		return nil, nil
	}
	var mode crypt.Mode
	if r.Mode != "" {
		var err error
		if mode, err = crypt.ParseMode(r.Mode); err != nil {
			return nil, err
		}
	}
	fallback, err := r.Over.Version()
	if err != nil {
		return nil, err
	}
	return NewVersion(Content{Mode: mode, IV: r.IV, MAC: r.MAC, Plain: r.Plain, Cipher: r.Cipher}, State{
		Key: r.Key, ETag: r.ETag, Check: r.Check, Wrapped: r.Wrapped, KeyID: r.KeyID, Region: r.Region,
		Modified: r.Time, Attr: r.Attr, Job: r.Job, Sidecar: r.sidecar(), Body: r.Body, Fallback: fallback,
	}), nil
}

// sidecar returns the sidecar that the record names; an earlier mcfs has not kept its time.
func (r *Record) sidecar() Sidecar {
	s := Sidecar{ETag: r.Side, Size: r.Size, Modified: r.SideTime, Itself: r.Itself}
	if r.SideTime.IsZero() {
		s.Modified = r.Time
	}
	return s
}
