package sidecar

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxSize is the longest settings document in bytes that Parse looks at. Ours
// have under 4 KiB; one made by hand may carry further fields of the Input.
const MaxSize = 64 << 10

// The service's pattern for EncryptedDecryptionKey. Checked before decoding,
// because Go's decoder skips line breaks, which the service refuses.
var base64Pattern = regexp.MustCompile(`^[A-Za-z0-9+/]+={0,2}$`)

// Parse reads what Marshal, or a person, wrote (unknown fields of MediaConvert's Input are tolerated
// in a hand-made one), and validates it. Its errors name the field and the cure.
//
// Field names may begin in lower case, as the REST API spells them, and a byte
// order mark may come first. A field given twice is an error: another reader
// could believe the other one.
func Parse(b []byte) (Settings, error) {
	s, err := parse(b)
	if err != nil {
		return Settings{}, fmt.Errorf("read settings: %w", err)
	}
	return s, nil
}

func parse(b []byte) (Settings, error) {
	if len(b) > MaxSize {
		return Settings{}, fmt.Errorf("%d bytes are too many for a settings document (at most %d)", len(b), MaxSize)
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if !utf8.Valid(b) {
		return Settings{}, errors.New("not UTF-8: not a settings document")
	}
	in, err := fields(b, "document")
	if err != nil {
		return Settings{}, err
	}
	raw, ok := in["decryptionsettings"]
	if !ok {
		return Settings{}, errors.New("DecryptionSettings: missing; give DecryptionMode, EncryptedDecryptionKey and InitializationVector in it")
	}
	dec, err := fields(raw, "DecryptionSettings")
	if err != nil {
		return Settings{}, err
	}
	var s Settings
	if s.FileInput, err = text(in, "FileInput", ""); err != nil {
		return Settings{}, err
	}
	const below = "DecryptionSettings."
	if s.Mode, err = text(dec, "DecryptionMode", below); err != nil {
		return Settings{}, err
	}
	if s.Key, err = binaryText(dec, "EncryptedDecryptionKey", below); err != nil {
		return Settings{}, err
	}
	if s.IV, err = binaryText(dec, "InitializationVector", below); err != nil {
		return Settings{}, err
	}
	if s.Region, err = text(dec, "KmsKeyRegion", below); err != nil {
		return Settings{}, err
	}
	return s, s.Validate()
}

// fields splits a JSON object, with nothing but white space after it, into its
// members, by name in lower case. Members that are null are left out.
func fields(b []byte, what string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%s: not JSON: %w", what, cutShort(err))
	}
	if tok != json.Delim('{') {
		return nil, fmt.Errorf("%s: not a JSON object; give { … }", what)
	}
	members := make(map[string]json.RawMessage)
	seen := make(map[string]bool)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%s: not JSON: %w", what, cutShort(err))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("%s: not JSON: %w", what, cutShort(err))
		}
		key := strings.ToLower(name.(string)) // within an object every other token is a name
		if seen[key] {
			return nil, fmt.Errorf("%s: field %q is given twice; keep one", what, clip(name.(string)))
		}
		seen[key] = true
		if string(value) != "null" {
			members[key] = value
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("%s: not JSON: %w", what, cutShort(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something follows the JSON object; remove it", what)
	}
	return members, nil
}

// cutShort says plainly what the decoder calls EOF.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

// text is a member that must be a string; empty if it is absent.
func text(members map[string]json.RawMessage, name, below string) (string, error) {
	raw, ok := members[strings.ToLower(name)]
	if !ok {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%s%s: not a string; put it in quotes", below, name)
	}
	return s, nil
}

// binaryText is a member that must be base64, its padding optional; nil if it is absent.
func binaryText(members map[string]json.RawMessage, name, below string) ([]byte, error) {
	s, err := text(members, name, below)
	if err != nil || s == "" {
		return nil, err
	}
	if !base64Pattern.MatchString(s) {
		return nil, fmt.Errorf("%s%s: not base64; use A–Z a–z 0–9 + / only, without spaces and line breaks", below, name)
	}
	enc := base64.StdEncoding
	if !strings.HasSuffix(s, "=") {
		enc = base64.RawStdEncoding
	}
	b, err := enc.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%s%s: not base64, or cut short; copy the whole value", below, name)
	}
	return b, nil
}

// MayBecome reports whether a text is a settings document, or the beginning of
// one; or has a gap that is yet to be filled.
func MayBecome(text []byte) bool {
	if len(text) == 0 || bytes.IndexByte(text, 0) >= 0 {
		return true
	}
	if _, err := Parse(text); err == nil {
		return true
	}
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n")
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	var object json.RawMessage
	return errors.Is(json.NewDecoder(bytes.NewReader(text)).Decode(&object), io.ErrUnexpectedEOF)
}
