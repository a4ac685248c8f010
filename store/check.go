package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits that S3 sets and every store keeps.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html and
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const (
	MaxKey      = 1024    // bytes of a key, prefix included
	MaxMetadata = 2 << 10 // bytes of all metadata keys and values of one object
	MaxParts    = 10_000  // of one multipart upload
	MinPart     = 5 << 20 // bytes of every part but the last
	MaxCopy     = 5 << 30 // bytes that one copy request can move
	MaxPage     = 1000    // keys of one page
)

// CheckKey refuses what cannot be a key below prefix: empty, too long, or not UTF-8.
func CheckKey(prefix, key string) error {
	if key == "" {
		return errors.New("empty key")
	}
	if n := len(prefix) + len(key); n > MaxKey {
		return fmt.Errorf("key of %d bytes, at most %d are allowed", n, MaxKey)
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("key %q is not UTF-8", key)
	}
	return nil
}

// Check refuses metadata that a store could not give back as it was: HTTP
// headers carry printable ASCII, and lose spaces at the ends and runs of them.
func (a Attributes) Check() error {
	total := 0
	for k, v := range a.Metadata {
		total += len(k) + len(v)
		if k == "" || strings.ContainsFunc(k, notName) {
			return fmt.Errorf("metadata key %q: lower case letters, digits, '-', '_' and '.' only", k)
		}
		if strings.ContainsFunc(v, notPrintable) {
			return fmt.Errorf("metadata %s: value is not printable ASCII", k)
		}
		if v == "" || strings.Trim(v, " ") != v || strings.Contains(v, "  ") {
			return fmt.Errorf("metadata %s: value is empty, or has spaces that a header would lose", k)
		}
	}
	if total > MaxMetadata {
		return fmt.Errorf("metadata of %d bytes, at most %d are allowed", total, MaxMetadata)
	}
	if strings.ContainsFunc(a.ContentType, notPrintable) {
		return errors.New("content type is not printable ASCII")
	}
	return nil
}

func notName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

// Check refuses a condition with both fields set.
func (c Condition) Check() error {
	if c.IfMatch != "" && c.IfNone {
		return errors.New("a condition is If-Match or If-None-Match, not both")
	}
	return nil
}

// CheckParts refuses a list of parts that no store would complete.
func CheckParts(parts []Part) error {
	if len(parts) == 0 {
		return errors.New("no parts")
	}
	last := 0
	for _, p := range parts {
		if p.Number <= last || p.Number > MaxParts {
			return fmt.Errorf("part %d after part %d: numbers ascend from 1 to %d", p.Number, last, MaxParts)
		}
		last = p.Number
	}
	return nil
}

// Ended is the error of a call whose context ended, and nil for one that goes
// on: context.Canceled alone, or context.DeadlineExceeded with ErrUnavailable.
func Ended(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
