package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

// FoundSidecar is a sidecar that was read.
type FoundSidecar struct {
	Sidecar
	Text     []byte
	Metadata map[string]string
}

// LookSidecar reads the sidecar of key; nil if there is none. It gives the store's error.
func (c *Client) LookSidecar(ctx context.Context, key string) (*FoundSidecar, error) {
	text, info, err := c.readSmall(ctx, sidecar.Name(key), sidecar.MaxSize+1) // Parse refuses what is longer
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at sidecar of %s: %w", key, err)
	}
	return &FoundSidecar{Sidecar: SidecarOf(info), Text: text, Metadata: info.Metadata}, nil
}

// ErrOtherVersion: the sidecar belongs to another version than was asked for.
var ErrOtherVersion = errors.New("the sidecar belongs to another version")

// Settings returns the bytes of a version's sidecar as the store holds them; nil if there
// is none. ErrOtherVersion: it is not the version's.
func (c *Client) Settings(ctx context.Context, x *Version) ([]byte, error) {
	key, _ := x.Place()
	there, err := c.LookSidecar(ctx, key)
	if err != nil || there == nil {
		return nil, err
	}
	if !there.IsOf(x) {
		return nil, fmt.Errorf("settings of %s: %w", key, ErrOtherVersion)
	}
	x.SetSidecar(there.Sidecar)
	return there.Text, nil
}

// Stated returns the document and its metadata, with attributes that this does not state
// taken from base. It fails where either is malformed.
func (f *FoundSidecar) Stated(base sidecar.Attr) (sidecar.Settings, sidecar.Meta, error) {
	doc, err := sidecar.Parse(f.Text)
	if err != nil {
		return sidecar.Settings{}, sidecar.Meta{}, fmt.Errorf("sidecar: %w", err)
	}
	meta, _, err := sidecar.ParseMeta(f.Metadata)
	if err != nil {
		return sidecar.Settings{}, sidecar.Meta{}, fmt.Errorf("sidecar metadata: %w", err)
	}
	attr := base
	addStated(&attr, meta.Attr)
	meta.Attr = attr
	return doc, meta, nil
}

// settings is the document of the version's sidecar at key.
func (c *Client) settings(x *Version, key string) sidecar.Settings {
	now := x.State()
	region := now.Region
	if now.KeyID != "" {
		region = regionOf(now.KeyID)
	}
	return sidecar.Settings{
		FileInput: c.store.Address(key), Mode: "AES_" + x.Mode.String(), Key: now.Wrapped, IV: x.IV, Region: region,
	}
}

// regionOf is the fourth element of an ARN; empty for anything else (a local keyring).
func regionOf(keyID string) string {
	parts := bytes.Split([]byte(keyID), []byte(":"))
	if len(parts) < 6 || string(parts[0]) != "arn" {
		return ""
	}
	return string(parts[3])
}

// PutSidecar puts the sidecar of x, whose object is at key. If the condition does not hold
// it looks: a sidecar with our IV is this one, put by an answer that got lost; another one
// is replaced only while the object is ours. seen, if there is one, is shown such a sidecar
// before. Where another machine's version stands there by now nothing is put, without an error.
func (c *Client) PutSidecar(ctx context.Context, x *Version, key string, cond store.Condition, seen func(*FoundSidecar)) error {
	for range MaxLooks {
		side, err := c.putDocument(ctx, key, c.settings(x, key), x.meta(), cond)
		if err == nil {
			x.sidecarPut(side)
			c.Remember(x)
			return nil
		}
		if !Refused(err) {
			return err
		}
		there, err := c.LookSidecar(ctx, key)
		if err != nil {
			return err
		}
		ours, err := c.IsAt(ctx, x, key)
		if err != nil || !ours {
			return err // another machine's sidecar is not ours to change
		}
		cond = store.Condition{IfNone: true}
		if there != nil {
			cond = store.Condition{IfMatch: there.ETag}
			if there.IsOf(x) {
				x.takeJob(there.Metadata[sidecar.KeyJob])
			}
			if seen != nil {
				seen(there)
			}
		}
	}
	return fmt.Errorf("put sidecar of %s: %w", key, errKeepsChanging)
}

// putDocument puts a sidecar, under a condition. An answer that got lost is told from a
// refusal by the document's own random line.
func (c *Client) putDocument(ctx context.Context, key string, doc sidecar.Settings, m sidecar.Meta, cond store.Condition) (Sidecar, error) {
	text, err := doc.Marshal()
	if err != nil {
		return Sidecar{}, fmt.Errorf("put sidecar of %s: %w", key, err)
	}
	meta, err := m.Encode()
	if err != nil {
		return Sidecar{}, fmt.Errorf("put sidecar of %s: %w", key, err)
	}
	attr := store.Attributes{ContentType: sidecar.ContentType, Metadata: meta}
	info, err := c.store.Put(ctx, sidecar.Name(key), bodyOf(text), attr, cond)
	if err == nil {
		return Sidecar{ETag: info.ETag, Size: int64(len(text)), Modified: time.Now()}, nil
	}
	if Refused(err) {
		if there, lookErr := c.LookSidecar(ctx, key); lookErr == nil && there != nil && bytes.Equal(there.Text, text) {
			return there.Sidecar, nil
		}
	}
	return Sidecar{}, fmt.Errorf("put sidecar of %s: %w", key, err)
}

// DeleteSidecar deletes the sidecar of key if it is the version's: by its ETag, if one is
// given, else by its IV. changed, if there is one, is shown a sidecar of the version that
// another machine has put again, before it goes; its error ends the attempt. None there,
// or another version's, is no error.
func (c *Client) DeleteSidecar(ctx context.Context, x *Version, key, etag string, changed func(*FoundSidecar) error) error {
	for range MaxLooks {
		if etag != "" {
			err := c.store.Delete(ctx, sidecar.Name(key), store.Condition{IfMatch: etag})
			if err == nil || errors.Is(err, store.ErrNotExist) {
				return nil
			}
			if !errors.Is(err, store.ErrPrecondition) {
				return fmt.Errorf("delete sidecar of %s: %w", key, err)
			}
		}
		there, err := c.LookSidecar(ctx, key)
		if err != nil || there == nil {
			return err
		}
		iv := x.IV
		if len(iv) == 0 {
			if iv, err = c.listedIV(ctx, x, key); err != nil {
				return err
			}
		}
		if !there.isOf(iv) {
			return nil
		}
		if changed != nil {
			if err := changed(there); err != nil {
				return err
			}
		}
		etag = there.ETag
	}
	return fmt.Errorf("delete sidecar of %s: %w", key, errKeepsChanging)
}

// listedIV is the IV that the object of a version states of which a listing gave the ETag
// alone; nil if that object is not there any more.
func (c *Client) listedIV(ctx context.Context, x *Version, key string) ([]byte, error) {
	info, ours, err := c.Find(ctx, x, key)
	if err != nil || !ours {
		return nil, err
	}
	obj, err := statedBy(info.Metadata)
	if err != nil {
		return nil, nil
	}
	return obj.IV, nil
}

// RestoreSidecar puts the sidecar of a version again, if its object stands at key without
// one; nil, and what has no sidecar, are left alone. It gives the store's error.
func (c *Client) RestoreSidecar(ctx context.Context, x *Version, key string) error {
	if x == nil || !x.WantsSidecar() {
		return nil
	}
	info, ours, err := c.Find(ctx, x, key)
	if err != nil || !ours || c.needsNone(x, key, info.Metadata) {
		return err // another version stands there, with a sidecar of its own; or it has none
	}
	return c.PutSidecar(ctx, x, key, store.Condition{IfNone: true}, nil)
}

// WithdrawLate takes back a sidecar that was put so long after its object that another
// machine may have replaced that meanwhile. It gives the store's error.
func (c *Client) WithdrawLate(ctx context.Context, x *Version, key string) error {
	ours, err := c.IsAt(ctx, x, key)
	if err != nil || ours {
		return err
	}
	side := x.Sidecar()
	x.SetSidecar(Sidecar{})
	if side.ETag == "" {
		return nil
	}
	err = c.store.Delete(ctx, sidecar.Name(key), store.Condition{IfMatch: side.ETag})
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return err
}

// PublishFound publishes the sidecar of an object that was found at key, unless it has one.
// It gives the store's error, ErrNotExist where the object is gone.
func (c *Client) PublishFound(ctx context.Context, x *Version, key string) error {
	info, err := c.store.Head(ctx, key)
	if err != nil {
		return err
	}
	x.Moved(key, info.ETag, Sidecar{})
	x.mu.Lock()
	x.now.Modified = info.Modified
	x.mu.Unlock()
	there, err := c.LookSidecar(ctx, key)
	if err != nil {
		return err
	}
	if there.IsOf(x) {
		c.takeSidecar(x, there)
		return nil
	}
	cond := store.Condition{IfNone: true}
	if there != nil {
		cond = store.Condition{IfMatch: there.ETag}
	} else if c.needsNone(x, key, info.Metadata) {
		return nil
	}
	if err := c.PutSidecar(ctx, x, key, cond, nil); err != nil {
		return err
	}
	return c.WithdrawLate(ctx, x, key)
}

// takeSidecar takes over what the sidecar of x says.
func (c *Client) takeSidecar(x *Version, there *FoundSidecar) {
	doc, meta, err := there.Stated(x.Attr())
	if err != nil {
		x.SetSidecar(there.Sidecar)
		return
	}
	x.mu.Lock()
	x.now.Attr, x.now.Job = meta.Attr, meta.Job
	x.now.Wrapped, x.now.KeyID, x.now.Region = doc.Key, meta.KeyID, doc.Region
	x.mu.Unlock()
	x.sidecarPut(there.Sidecar)
	c.Remember(x)
}

// IsSidecarWrong reports whether the sidecar of a version is missing, or is its own but
// says something else than would be put there now. Another version's is not ours to
// change; under a local-only name none is missing whose object states itself what it would.
// It gives the store's error.
func (c *Client) IsSidecarWrong(ctx context.Context, x *Version) (bool, error) {
	now := x.State()
	there, err := c.LookSidecar(ctx, now.Key)
	if err != nil || there == nil {
		return err == nil && (now.Sidecar.Itself == nil || !c.isLocalOnly(now.Key)), err
	}
	doc, err := sidecar.Parse(there.Text)
	if err != nil || !bytes.Equal(doc.IV, x.IV) {
		return false, nil
	}
	meta, whole, err := sidecar.ParseMeta(there.Metadata)
	return doc.FileInput != c.store.Address(now.Key) || err != nil || !whole || meta.ETag != now.ETag || meta.KeyID != now.KeyID, nil
}

// noteAddress says, once, that sidecars name another place than that of their files: who
// takes them to MediaConvert would have it read there.
func (c *Client) noteAddress(key, named string) {
	if here := c.store.Address(key); named != here && !c.elsewhere.Swap(true) {
		c.log.Warn("a sidecar names another place than its file's, as after a copy of a bucket: MediaConvert would read there; "+
			"mcfs sync --repair PATH puts all below PATH right", "path", key, "named", named, "is", here)
	}
}
