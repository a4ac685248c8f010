package sidecar

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// Names of the metadata, without x-amz-meta-. The first group is ours; the
// second is that of s3fs and rclone.
const (
	KeyVersion = "mcfs"
	KeyMode    = "mcfs-mode"
	KeyKey     = "mcfs-key"
	KeyKeyID   = "mcfs-key-id"
	KeyIV      = "mcfs-iv"
	KeyCheck   = "mcfs-check"
	KeyETag    = "mcfs-etag"
	KeySize    = "mcfs-size"
	KeyMAC     = "mcfs-mac"
	KeyXattr   = "mcfs-xattr"
	KeyJob     = "mcfs-job"

	KeyMtime    = "mtime"
	KeyFileMode = "mode"
	KeyUID      = "uid"
	KeyGID      = "gid"
)

// FormatVersion is the value of the metadata key mcfs: the format that this package writes and reads.
const FormatVersion = "1"

// MaxMetadata is S3's limit on user metadata in bytes: the sum over all names
// (without x-amz-meta-) and values, in UTF-8.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const MaxMetadata = 2 << 10

// ErrTooLarge: the metadata would pass MaxMetadata; test with errors.Is.
var ErrTooLarge = errors.New("metadata larger than the 2 KiB that S3 allows")

// The longest values for which room is kept, in bytes, so that an attribute
// accepted once still fits when everything beside it has grown.
const (
	roomETag  = 80  // S3's have at most 40
	roomMAC   = 96  // base64 of 48 bytes has 64
	roomKeyID = 160 // a KMS key's ARN has about 90
	roomJob   = 40  // IDs of MediaConvert's jobs have about 20
	roomCheck = 64  // base64 of 32 bytes has 44
	roomInt64 = 20
	roomInt32 = 10
	roomTime  = roomInt64 + 1 + 9
)

// Meta is the metadata of the sidecar object.
type Meta struct {
	ETag  string // mcfs-etag: of the object, a hint; may be empty
	Size  int64  // mcfs-size: plaintext bytes
	MAC   string // mcfs-mac; may be empty
	KeyID string // mcfs-key-id: of the wrapped key in the document (a rewrap changes it)
	Job   string // mcfs-job: ID of the job that mcfs watch has made of the version; empty: none
	Attr  Attr
}

// Encode renders; ErrTooLarge if it would pass S3's 2 KiB (as S3 counts: keys
// and values). Empty fields are left out.
func (m Meta) Encode() (map[string]string, error) {
	if m.Size < 0 {
		return nil, fmt.Errorf("encode metadata: %s: %d is negative", KeySize, m.Size)
	}
	out, err := m.Attr.encode()
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	out[KeySize] = strconv.FormatInt(m.Size, 10)
	for key, value := range map[string]string{KeyETag: m.ETag, KeyMAC: m.MAC, KeyKeyID: m.KeyID, KeyJob: m.Job} {
		if err := printable(key, value); err != nil {
			return nil, fmt.Errorf("encode metadata: %w", err)
		}
		if value != "" {
			out[key] = value
		}
	}
	if n := metadataSize(out); n > MaxMetadata {
		return nil, fmt.Errorf("encode metadata: %d bytes: %w", n, ErrTooLarge)
	}
	return out, nil
}

// namePrefix is what the name of each field begins with on its way to S3. The 2 KiB are
// told without it, but some servers count it.
const namePrefix = len("x-amz-meta-")

// objectsOwn are the fields of a sidecar's metadata that an object may state itself.
var objectsOwn = []string{KeySize, KeyMAC, KeyXattr, KeyMtime, KeyFileMode, KeyUID, KeyGID, KeyJob}

// EncodeInto adds to the metadata of the object itself what that of a sidecar states: all
// but what the object has already. ErrTooLarge, and nothing added, if S3 has no room for it.
func (m Meta) EncodeInto(object map[string]string) error {
	m.ETag, m.KeyID = "", ""
	own, err := m.Encode()
	if err != nil {
		return err
	}
	all := maps.Clone(object)
	maps.Copy(all, own)
	if n := metadataSize(all) + namePrefix*len(all); n > MaxMetadata {
		return fmt.Errorf("encode metadata: %d bytes with the object's: %w", n, ErrTooLarge)
	}
	maps.Copy(object, own)
	return nil
}

// TakeFrom takes away what EncodeInto has added, if it has.
func TakeFrom(object map[string]string) {
	if object[KeySize] == "" {
		return
	}
	for _, key := range objectsOwn {
		delete(object, key)
	}
}

// ParseMeta reads it; ok is false where there is no mcfs-size (a hand-made
// sidecar): attributes that are there are still given. Malformed: an error.
// An absent mode is 0 and an absent mtime the zero time, which no file that we
// wrote has; whether uid and gid were there, meta itself tells.
func ParseMeta(meta map[string]string) (m Meta, ok bool, err error) {
	m = Meta{ETag: meta[KeyETag], MAC: meta[KeyMAC], KeyID: meta[KeyKeyID], Job: meta[KeyJob]}
	for _, key := range []string{KeyETag, KeyMAC, KeyKeyID, KeyJob} {
		if err := printable(key, meta[key]); err != nil {
			return Meta{}, false, fmt.Errorf("read metadata: %w", err)
		}
	}
	if m.Attr, err = parseAttr(meta); err != nil {
		return Meta{}, false, fmt.Errorf("read metadata: %w", err)
	}
	size, ok := meta[KeySize]
	if !ok {
		return m, false, nil
	}
	n, err := decimal(KeySize, size, 63)
	if err != nil {
		return Meta{}, false, fmt.Errorf("read metadata: %w", err)
	}
	m.Size = int64(n)
	return m, true, nil
}

// metadataSize counts as S3 does.
func metadataSize(meta map[string]string) int {
	n := 0
	for key, value := range meta {
		n += len(key) + len(value)
	}
	return n
}

// printable refuses what a header cannot carry unchanged: bytes other than
// printable ASCII, and spaces at either end.
func printable(key, value string) error {
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c > 0x7e {
			return fmt.Errorf("%s: %q is not printable ASCII", key, clip(value))
		}
	}
	if strings.TrimSpace(value) != value {
		return fmt.Errorf("%s: %q begins or ends with a space", key, clip(value))
	}
	return nil
}

// decimal reads digits only, no sign, of a number below 2^bits.
func decimal(key, value string, bits int) (uint64, error) {
	if !digits(value) {
		return 0, fmt.Errorf("%s: %q is not a decimal number", key, clip(value))
	}
	n, err := strconv.ParseUint(value, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is too large", key, clip(value))
	}
	return n, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// decodeBase64 takes exactly what the standard encoding writes: no line breaks, no loose bits.
func decodeBase64(key, value string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || strings.ContainsAny(value, "\r\n") {
		return nil, fmt.Errorf("%s: %q is not base64", key, clip(value))
	}
	return b, nil
}
