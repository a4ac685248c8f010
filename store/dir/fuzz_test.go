package dir

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzMeta puts whatever it is in the place of an object's metadata: it is that
// of the object, or damaged, and the object can be replaced.
func FuzzMeta(f *testing.F) {
	f.Add([]byte(`{"key":"k","etag":"\"e\"","metadata":{"a":"b"}}`))
	f.Add([]byte(`{"key":"other","etag":"\"e\""}`))
	f.Add([]byte(`{"key":"k"}`))
	f.Add([]byte("null"))
	f.Add([]byte{})
	s, err := New(Options{Path: filepath.Join(f.TempDir(), "store")})
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		f.Fatal(err)
	}
	fi, err := os.Stat(file)
	if err != nil {
		f.Fatal(err)
	}
	path := s.metaPath("k", fi)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := s.readMeta("k", fi); err == nil && (m.Key != "k" || m.ETag == "") {
			t.Fatalf("%+v", m)
		}
	})
}
