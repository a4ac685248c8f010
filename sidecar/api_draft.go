// Package sidecar is the settings document that stands beside each object, the
// metadata that goes with both, and the names reserved for them. Pure: it
// imports nothing of ours and touches neither disk nor network.
package sidecar

import "time"

// Suffix is what the name of a sidecar adds to that of its file.
const Suffix = ".settings.json"

// Is says whether name (a path or its last element) is a sidecar's.
func Is(name string) bool { panic("draft") }

// Name is the sidecar's name for a file's.
func Name(base string) string { panic("draft") }

// Base is the inverse of Name; false if name is no sidecar's or nothing is left.
func Base(name string) (string, bool) { panic("draft") }

// ContentType is the media type under which a sidecar is stored.
const ContentType = "application/json"

// Settings is the document: one element of MediaConvert's Settings.Inputs[].
type Settings struct {
	FileInput string // s3://bucket/key; may be empty (dir store without a bucket): then the field is left out
	Mode      string // AES_CTR, AES_CBC, AES_GCM
	Key       []byte // the wrapped data key
	IV        []byte // 16 bytes, or 12 for CTR and GCM
	Region    string // of the KMS key; may be empty
}

// Marshal validates and renders the JSON, then one line of 32 spaces and tabs
// that spells a random number, so that each rendering has its own ETag.
func (s Settings) Marshal() ([]byte, error) { panic("draft") }

// Parse reads what Marshal, or a person, wrote (unknown fields of MediaConvert's Input are tolerated
// in a hand-made one), and validates it. Its errors name the field and the cure.
func Parse(b []byte) (Settings, error) { panic("draft") }

// Validate checks each field against MediaConvert's own patterns and lengths.
func (s Settings) Validate() error { panic("draft") }

// Object is the metadata of the object itself: all that decryption needs.
type Object struct {
	Mode  string // CTR, CBC, GCM
	Key   []byte // wrapped
	KeyID string
	IV    []byte
	Check string // see crypt.Integrity.Check
}

// Encode gives the keys mcfs, mcfs-mode, mcfs-key, mcfs-key-id, mcfs-iv, mcfs-check.
func (o Object) Encode() map[string]string { panic("draft") }

// ParseObject: ok is false without error where the metadata has no "mcfs" key
// (not one of ours); an error where it has one and something is malformed.
func ParseObject(meta map[string]string) (o Object, ok bool, err error) { panic("draft") }

// Attr are a file's attributes, in the spelling of s3fs and rclone: mtime as
// decimal seconds with up to nine fractional digits, mode as the decimal
// st_mode with the type bits, uid and gid in decimal.
type Attr struct {
	Mtime time.Time // to the nanosecond
	Mode  uint32    // st_mode: type and permission bits
	UID   uint32
	GID   uint32
	Xattr map[string][]byte // mcfs-xattr; nil if none
}

// Meta is the metadata of the sidecar object.
type Meta struct {
	ETag  string // mcfs-etag: of the object, a hint; may be empty
	Size  int64  // mcfs-size: plaintext bytes
	MAC   string // mcfs-mac; may be empty
	KeyID string // mcfs-key-id: of the wrapped key in the document (a rewrap changes it)
	Attr  Attr
}

// Encode renders; ErrTooLarge if it would pass S3's 2 KiB (as S3 counts: keys and values).
func (m Meta) Encode() (map[string]string, error) { panic("draft") }

// ParseMeta reads it; ok is false where there is no mcfs-size (a hand-made
// sidecar): attributes that are there are still given. Malformed: an error.
func ParseMeta(meta map[string]string) (m Meta, ok bool, err error) { panic("draft") }

// EncodeAttr and ParseAttr are the attributes alone (directory markers, symlinks).
func EncodeAttr(a Attr) (map[string]string, error)   { panic("draft") }
func ParseAttr(meta map[string]string) (Attr, error) { panic("draft") }
