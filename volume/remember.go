package volume

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"mcfs/volume/metacache"
)

const (
	// racily is how long after a change of an object another one may bear the same
	// time: stores tell it to the second. A sidecar has an ETag of its own each
	// time it is put; a marker and a symlink that are put again with other
	// attributes are known by their time alone.
	racily = 2 * time.Second
	// lookSoon and lookLate are when a description that was kept within that time
	// is compared with the store once more: in the mount that made it, and, if
	// that one had ended before, in the next.
	lookSoon = racily + time.Second
	lookLate = time.Minute
)

// openCache opens what earlier mounts remember of the volume's objects.
func (v *Volume) openCache() {
	// Descriptions hold the owner that is shown where none is recorded.
	identity := strings.Join([]string{"2", v.store.Address(""), strconv.Itoa(int(v.o.UID)), strconv.Itoa(int(v.o.GID))}, "\n")
	v.cache = metacache.Open(v.spool.MetadataCache(), identity, v.log)
}

// recall is the version that a listing shows, as it was described once before;
// nil if that was of another state of object or sidecar.
func (v *Volume) recall(l listing) *version {
	now := metacache.Stamp{ETag: l.etag, Size: l.size, Sidecar: l.side.etag, Modified: l.modified}
	data, kept, ok := v.cache.Get(l.key, now)
	if !ok {
		return nil
	}
	var r versionRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return nil
	}
	r.Key, r.ETag, r.Cipher = l.key, l.etag, l.size
	x, err := r.version()
	if err != nil {
		return nil
	}
	x.modified, x.side = l.modified, l.side
	x.side.itself = r.Itself
	if !r.SideTime.IsZero() {
		x.side.modified = r.SideTime
	}
	x.dated = !kept.Modified.IsZero()
	if kept.Slack > 0 {
		x.unsure = lookLate
	}
	return x
}

// remember keeps the description of a version for as long as object and sidecar
// stay as they are. No secret is in it: keys are wrapped, targets encrypted.
func (v *Volume) remember(x *version) {
	if x.damage != nil {
		return
	}
	r := x.record()
	x.mu.Lock()
	s := metacache.Stamp{ETag: x.etag, Size: x.cipher, Sidecar: x.side.etag}
	if x.dated || x.side.etag == "" {
		s.Modified = x.modified
	}
	if x.unsure > 0 {
		s.Slack = racily
	}
	r.Body = x.body
	x.mu.Unlock()
	key := r.Key
	r.Key, r.ETag, r.Side, r.Cipher, r.Size, r.Time = "", "", "", 0, 0, time.Time{}
	data, err := json.Marshal(r)
	if err != nil {
		v.log.Warn("description not kept", "path", key, "cause", err)
		return
	}
	v.cache.Put(key, s, data)
}
