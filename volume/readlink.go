package volume

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"
	"fmt"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// What the store calls a symlink is followed only if its check says so: a check of a
// key of its own, that covers the target, too. Who writes the bucket could otherwise
// choose where programs read and write, by one bit of a target, or by calling any
// file a symlink.

// errUnchecked is a symlink as older programs made them, and a file whose metadata was
// edited to call it a symlink: one cannot be told from the other.
var errUnchecked = errors.New("nothing proves that it is a symlink, nor where it leads")

// errRefused is a symlink whose target or check is not what was made.
var errRefused = errors.New("symlink does not match its check")

// Readlink reads a symlink's target.
func (n *Node) Readlink(ctx context.Context) (string, error) {
	if n.kind != Symlink {
		return "", ErrInvalid
	}
	n.lock()
	target, ver := n.target, n.ver
	n.unlock()
	if target != "" {
		return target, nil
	}
	target, err := n.v.openTarget(ctx, ver)
	for range maxLooks { // it may be on its way
		if !errors.Is(err, ErrStale) && !errors.Is(err, store.ErrNotExist) || !n.relocate(ctx) {
			break
		}
		target, err = n.v.openTarget(ctx, ver)
	}
	if err != nil {
		return "", fmt.Errorf("read symlink %s: %w", n.Path(), errorsIO(fromFetch(err)))
	}
	n.lock()
	n.target = target
	n.unlock()
	return target, nil
}

// openTarget decrypts the target, which it fetches if need be, once it is proven.
func (v *Volume) openTarget(ctx context.Context, ver *version) (string, error) {
	if ver.damage != nil {
		return "", ver.damage
	}
	ver.mu.Lock()
	body, refused := ver.body, ver.refused
	ver.mu.Unlock()
	switch {
	case refused != nil:
		return "", refused
	case ver.fetchable().Plain > maxTarget:
		return "", v.refuse(ver, errUnchecked)
	case body == nil:
		var err error
		if body, err = v.fetchTarget(ctx, ver); err != nil {
			return "", err
		}
	}
	wrapped, keyID := ver.dataKey()
	key, err := v.unwrap(ctx, wrapped, keyID)
	if err != nil {
		return "", err
	}
	defer clear(key)
	if err := v.proveLink(ver, key, body); err != nil {
		return "", v.refuse(ver, err)
	}
	var target bytes.Buffer
	if _, _, err := crypt.DecryptStream(&target, bytes.NewReader(body), ver.mode, key, ver.iv, int64(len(body))); err != nil {
		return "", err
	}
	return target.String(), nil
}

// proveLink checks that a symlink with this body was made under this key. One of an
// older program has the check of a file: it is believed if this machine's journal
// kept its body, or if the configuration says so.
func (v *Volume) proveLink(ver *version, key, body []byte) error {
	g, err := crypt.NewIntegrity(ver.mode, key, ver.iv)
	if err != nil {
		return err
	}
	defer g.Wipe()
	ver.mu.Lock()
	defer ver.mu.Unlock()
	switch {
	case g.VerifyLinkCheck(ver.check, body) == nil:
		return nil
	case g.VerifyCheck(ver.check) != nil:
		return errRefused
	case ver.journal:
		ver.check = g.LinkCheck(body)
		return nil
	case v.o.UncheckedLinks:
		return nil
	}
	return errUnchecked
}

// renewCheck gives a symlink that an older program left in the journal the check of a
// symlink: it is about to leave this machine.
func (v *Volume) renewCheck(ctx context.Context, ver *version) error {
	ver.mu.Lock()
	body, journal := ver.body, ver.journal
	ver.mu.Unlock()
	if !journal {
		return nil
	}
	wrapped, keyID := ver.dataKey()
	key, err := v.unwrap(ctx, wrapped, keyID)
	if err != nil {
		return err // another keeper's waits for that: put as it is it could not be followed any more
	}
	defer clear(key)
	if err := v.proveLink(ver, key, body); err != nil {
		path, _ := ver.place()
		v.log.Warn("a symlink of the journal does not match its check, and will not be followed", "path", path, "cause", err)
	}
	return nil
}

// refuse keeps why a symlink is not followed, and says it once.
func (v *Volume) refuse(ver *version, cause error) error {
	key, _ := ver.place()
	err := errors.Join(ErrIO, cause)
	ver.mu.Lock()
	said := ver.refused != nil
	ver.refused = err
	ver.mu.Unlock()
	switch {
	case said:
	case errors.Is(cause, errUnchecked):
		v.log.Error("symlink is not followed: an older mcfs made it, or somebody made it of a file in the store; "+
			"make it again with ln -sfn TARGET LINK (mount.unchecked_symlinks = true shows where such symlinks lead)",
			"path", key, "cause", cause)
	default:
		v.log.Error("symlink is not followed: it was altered in the store; make it again with ln -sfn TARGET LINK",
			"path", key, "cause", cause)
	}
	return err
}

// fetchTarget gets a symlink's object, which is small, and remembers it with the description.
func (v *Volume) fetchTarget(ctx context.Context, ver *version) ([]byte, error) {
	key, _ := ver.place()
	body, info, err := v.readSmall(ctx, key, maxTarget+2*aes.BlockSize)
	if err != nil {
		return nil, err
	}
	obj, ours, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !ours || !bytes.Equal(obj.IV, ver.iv) {
		return nil, errors.Join(ErrStale, err)
	}
	ver.mu.Lock()
	ver.body = body
	ver.mu.Unlock()
	v.remember(ver)
	return body, nil
}
