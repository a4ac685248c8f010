package inventory

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

const manifest = `{
  "sourceBucket": "ingest", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30", "creationTimestamp": "1514944800000",
  "fileFormat": "CSV", "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size",
  "files": [{"key": "inv/ingest/all/data/1.csv.gz", "size": 3, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}, {"key": "inv/ingest/all/data/2.csv.gz"}]
}`

// zipped is a file of an inventory.
func zipped(text string) *bytes.Buffer {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return &b
}

func (m *Manifest) all(r io.Reader) (list []string, err error) {
	err = m.Keys(r, func(key string) bool { list = append(list, key); return true })
	return list, err
}

func TestKeys(t *testing.T) {
	m, err := Parse(strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	if m.Source != "ingest" || m.Destination != "lists" || len(m.Files) != 2 || m.Files[0].Key != "inv/ingest/all/data/1.csv.gz" || len(m.Files[0].MD5) != 16 || len(m.Files[1].MD5) != 0 {
		t.Errorf("%+v", m)
	}
	got, err := m.all(zipped(`"ingest","a/b%20c","v","true","false","3"
"ingest","a/b+c","","true","false","3"
"ingest","%C3%BC%22%2C%0A%2B","","","","3"

"ingest","old","v","false","false","3"
"ingest","gone","v","true","true",""
ingest,plain,,true,false,3
`))
	if want := []string{"a/b c", "a/b c", "ü\",\n+", "plain"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := m.all(new(bytes.Buffer)); err != nil || len(got) > 0 {
		t.Error(got, err)
	}
	if n := 0; m.Keys(zipped("ingest,a,,,,\ningest,b,,,,\n"), func(string) bool { n++; return false }) != nil || n != 1 {
		t.Errorf("it goes on for %d", n)
	}
}

func TestMalformed(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "{}", strings.Replace(manifest, `"CSV"`, `"ORC"`, 1), strings.Replace(manifest, "Key,", "", 1),
		strings.Replace(manifest, "f1116606", "f11166", 1), strings.Replace(manifest, `"sourceBucket": "ingest", `, "", 1),
		strings.Replace(manifest, `"key": "inv/ingest/all/data/2.csv.gz"`, "", 1), manifest + strings.Repeat(" ", MaxManifest),
	} {
		if m, err := Parse(strings.NewReader(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.100q is taken: %+v, %v", text, m, err)
		}
	}
	m, err := Parse(strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	whole := zipped("ingest,a,,,,\n").Bytes()
	for name, r := range map[string]io.Reader{
		"no archive": strings.NewReader("ingest,a,,,,\n"), "cut": bytes.NewReader(whole[:len(whole)-3]), "columns": zipped("ingest,a\n"),
		"bucket": zipped("other,a,,,,\n"), "key": zipped("ingest,%zz,,,,\n"), "empty": zipped("ingest,,,,,\n"), "quotes": zipped("\"ingest,a,,,,\n"),
		"line without end": zipped("ingest," + strings.Repeat("a", 100<<20)),
	} {
		if list, err := m.all(r); !errors.Is(err, ErrMalformed) || len(list) > 1 {
			t.Errorf("%s is taken: %.100q, %v", name, list, err)
		}
	}
}

// FuzzParse: what is taken has a column of keys, and files.
func FuzzParse(f *testing.F) {
	f.Add([]byte(manifest))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		if m.key >= m.columns || m.Source == "" || m.Destination == "" {
			t.Errorf("%+v", m)
		}
		_, _ = m.row(fmt.Sprintf("%s,a,b", m.Source))
	})
}

// FuzzKeys: no key is empty, whatever is in a file.
func FuzzKeys(f *testing.F) {
	m, err := Parse(strings.NewReader(manifest))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("ingest,a,,,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = m.Keys(zipped(text), func(key string) bool {
			if key == "" {
				t.Error("a key is empty")
			}
			return true
		})
		_, _ = m.all(strings.NewReader(text))
	})
}
