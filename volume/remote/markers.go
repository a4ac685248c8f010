package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/metacache"
)

// Marker is a directory's marker as a listing shows it; the zero Marker: there is none. All
// markers are empty and so share one ETag: the time tells one from the next.
type Marker struct {
	ETag     string
	Modified time.Time // zero after a put of this machine, until the store is asked for it
}

// MarkerOf is a marker that the store has described.
func MarkerOf(info store.Info) Marker { return Marker{info.ETag, info.Modified} }

// IsShownAs reports whether m may be what a listing shows.
func (m Marker) IsShownAs(shown Marker) bool {
	return m.ETag == shown.ETag && (m.Modified.IsZero() || m.Modified.Unix() == shown.Modified.Unix())
}

// isMarker reports whether a listed key is the marker of the directory that is being listed.
func isMarker(key, prefix string) bool { return key == prefix && strings.HasSuffix(key, "/") }

// ListMarker finds a directory's marker by a listing, which costs no more than a look at it
// and tells whether what is remembered still holds; the zero Marker: it has none.
func (c *Client) ListMarker(ctx context.Context, key string) (Marker, error) {
	page, err := c.store.List(ctx, key, "/", "", 1)
	if err != nil || len(page.Objects) == 0 || !isMarker(page.Objects[0].Key, key) {
		return Marker{}, err
	}
	return MarkerOf(page.Objects[0]), nil
}

// FindMarker looks at the places where a directory may be; a zero Info means that it has no
// marker. One that states nothing may be on its way: some stores answer with half of an
// object that is removed at that moment, and then the next place has it.
func (c *Client) FindMarker(ctx context.Context, places []string) (silent store.Info, err error) {
	for _, key := range places {
		info, err := c.store.Head(ctx, key)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil || !isSilent(info) {
			return info, err
		}
		silent = info
	}
	return silent, nil
}

// PutMarker puts the object that keeps an empty directory, and any directory's attributes.
func (c *Client) PutMarker(ctx context.Context, key string, attr sidecar.Attr) (Marker, error) {
	meta, err := sidecar.EncodeAttr(attr)
	if err != nil {
		return Marker{}, err
	}
	c.cache.Forget(key)
	attrs := store.Attributes{ContentType: "application/x-directory", Metadata: meta}
	info, err := c.store.Put(ctx, key, bodyOf(nil), attrs, store.Condition{})
	if err != nil {
		return Marker{}, err
	}
	c.RememberMarker(key, MarkerOf(info), time.Time{}, attr)
	return Marker{ETag: info.ETag}, nil
}

// RemoveMarker deletes it; none there is no error.
func (c *Client) RemoveMarker(ctx context.Context, key string) error {
	c.cache.Delete(key)
	return c.store.Delete(ctx, key, store.Condition{})
}

// MoveMarkers makes the markers of directories that are renamed from one prefix to another
// under their new names, then removes the old ones, deepest first. It may be repeated.
func (c *Client) MoveMarkers(ctx context.Context, from, to string, markers []string) error {
	for _, key := range markers {
		if err := c.copyMarker(ctx, key, to+strings.TrimPrefix(key, from)); err != nil {
			return err
		}
	}
	for i := len(markers) - 1; i >= 0; i-- {
		if err := c.deleteIfThere(ctx, markers[i]); err != nil {
			return err
		}
	}
	return nil
}

// copyMarker puts a marker under another name as well; none there is no error. One that states
// nothing takes the place of none that does: it may be half of one that was copied before, and
// whose removal was interrupted.
func (c *Client) copyMarker(ctx context.Context, from, to string) error {
	info, err := c.store.Head(ctx, from)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if isSilent(info) {
		there, err := c.store.Head(ctx, to)
		if err == nil && !isSilent(there) {
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return err
		}
	}
	attr := store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata}
	c.cache.Forget(to)
	if _, err := c.store.Put(ctx, to, bodyOf(nil), attr, store.Condition{}); err != nil {
		return fmt.Errorf("put %s: %w", to, err)
	}
	return nil
}

// isSilent reports whether a marker states no attributes; one whose attributes cannot be read
// does.
func isSilent(info store.Info) bool {
	attr, err := sidecar.ParseAttr(info.Metadata)
	return err == nil && attr.Mode == 0
}

// RecallMarker returns the attributes that were remembered of a marker, as a listing shows
// it, and whether they are certain; ok is false where they are not remembered.
func (c *Client) RecallMarker(key string, m Marker) (attr sidecar.Attr, sure, ok bool) {
	data, kept, ok := c.cache.Get(key, metacache.Stamp{ETag: m.ETag, Modified: m.Modified})
	if !ok || json.Unmarshal(data, &attr) != nil {
		return sidecar.Attr{}, false, false
	}
	return attr, kept.Slack == 0, true
}

// RememberMarker keeps a directory's attributes; answered is when the store told them, zero
// where it was told. It reports whether they are certain.
func (c *Client) RememberMarker(key string, m Marker, answered time.Time, attr sidecar.Attr) (sure bool) {
	stamp := metacache.Stamp{ETag: m.ETag, Modified: m.Modified}
	sure = answered.Sub(m.Modified) >= sameTime
	if !sure {
		stamp.Slack = sameTime
	}
	if data, err := json.Marshal(attr); err == nil {
		c.cache.Put(key, stamp, data)
	}
	return sure
}
