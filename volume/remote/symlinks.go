package remote

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"
	"fmt"
	"maps"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/fetch"
)

// What the store calls a symlink is followed only if its check says so: a check of a key of
// its own, that covers the target, too. Who writes the bucket could otherwise choose where
// programs read and write, by one bit of a target, or by calling any file a symlink.

// MaxTarget is the longest target of a symlink, in bytes (PATH_MAX).
const MaxTarget = 4095

var (
	// ErrTaken: another machine has saved the name to which something was to go.
	ErrTaken = errors.New("another machine has saved that name")
	// errUnchecked is a symlink as older programs made them, and a file whose metadata was
	// edited to call it a symlink: one cannot be told from the other.
	errUnchecked = errors.New("nothing proves that it is a symlink, nor where it leads")
	// errAltered is a symlink whose target or check is not what was made.
	errAltered = errors.New("symlink does not match its check")
)

// SealSymlink makes a symlink's version, to be put at path: it encrypts the target under a
// data key, which stays the caller's.
func SealSymlink(key keys.DataKey, mode crypt.Mode, ivBytes int, path, target string, attr sidecar.Attr) (*Version, error) {
	iv, err := crypt.NewIV(mode, ivBytes)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if _, _, err := crypt.EncryptStream(&body, bytes.NewReader([]byte(target)), mode, key.Plain, iv); err != nil {
		return nil, fmt.Errorf("encrypt target: %w", err)
	}
	g, err := crypt.NewIntegrity(mode, key.Plain, iv)
	if err != nil {
		return nil, err
	}
	defer g.Wipe()
	content := Content{Mode: mode, IV: iv, Plain: int64(len(target)), Cipher: int64(body.Len())}
	return NewVersion(content, State{
		Key: path, Check: g.LinkCheck(body.Bytes()), Wrapped: key.Wrapped, KeyID: key.KeyID,
		Modified: time.Now(), Attr: attr, Body: body.Bytes(),
	}), nil
}

// Target decrypts a symlink's target, which it fetches if need be, once it is proven to be
// one. It fails with store.ErrNotExist or fetch.ErrStale where the object stands elsewhere
// by now; why a symlink is not followed is said in the log, once.
func (c *Client) Target(ctx context.Context, x *Version) (string, error) {
	if x.Damage != nil {
		return "", x.Damage
	}
	x.mu.Lock()
	body, refused := x.now.Body, x.refused
	x.mu.Unlock()
	switch {
	case refused != nil:
		return "", refused
	case x.Plain > MaxTarget:
		return "", c.refuse(x, errUnchecked)
	case body == nil:
		var err error
		if body, err = c.fetchTarget(ctx, x); err != nil {
			return "", err
		}
	}
	wrapped, keyID := x.DataKey()
	key, err := c.o.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		return "", err
	}
	defer clear(key)
	if err := c.proveSymlink(x, key, body); err != nil {
		return "", c.refuse(x, err)
	}
	var target bytes.Buffer
	if _, _, err := crypt.DecryptStream(&target, bytes.NewReader(body), x.Mode, key, x.IV, int64(len(body))); err != nil {
		return "", err
	}
	return target.String(), nil
}

// proveSymlink checks that a symlink with this body was made under this key. One of an
// older program has the check of a file: it is believed if this machine's journal kept its
// body, or if the configuration says so.
func (c *Client) proveSymlink(x *Version, key, body []byte) error {
	g, err := crypt.NewIntegrity(x.Mode, key, x.IV)
	if err != nil {
		return err
	}
	defer g.Wipe()
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case g.VerifyLinkCheck(x.now.Check, body) == nil:
		return nil
	case g.VerifyCheck(x.now.Check) != nil:
		return errAltered
	case x.fromJournal:
		x.now.Check = g.LinkCheck(body)
		return nil
	case c.o.UncheckedSymlinks:
		return nil
	}
	return errUnchecked
}

// renewCheck gives a symlink that an older program left in the journal the check of a
// symlink: it is about to leave this machine.
func (c *Client) renewCheck(ctx context.Context, x *Version) error {
	x.mu.Lock()
	body, fromJournal := x.now.Body, x.fromJournal
	x.mu.Unlock()
	if !fromJournal {
		return nil
	}
	wrapped, keyID := x.DataKey()
	key, err := c.o.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		return err // another keeper's waits for that: put as it is it could not be followed any more
	}
	defer clear(key)
	if err := c.proveSymlink(x, key, body); err != nil {
		path, _ := x.Place()
		c.log.Warn("a symlink of the journal does not match its check, and will not be followed", "path", path, "cause", err)
	}
	return nil
}

// refuse keeps why a symlink is not followed, and says it once.
func (c *Client) refuse(x *Version, cause error) error {
	key, _ := x.Place()
	x.mu.Lock()
	said := x.refused != nil
	x.refused = cause
	x.mu.Unlock()
	switch {
	case said:
	case errors.Is(cause, errUnchecked):
		c.log.Error("symlink is not followed: an older mcfs made it, or somebody made it of a file in the store; "+
			"make it again with ln -sfn TARGET LINK (mount.unchecked_symlinks = true shows where such symlinks lead)",
			"path", key, "cause", cause)
	default:
		c.log.Error("symlink is not followed: it was altered in the store; make it again with ln -sfn TARGET LINK",
			"path", key, "cause", cause)
	}
	return cause
}

// fetchTarget gets a symlink's object, which is small, and remembers it with the description.
func (c *Client) fetchTarget(ctx context.Context, x *Version) ([]byte, error) {
	key, _ := x.Place()
	body, info, err := c.readSmall(ctx, key, MaxTarget+2*aes.BlockSize)
	if err != nil {
		return nil, err
	}
	obj, ours, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !ours || x.compare(obj.IV) != same {
		return nil, errors.Join(fetch.ErrStale, err)
	}
	x.mu.Lock()
	x.now.Body = body
	x.mu.Unlock()
	c.Remember(x)
	return body, nil
}

// PutSymlink puts a symlink at key, where nothing may stand but an earlier try of the same.
// ErrTaken: something else does. put reports whether it was put just now, so that another
// machine's may bear the same time.
func (c *Client) PutSymlink(ctx context.Context, x *Version, key string, attr sidecar.Attr) (put bool, err error) {
	if err := c.renewCheck(ctx, x); err != nil {
		return false, fmt.Errorf("put symlink: %w", err)
	}
	info, err := c.putTarget(ctx, x, key, attr, store.Condition{IfNone: true})
	if errors.Is(err, store.ErrPrecondition) {
		there, ours, lookErr := c.Find(ctx, x, key)
		switch {
		case lookErr != nil:
			return false, lookErr
		case ours && !x.Matches(there.Metadata): // an older program's try had arrived, with the check that is not enough
			info, err = c.putTarget(ctx, x, key, attr, store.Condition{IfMatch: there.ETag})
		case ours: // an earlier try had arrived
			x.Moved(key, there.ETag, Sidecar{})
			return false, nil
		case there.ETag != "":
			return false, fmt.Errorf("put symlink %s: %w", key, ErrTaken)
		}
	}
	if err != nil {
		return false, fmt.Errorf("put symlink: %w", err)
	}
	x.symlinkPut(key, info)
	c.Remember(x)
	return true, nil
}

// putTarget puts a symlink's object, which states its attributes itself.
func (c *Client) putTarget(ctx context.Context, x *Version, key string, attr sidecar.Attr, cond store.Condition) (store.Info, error) {
	meta, err := sidecar.EncodeAttr(attr)
	if err != nil {
		return store.Info{}, err
	}
	maps.Copy(meta, x.Object().Encode())
	attrs := store.Attributes{ContentType: "application/octet-stream", Metadata: meta}
	return c.store.Put(ctx, key, bodyOf(x.State().Body), attrs, cond)
}

// RestateSymlink writes changed attributes of a symlink that was found: its object is copied
// onto itself, which is small. put is false where it was removed or replaced meanwhile: an
// unlink does not wait for attributes.
func (c *Client) RestateSymlink(ctx context.Context, x *Version, found store.Info, attr sidecar.Attr, moved func(int64)) (put bool, err error) {
	meta, err := sidecar.EncodeAttr(attr)
	if err != nil {
		return false, err
	}
	maps.Copy(meta, x.Object().Encode())
	key, _ := x.Place()
	c.cache.Forget(key)
	made, err := c.store.Copy(ctx, store.Copy{
		Source: key, SourceIfMatch: found.ETag, Target: key, Size: found.Size,
		Attributes: store.Attributes{ContentType: found.ContentType, Metadata: meta},
		Condition:  store.Condition{IfMatch: found.ETag}, Moved: moved,
	})
	if Refused(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("restate symlink: %w", err)
	}
	x.SetAttr(attr)
	x.symlinkPut(key, made)
	c.Remember(x)
	return true, nil
}
