package remote

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"mcfs/store"
	"mcfs/volume/metacache"
)

// CacheIdentity says whose descriptions a metadata cache has: they hold the owner that is
// shown where none is recorded.
func CacheIdentity(s store.Store, uid, gid uint32) string {
	return strings.Join([]string{"2", s.Address(""), strconv.Itoa(int(uid)), strconv.Itoa(int(gid))}, "\n")
}

// recall is the version that a listing shows, as it was described once before; nil if
// that was of another state of object or sidecar.
func (c *Client) recall(l Listing) *Version {
	if l.SidecarUnknown {
		return nil
	}
	stamp := metacache.Stamp{ETag: l.ETag, Size: l.Size, Sidecar: l.Sidecar.ETag, Modified: l.Modified}
	data, kept, ok := c.cache.Get(l.Key, stamp)
	if !ok {
		return nil
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil
	}
	r.Key, r.ETag, r.Cipher = l.Key, l.ETag, l.Size
	x, err := r.Version()
	if err != nil {
		return nil
	}
	x.now.Modified, x.now.Sidecar = l.Modified, l.Sidecar
	x.now.Sidecar.Itself = r.Itself
	if !r.SideTime.IsZero() {
		x.now.Sidecar.Modified = r.SideTime
	}
	x.byTime = !kept.Modified.IsZero()
	if kept.Slack > 0 {
		x.recheck = RecheckLate
	}
	return x
}

// Remember keeps the description of a version for as long as object and sidecar stay as
// they are. No secret is in it: keys are wrapped, targets encrypted.
func (c *Client) Remember(x *Version) {
	if x.Damage != nil {
		return
	}
	r := x.Record()
	x.mu.Lock()
	stamp := metacache.Stamp{ETag: x.now.ETag, Size: x.Cipher, Sidecar: x.now.Sidecar.ETag}
	if x.byTime || x.now.Sidecar.ETag == "" {
		stamp.Modified = x.now.Modified
	}
	if x.recheck > 0 {
		stamp.Slack = sameTime
	}
	r.Body = x.now.Body
	x.mu.Unlock()
	key := r.Key
	r.Key, r.ETag, r.Side, r.Cipher, r.Size, r.Time = "", "", "", 0, 0, time.Time{}
	data, err := json.Marshal(r)
	if err != nil {
		c.log.Warn("what was learnt of a file is not remembered", "path", key, "cause", err)
		return
	}
	c.cache.Put(key, stamp, data)
}
