package status

import (
	"cmp"
	"strings"
	"time"

	"mcfs/config"
	"mcfs/volume"
)

// State is what has become of a mount.
type State string

// The states of a mount. They are names in the JSON document, too.
const (
	Mounted   State = "mounted"
	Ending    State = "ending"      // its daemon finishes what is pending
	Unmounted State = "not mounted" // what its spool holds is shown
	Dead      State = "dead"        // mounted, and its daemon has ended
	Silent    State = "silent"      // its daemon does not answer
	InUse     State = "in use"      // not mounted, but a daemon has the spool
)

// Report is how one mount is, or one spool that is not mounted.
type Report struct {
	Mountpoint string `json:"mountpoint,omitempty"`
	Volume     string `json:"volume,omitempty"`
	Config     string `json:"config,omitempty"`
	Spool      string `json:"spool,omitempty"`
	State      State  `json:"state"`
	Note       string `json:"note,omitempty"`
	Page       string `json:"page,omitempty"` // address of the page that the daemon shows, with what opens it

	HotFolders []HotFolder `json:"hot_folders,omitempty"`
	*volume.Status
}

// where returns what a person knows the mount by.
func (r Report) where() string { return cmp.Or(r.Mountpoint, r.Volume, "spool "+r.Spool) }

// VolumeName names a configuration's volume: its address, or its folder.
func VolumeName(c config.Config) string {
	if c.Store.Bucket == "" {
		return "the folder " + c.Store.Path
	}
	return "s3://" + c.Store.Bucket + "/" + c.Store.Prefix
}

// InS3 is the name of a volume if that is an address in S3, else "".
func InS3(name string) string {
	if strings.HasPrefix(name, "s3://") {
		return name
	}
	return ""
}

// document is the JSON form of a status.
type document struct {
	Version int       `json:"version"`
	At      time.Time `json:"at,omitzero"`
	Mounts  []Report  `json:"mounts"`
}

func newDocument(all []Report, now time.Time) document {
	if all == nil {
		all = []Report{} // JSON's [] and not null
	}
	return document{Version: 1, At: now, Mounts: all}
}
