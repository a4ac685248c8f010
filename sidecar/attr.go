package sidecar

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Attr are a file's attributes, in the spelling of s3fs and rclone: mtime as
// decimal seconds with up to nine fractional digits, mode as the decimal
// st_mode with the type bits, uid and gid in decimal.
type Attr struct {
	Mtime time.Time // to the nanosecond; the zero time is left out
	Mode  uint32    // st_mode: type and permission bits, at most 16; 0 is left out
	UID   uint32
	GID   uint32
	Xattr map[string][]byte // mcfs-xattr; nil if none
}

// maxSeconds bounds mtime to what time.Time can hold and give back; no disk
// format of Linux or macOS reaches half as far.
const maxSeconds = 1 << 60

// attrRoom is the most that the attributes beside the xattrs take; metaRoom,
// with what else Meta writes.
const (
	attrRoom = len(KeyMtime+KeyFileMode+KeyUID+KeyGID) + roomTime + 3*roomInt32
	metaRoom = attrRoom + len(KeyETag+KeySize+KeyMAC+KeyKeyID+KeyJob) + roomETag + roomInt64 + roomMAC + roomKeyID + roomJob
)

// Fits says whether a file can keep these attributes, whatever becomes of
// everything else that the sidecar's metadata holds: ErrTooLarge if not. Call
// it when an attribute is set, so that it is refused then and not at close.
func (a Attr) Fits() error {
	out, err := a.encode()
	if err != nil {
		return fmt.Errorf("set attribute: %w", err)
	}
	if x, ok := out[KeyXattr]; ok && metaRoom+len(KeyXattr)+len(x) > MaxMetadata {
		return fmt.Errorf("set attribute: %d bytes of extended attributes, %d fit: %w",
			len(x)/4*3, (MaxMetadata-metaRoom-len(KeyXattr))/4*3, ErrTooLarge)
	}
	return nil
}

// FitsAlone is Fits for what has no sidecar: a directory's marker or a symlink,
// whose own metadata keeps the attributes.
func (a Attr) FitsAlone() error {
	out, err := a.encode()
	if err != nil {
		return fmt.Errorf("set attribute: %w", err)
	}
	if x, ok := out[KeyXattr]; ok && attrRoom+len(KeyXattr)+len(x) > MaxMetadata-objectRoom {
		return fmt.Errorf("set attribute: %d bytes of extended attributes, %d fit: %w",
			len(x)/4*3, (MaxMetadata-objectRoom-attrRoom-len(KeyXattr))/4*3, ErrTooLarge)
	}
	return nil
}

// EncodeAttr renders the attributes alone, for directory markers and symlinks,
// which carry them in their own metadata: room is kept for Object's beside
// them, and ErrTooLarge tells if it would not suffice.
func EncodeAttr(a Attr) (map[string]string, error) {
	out, err := a.encode()
	if err != nil {
		return nil, fmt.Errorf("encode attributes: %w", err)
	}
	if n := metadataSize(out); n > MaxMetadata-objectRoom {
		return nil, fmt.Errorf("encode attributes: %d bytes, %d fit: %w", n, MaxMetadata-objectRoom, ErrTooLarge)
	}
	return out, nil
}

// ParseAttr reads the attributes alone. Those that are absent are zero.
func ParseAttr(meta map[string]string) (Attr, error) {
	a, err := parseAttr(meta)
	if err != nil {
		return Attr{}, fmt.Errorf("read attributes: %w", err)
	}
	return a, nil
}

func (a Attr) encode() (map[string]string, error) {
	out := map[string]string{
		KeyUID: strconv.FormatUint(uint64(a.UID), 10),
		KeyGID: strconv.FormatUint(uint64(a.GID), 10),
	}
	if !a.Mtime.IsZero() {
		s, err := formatTime(a.Mtime)
		if err != nil {
			return nil, err
		}
		out[KeyMtime] = s
	}
	if a.Mode != 0 {
		if !validMode(uint64(a.Mode)) {
			return nil, fmt.Errorf("%s: %#o is no st_mode", KeyFileMode, a.Mode)
		}
		out[KeyFileMode] = strconv.FormatUint(uint64(a.Mode), 10)
	}
	if len(a.Xattr) > 0 {
		s, err := encodeXattr(a.Xattr)
		if err != nil {
			return nil, err
		}
		out[KeyXattr] = s
	}
	return out, nil
}

func parseAttr(meta map[string]string) (a Attr, err error) {
	if s, ok := meta[KeyMtime]; ok {
		if a.Mtime, err = parseTime(s); err != nil {
			return Attr{}, err
		}
	}
	if s, ok := meta[KeyFileMode]; ok {
		if a.Mode, err = parseMode(s); err != nil {
			return Attr{}, err
		}
	}
	for key, id := range map[string]*uint32{KeyUID: &a.UID, KeyGID: &a.GID} {
		if s, ok := meta[key]; ok {
			n, err := decimal(key, s, 32)
			if err != nil {
				return Attr{}, err
			}
			*id = uint32(n)
		}
	}
	if s, ok := meta[KeyXattr]; ok {
		if a.Xattr, err = decodeXattr(s); err != nil {
			return Attr{}, err
		}
	}
	return a, nil
}

// ClampTime is the time nearest to t that can be kept, as a disk would keep it.
func ClampTime(t time.Time) time.Time {
	switch sec := t.Unix(); {
	case sec >= maxSeconds:
		return time.Unix(maxSeconds-1, 0)
	case sec <= -maxSeconds:
		return time.Unix(1-maxSeconds, 0)
	case t.IsZero(): // it stands for an absent one
		return t.Add(1)
	}
	return t
}

// attrRecord is Attr at rest. Its time is spelled as in metadata: JSON's own
// spelling ends with the year 9999.
type attrRecord struct {
	Mtime string            `json:"mtime,omitempty"`
	Mode  uint32            `json:"mode,omitempty"`
	UID   uint32            `json:"uid,omitempty"`
	GID   uint32            `json:"gid,omitempty"`
	Xattr map[string][]byte `json:"xattr,omitempty"`
}

// MarshalJSON is for journals.
func (a Attr) MarshalJSON() ([]byte, error) {
	r := attrRecord{Mode: a.Mode, UID: a.UID, GID: a.GID, Xattr: a.Xattr}
	if !a.Mtime.IsZero() {
		var err error
		if r.Mtime, err = formatTime(a.Mtime); err != nil {
			return nil, err
		}
	}
	return json.Marshal(r)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (a *Attr) UnmarshalJSON(b []byte) (err error) {
	var r attrRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	*a = Attr{Mode: r.Mode, UID: r.UID, GID: r.GID, Xattr: r.Xattr}
	if r.Mtime != "" {
		a.Mtime, err = parseTime(r.Mtime)
	}
	return err
}

// formatTime writes the time as one decimal number of seconds since 1970. A
// fraction has all nine digits: rclone reads a decimal fraction, s3fs a number
// of nanoseconds, and nine digits mean the same to both.
func formatTime(t time.Time) (string, error) {
	sec, nsec, sign := t.Unix(), t.Nanosecond(), ""
	if sec >= maxSeconds || sec <= -maxSeconds {
		return "", fmt.Errorf("%s: %d seconds from 1970 are too many", KeyMtime, sec)
	}
	if sec < 0 { // Unix rounds down; a decimal number has its sign apart
		sign = "-"
		if nsec > 0 {
			sec, nsec = sec+1, int(time.Second)-nsec
		}
		sec = -sec
	}
	if nsec == 0 {
		return sign + strconv.FormatInt(sec, 10), nil
	}
	return fmt.Sprintf("%s%d.%09d", sign, sec, nsec), nil
}

// parseTime reads formatTime's form, and any number of fractional digits, of
// which the first nine count.
func parseTime(s string) (time.Time, error) {
	abs, negative := strings.CutPrefix(s, "-")
	whole, frac, point := strings.Cut(abs, ".")
	if !digits(whole) || point && !digits(frac) {
		return time.Time{}, fmt.Errorf("%s: %q is not a number of seconds", KeyMtime, clip(s))
	}
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec >= maxSeconds {
		return time.Time{}, fmt.Errorf("%s: %q seconds are too many", KeyMtime, clip(s))
	}
	var nsec int64
	if point {
		nsec, _ = strconv.ParseInt((frac + "000000000")[:9], 10, 64) // nine digits
	}
	if negative {
		sec, nsec = -sec, -nsec
	}
	return time.Unix(sec, nsec).UTC(), nil // Unix carries a negative nsec over
}

// parseMode reads a decimal st_mode, as s3fs writes it. rclone writes octal:
// that is believed where a leading 0 says so, or where the digits make no
// st_mode in decimal ("100644", which has no decimal reading below 2^16).
func parseMode(s string) (uint32, error) {
	if !digits(s) {
		return 0, fmt.Errorf("%s: %q is not a number", KeyFileMode, clip(s))
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil && validMode(n) && (s[0] != '0' || s == "0") {
		return uint32(n), nil
	}
	if n, err := strconv.ParseUint(s, 8, 64); err == nil && validMode(n) {
		return uint32(n), nil
	}
	return 0, fmt.Errorf("%s: %q is no st_mode", KeyFileMode, clip(s))
}

// validMode says whether n has a file type that exists, or none, and nothing above its 16 bits.
func validMode(n uint64) bool {
	if n > 0xffff {
		return false
	}
	switch n >> 12 { // POSIX: FIFO, character, directory, block, regular, link, socket
	case 0, 0o1, 0o2, 0o4, 0o6, 0o10, 0o12, 0o14:
		return true
	}
	return false
}
