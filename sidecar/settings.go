package sidecar

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Settings is the document: one element of MediaConvert's Settings.Inputs[].
type Settings struct {
	FileInput string // s3://bucket/key, the key as it is, without percent encoding; may be empty (dir store without a bucket): then the field is left out
	Mode      string // AES_CTR, AES_CBC, AES_GCM
	Key       []byte // the wrapped data key, 16 to 384 bytes
	IV        []byte // 16 bytes, or 12 for CTR and GCM
	Region    string // of the KMS key; may be empty: then the field is left out
}

// shortest is less than KMS ever makes of a data key, and more than a local keyring does.
const shortest = 100

// IsLocal reports whether a local keyring has wrapped the key. What KMS wraps is longer, and its
// region is named.
func (s Settings) IsLocal() bool { return s.Region == "" && len(s.Key) < shortest }

// MediaConvert's limits, from its API reference (Jobs, InputDecryptionSettings
// and Input; the service's API model gives the same patterns):
// https://docs.aws.amazon.com/mediaconvert/latest/apireference/jobs.html
const (
	minKey    = 16   // EncryptedDecryptionKey has at least 24 characters of base64
	maxKey    = 384  // and at most 512
	minRegion = 9    // KmsKeyRegion, in characters
	maxRegion = 19   //
	maxInput  = 2048 // FileInput, in characters; counted here in bytes, which is never laxer
)

var (
	regionPattern = regexp.MustCompile(`^[a-z-]{2,6}-(east|west|central|((north|south)(east|west)?))-[1-9]{1,2}$`)
	// The service's own is ^s3://([^\/]+\/+)+([^\/]*) or ^https?://[^\/].*[^&]$;
	// here a bucket and a key must be there, so that the address can be a file's.
	s3Pattern  = regexp.MustCompile(`(?s)^s3://[^/]+/.*[^/]$`)
	webPattern = regexp.MustCompile(`^https?://[^/].*[^&]$`)
)

// input and decryption give the JSON its fields and their order.
type input struct {
	FileInput          string `json:",omitempty"`
	DecryptionSettings decryption
}

type decryption struct {
	DecryptionMode         string
	EncryptedDecryptionKey string
	InitializationVector   string
	KmsKeyRegion           string `json:",omitempty"`
}

// Marshal validates and renders the JSON, then one line of 32 spaces and tabs
// that spells a random number, so that each rendering has its own ETag. What
// follows the JSON is white space and thus still the same JSON text (RFC 8259,
// section 2).
func (s Settings) Marshal() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("render settings: %w", err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // "&" in a name stays readable
	if err := enc.Encode(input{
		FileInput: s.FileInput,
		DecryptionSettings: decryption{
			DecryptionMode:         s.Mode,
			EncryptedDecryptionKey: base64.StdEncoding.EncodeToString(s.Key),
			InitializationVector:   base64.StdEncoding.EncodeToString(s.IV),
			KmsKeyRegion:           s.Region,
		},
	}); err != nil {
		return nil, fmt.Errorf("render settings: %w", err)
	}
	b.Write(nonceLine())
	return b.Bytes(), nil
}

// Renew returns a document with another random line, so that a sidecar that is put again with other
// metadata has another ETag.
func Renew(text []byte) []byte {
	return append(append(bytes.TrimRight(bytes.Clone(text), " \t\r\n"), '\n'), nonceLine()...)
}

// nonceLine spells 32 random bits, a space for 0 and a tab for 1, and ends the line.
func nonceLine() []byte {
	var r [4]byte
	rand.Read(r[:]) // never fails: crypto/rand ends the program instead
	n := binary.BigEndian.Uint32(r[:])
	line := make([]byte, 33)
	for i := range 32 {
		line[i] = ' '
		if n>>i&1 == 1 {
			line[i] = '\t'
		}
	}
	line[32] = '\n'
	return line
}

// Validate checks each field against MediaConvert's own patterns and lengths.
// An https address, which MediaConvert takes too, is accepted for the sake of
// documents written by hand.
func (s Settings) Validate() error {
	if err := validInput(s.FileInput); err != nil {
		return fmt.Errorf("FileInput: %w", err)
	}
	if err := validCrypt(s.Mode, s.Key, s.IV); err != nil {
		return fmt.Errorf("DecryptionSettings.%w", err)
	}
	if err := CheckRegion(s.Region); err != nil {
		return fmt.Errorf("DecryptionSettings.KmsKeyRegion: %w, or leave the field out", err)
	}
	return nil
}

// CheckRegion refuses a KMS key's region that no settings document can name. An empty one
// is left out of it.
func CheckRegion(r string) error {
	if r == "" || len(r) >= minRegion && len(r) <= maxRegion && regionPattern.MatchString(r) {
		return nil
	}
	return fmt.Errorf("%q is no region that MediaConvert knows; give one like us-west-2", clip(r))
}

func validInput(addr string) error {
	switch {
	case addr == "":
		return nil
	case !utf8.ValidString(addr):
		return errors.New("not UTF-8; rename the file")
	case len(addr) > maxInput:
		return fmt.Errorf("%d bytes long; MediaConvert takes at most %d: shorten the name", len(addr), maxInput)
	case strings.HasPrefix(addr, "s3://") && s3Pattern.MatchString(addr), webPattern.MatchString(addr):
		return nil
	}
	return fmt.Errorf("%q is no address of an object; give s3://bucket/key", clip(addr))
}

func validCrypt(mode string, key, iv []byte) error {
	switch mode {
	case "AES_CTR", "AES_CBC", "AES_GCM":
	case "":
		return errors.New("DecryptionMode: missing; give AES_CTR, AES_CBC or AES_GCM")
	default:
		return fmt.Errorf("DecryptionMode: %q is unknown; give AES_CTR, AES_CBC or AES_GCM", clip(mode))
	}
	switch n := len(key); {
	case n == 0:
		return errors.New("EncryptedDecryptionKey: missing; give the CiphertextBlob that KMS Encrypt or GenerateDataKey returned, in base64")
	case n < minKey || n > maxKey:
		return fmt.Errorf("EncryptedDecryptionKey: %d bytes; a wrapped key has %d to %d (24 to 512 characters of base64)", n, minKey, maxKey)
	}
	switch n := len(iv); {
	case n == 0:
		return errors.New("InitializationVector: missing; give the IV in base64")
	case n == 16, n == 12 && mode != "AES_CBC":
		return nil
	case n == 12:
		return errors.New("InitializationVector: 12 bytes; AES_CBC takes 16")
	default:
		return fmt.Errorf("InitializationVector: %d bytes; give 16, or 12 with AES_CTR or AES_GCM", n)
	}
}

// clip keeps what a stranger wrote from flooding an error message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
