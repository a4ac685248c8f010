package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bodyOf is a small body in memory.
func bodyOf(b []byte) store.Body {
	return store.Body{ReadSeeker: bytes.NewReader(b), Size: int64(len(b)), CRC32C: crc32.Checksum(b, castagnoli)}
}

// putSidecar puts the sidecar of x, whose object is at key. If the condition
// does not hold it looks: a sidecar with our IV is this one, put by an answer
// that got lost; another one is replaced only while the object is ours. seen, if
// there is one, is shown such a sidecar before.
func (v *Volume) putSidecar(ctx context.Context, x *version, key string, cond store.Condition, seen func(*foundSidecar)) error {
	for range maxLooks {
		side, err := v.putDocument(ctx, key, v.settings(x, key), x.meta(), cond)
		if err == nil {
			x.published(side)
			v.remember(x)
			return nil
		}
		if !refused(err) {
			return err
		}
		there, err := v.lookSidecar(ctx, key)
		if err != nil {
			return err
		}
		ours, err := v.isOurs(ctx, x, key)
		if err != nil {
			return err
		}
		if !ours {
			return nil // another machine's version stands there now, and its sidecar is not ours to change
		}
		cond = store.Condition{IfNone: true}
		if there != nil {
			cond = store.Condition{IfMatch: there.info.etag}
			if seen != nil {
				seen(there)
			}
		}
	}
	return fmt.Errorf("put sidecar of %s: %w", key, errKeepsChanging)
}

// putDocument puts a sidecar, under a condition. An answer that got lost is told
// from a refusal by the document's own random line.
func (v *Volume) putDocument(ctx context.Context, key string, doc sidecar.Settings, m sidecar.Meta, cond store.Condition) (sideInfo, error) {
	text, err := doc.Marshal()
	if err != nil {
		return sideInfo{}, fmt.Errorf("put sidecar of %s: %w", key, err)
	}
	meta, err := m.Encode()
	if err != nil {
		return sideInfo{}, fmt.Errorf("put sidecar of %s: %w", key, err)
	}
	attr := store.Attributes{ContentType: sidecar.ContentType, Metadata: meta}
	info, err := v.store.Put(ctx, sidecar.Name(key), bodyOf(text), attr, cond)
	if err == nil {
		return sideInfo{etag: info.ETag, size: int64(len(text)), modified: time.Now()}, nil
	}
	if refused(err) {
		if there, lookErr := v.lookSidecar(ctx, key); lookErr == nil && there != nil && bytes.Equal(there.text, text) {
			return there.info, nil
		}
	}
	return sideInfo{}, fmt.Errorf("put sidecar of %s: %w", key, err)
}

// foundSidecar is a sidecar as the store has it.
type foundSidecar struct {
	text []byte
	info sideInfo
	meta map[string]string
}

// lookSidecar reads the sidecar of key; nil if there is none.
func (v *Volume) lookSidecar(ctx context.Context, key string) (*foundSidecar, error) {
	text, info, err := v.readSmall(ctx, sidecar.Name(key), sidecar.MaxSize+1) // Parse refuses what is longer
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at sidecar of %s: %w", key, err)
	}
	return &foundSidecar{text: text, info: sideOf(info), meta: info.Metadata}, nil
}

// attrDiffer says whether the attributes are not those that the sidecar of x states.
func attrDiffer(a sidecar.Attr, x *version) bool {
	x.mu.Lock()
	b := x.attr
	x.mu.Unlock()
	return differ(a, b)
}

// differ says whether a and b state different attributes.
func differ(a, b sidecar.Attr) bool {
	if a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || !a.Mtime.Equal(b.Mtime) || len(a.Xattr) != len(b.Xattr) {
		return true
	}
	for k, v := range a.Xattr {
		if w, ok := b.Xattr[k]; !ok || !bytes.Equal(v, w) {
			return true
		}
	}
	return false
}
