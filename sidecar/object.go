package sidecar

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// Object is the metadata of the object itself: all that decryption needs.
type Object struct {
	Mode  string // CTR, CBC, GCM
	Key   []byte // wrapped, 16 to 384 bytes
	KeyID string // may be empty: KMS finds the key from the wrapped one
	IV    []byte // 16 bytes, or 12 for CTR and GCM
	Check string // see crypt.Integrity: Check of a file, LinkCheck of a symlink
}

// objectRoom is the most that Object's metadata takes, as S3 counts.
const objectRoom = len(KeyVersion+FormatVersion+KeyMode+"CTR"+KeyKey+KeyKeyID+KeyIV+KeyCheck) +
	(maxKey+2)/3*4 + roomKeyID + 24 + roomCheck

// Encode gives the keys mcfs, mcfs-mode, mcfs-key, mcfs-key-id, mcfs-iv,
// mcfs-check. It does not judge: see Validate.
func (o Object) Encode() map[string]string {
	out := map[string]string{
		KeyVersion: FormatVersion,
		KeyMode:    o.Mode,
		KeyKey:     base64.StdEncoding.EncodeToString(o.Key),
		KeyIV:      base64.StdEncoding.EncodeToString(o.IV),
		KeyCheck:   o.Check,
	}
	if o.KeyID != "" {
		out[KeyKeyID] = o.KeyID
	}
	return out
}

// Validate says whether ParseObject would accept what Encode gives, and S3 its
// size. ErrTooLarge if only the latter fails.
func (o Object) Validate() error {
	switch o.Mode {
	case "CTR", "CBC", "GCM":
	default:
		return fmt.Errorf("%s: %q is unknown; CTR, CBC and GCM are", KeyMode, clip(o.Mode))
	}
	if err := validCrypt("AES_"+o.Mode, o.Key, o.IV); err != nil {
		return err
	}
	// Without it nothing would tell a changed IV from the true one.
	if o.Check == "" {
		return errors.New(KeyCheck + ": missing")
	}
	if err := printable(KeyCheck, o.Check); err != nil {
		return err
	}
	if err := printable(KeyKeyID, o.KeyID); err != nil {
		return err
	}
	if n := metadataSize(o.Encode()); n > MaxMetadata {
		return fmt.Errorf("%d bytes: %w", n, ErrTooLarge)
	}
	return nil
}

// ErrIncomplete: some of what an object of ours states is missing, as after a copy by
// a program that takes only some of the metadata along; test with errors.Is.
var ErrIncomplete = errors.New("incomplete")

// missing is the first of the fields that all our objects state and these do not; "": none.
func missing(meta map[string]string) string {
	for _, key := range []string{KeyMode, KeyKey, KeyIV, KeyCheck} {
		if _, there := meta[key]; !there {
			return key
		}
	}
	return ""
}

// ParseObject: ok is false without error where the metadata has no "mcfs" key
// (not one of ours); an error, with ok true, where it has one and something is malformed.
// ErrIncomplete, with what is there, where nothing is malformed and something is missing.
func ParseObject(meta map[string]string) (o Object, ok bool, err error) {
	version, ok := meta[KeyVersion]
	if !ok {
		return Object{}, false, nil
	}
	if version != FormatVersion {
		return Object{}, true, fmt.Errorf("read object metadata: format %q is unknown; this program reads format %s: use a newer one", clip(version), FormatVersion)
	}
	o = Object{Mode: meta[KeyMode], KeyID: meta[KeyKeyID], Check: meta[KeyCheck]}
	if o.Key, err = decodeBase64(KeyKey, meta[KeyKey]); err != nil {
		return Object{}, true, fmt.Errorf("read object metadata: %w", err)
	}
	if o.IV, err = decodeBase64(KeyIV, meta[KeyIV]); err != nil {
		return Object{}, true, fmt.Errorf("read object metadata: %w", err)
	}
	if key := missing(meta); key != "" {
		return o, true, fmt.Errorf("read object metadata: %s: missing: %w", key, ErrIncomplete)
	}
	if err := o.Validate(); err != nil {
		return Object{}, true, fmt.Errorf("read object metadata: %w", err)
	}
	return o, true, nil
}
