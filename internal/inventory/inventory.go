package inventory

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// The limits of an inventory.
const (
	MaxManifest = 64 << 20 // bytes of manifest.json
	maxFiles    = 200_000
	maxLine     = 64 << 10
)

// ErrMalformed: it is no inventory that can be gone by.
var ErrMalformed = errors.New("it is no S3 Inventory that can be gone by")

// Manifest is a manifest.json.
type Manifest struct {
	Source      string // bucket of which it is
	Destination string // bucket in which its files are
	Files       []File

	bucket, key, latest, deleted int // columns; -1: there is none
	columns                      int
}

// File is a file with keys.
type File struct {
	Key string
	MD5 []byte // of the file as it is stored; nil: it is not said
}

// written is a manifest as S3 writes it.
type written struct {
	SourceBucket, DestinationBucket string
	FileFormat, FileSchema          string
	Files                           []struct {
		Key         string `json:"key"`
		MD5checksum string
	}
}

// Parse reads a manifest.json.
func Parse(r io.Reader) (*Manifest, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxManifest+1))
	if err != nil {
		return nil, err
	}
	var w written
	if err := json.Unmarshal(text, &w); err != nil || len(text) > MaxManifest {
		return nil, fmt.Errorf("it is no manifest.json (%v): %w", err, ErrMalformed)
	}
	m := &Manifest{Source: w.SourceBucket, Destination: w.DestinationBucket[strings.LastIndex(w.DestinationBucket, ":")+1:]}
	switch {
	case !strings.EqualFold(w.FileFormat, "CSV"):
		return nil, fmt.Errorf("its files are %q, and not CSV: %w", w.FileFormat, ErrMalformed)
	case m.Source == "" || m.Destination == "":
		return nil, fmt.Errorf("it does not say of which bucket it is, or where: %w", ErrMalformed)
	case len(w.Files) > maxFiles:
		return nil, fmt.Errorf("it has %d files: %w", len(w.Files), ErrMalformed)
	}
	if err := m.schema(w.FileSchema); err != nil {
		return nil, err
	}
	for _, f := range w.Files {
		sum, err := hex.DecodeString(f.MD5checksum)
		if err != nil || f.Key == "" || len(sum) != 0 && len(sum) != 16 {
			return nil, fmt.Errorf("a file's key is %q, and its MD5 %q: %w", f.Key, f.MD5checksum, ErrMalformed)
		}
		m.Files = append(m.Files, File{Key: f.Key, MD5: sum})
	}
	return m, nil
}

// schema reads the names of the columns.
func (m *Manifest) schema(text string) error {
	names := strings.Split(strings.ToLower(text), ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	at := func(name string) int { return slices.Index(names, name) }
	m.bucket, m.key, m.latest, m.deleted, m.columns = at("bucket"), at("key"), at("islatest"), at("isdeletemarker"), len(names)
	if m.key < 0 {
		return fmt.Errorf("its columns %q have no key: %w", text, ErrMalformed)
	}
	return nil
}

// Keys calls do with each key of a file, until that reports false. ErrMalformed: the file, or a line of
// it, is not what the manifest says.
func (m *Manifest) Keys(r io.Reader, do func(key string) bool) error {
	plain, err := gzip.NewReader(r)
	if errors.Is(err, io.EOF) {
		return nil // an inventory of nothing
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if lines.Text() == "" {
			continue
		}
		key, err := m.row(lines.Text())
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if key != "" && !do(key) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// row is the key of a line; "": it is left out. A key is written as in an address, so that no line
// breaks within one.
func (m *Manifest) row(line string) (string, error) {
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil || len(fields) != m.columns {
		return "", fmt.Errorf("%d columns, not %d (%v): %w", len(fields), m.columns, err, ErrMalformed)
	}
	switch {
	case m.bucket >= 0 && fields[m.bucket] != m.Source:
		return "", fmt.Errorf("it is of the bucket %q, not %q: %w", fields[m.bucket], m.Source, ErrMalformed)
	case m.latest >= 0 && strings.EqualFold(fields[m.latest], "false"), m.deleted >= 0 && strings.EqualFold(fields[m.deleted], "true"):
		return "", nil
	}
	key, err := url.QueryUnescape(fields[m.key])
	if err != nil || key == "" {
		return "", fmt.Errorf("key %q: %w", fields[m.key], ErrMalformed)
	}
	return key, nil
}
