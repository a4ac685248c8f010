package stored

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"path/filepath"
	"slices"
	"testing"

	"mcfs/config"
	"mcfs/internal/paths"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/store/dir"
)

const home = "s3://ingest/camera-a/"

// newVolume has a film with its settings, another program's object, a symlink, a folder's marker
// and a film that has lost its settings.
func newVolume(t *testing.T) *Volume {
	t.Helper()
	c := config.Config{Store: config.Store{Kind: config.StoreDir, Path: filepath.Join(t.TempDir(), "store"), Bucket: "ingest", Prefix: "camera-a/"}}
	open := func(context.Context, config.Config) (store.Store, error) {
		return dir.New(dir.Options{Path: c.Store.Path, Bucket: c.Store.Bucket, Prefix: c.Store.Prefix, MinPart: 1})
	}
	st, err := open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	settings, err := sidecar.Settings{FileInput: home + "day/film.mov", Mode: "AES_CTR", Key: make([]byte, 184), IV: make([]byte, 16), Region: "us-west-2"}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	ours := sidecar.Object{Mode: "CTR", Key: make([]byte, 184), IV: make([]byte, 16), Check: "check"}.Encode()
	link := map[string]string{"mode": "41471", sidecar.KeyVersion: sidecar.FormatVersion} // 0120777
	for key, o := range map[string]struct {
		text []byte
		meta map[string]string
	}{
		"day/film.mov": {[]byte("x"), ours}, "day/film.mov.settings.json": {settings, nil}, "day/plain.mov": {[]byte("x"), nil},
		"day/link.mov": {[]byte("x"), link}, "day/empty/": {nil, nil}, "day/bare.mov": {[]byte("x"), ours}, "days.mov": {[]byte("x"), nil},
	} {
		body := store.Body{ReadSeeker: bytes.NewReader(o.text), Size: int64(len(o.text)), CRC32C: crc32.Checksum(o.text, crc32.MakeTable(crc32.Castagnoli))}
		if _, err := st.Put(t.Context(), key, body, store.Attributes{Metadata: o.meta}, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	v := New(c, open)
	t.Cleanup(func() { v.Close() })
	return v
}

func TestSettings(t *testing.T) {
	v := newVolume(t)
	for _, address := range []string{home + "day/film.mov", home + "day/film.mov.settings.json"} {
		text, err := v.Settings(t.Context(), address)
		if s, perr := sidecar.Parse(text); err != nil || perr != nil || s.FileInput != home+"day/film.mov" {
			t.Errorf("%s: %v, %v, %+v", address, err, perr, s)
		}
	}
	for address, want := range map[string]verdict.Code{
		home + "day/plain.mov": verdict.NoSettings, home: verdict.NotInVolume, "s3://ingest/other/x.mov": verdict.NotInVolume,
	} {
		if _, err := v.Settings(t.Context(), address); err == nil || verdict.CodeOf(err) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestForeign(t *testing.T) {
	v := newVolume(t)
	for name, want := range map[string]bool{"day/plain.mov": true, "day/film.mov": false, "day/bare.mov": false} {
		etag, foreign, err := v.Foreign(t.Context(), home+name)
		if err != nil || foreign != want || etag == "" {
			t.Errorf("%s: %v, %q, %v", name, foreign, etag, err)
		}
	}
	if _, _, err := v.Foreign(t.Context(), home+"day/link.mov"); !errors.Is(err, ErrLink) {
		t.Errorf("a symbolic link: %v", err)
	}
	if _, _, err := v.Foreign(t.Context(), home+"day/absent.mov"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

func TestBelow(t *testing.T) {
	v := newVolume(t)
	all := func(string) bool { return true }
	for _, c := range []struct {
		address string
		plain   bool
		want    []string
	}{
		{home, false, []string{"day/film.mov"}},
		{home + "day/film.mov", false, []string{"day/film.mov"}},
		{home + "day", true, []string{"day/bare.mov", "day/film.mov", "day/link.mov", "day/plain.mov"}},
		{home + "day/", true, []string{"day/bare.mov", "day/film.mov", "day/link.mov", "day/plain.mov"}},
		{home + "da", true, nil},
	} {
		var got []string
		v.Below(t.Context(), c.address, c.plain, all, func(f paths.Found) bool {
			if f.Err != nil || !f.Walked {
				t.Errorf("%+v", f)
			}
			got = append(got, f.Path[len(home):])
			return true
		})
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, not %q", c.address, got, c.want)
		}
	}
	var failed error
	v.Below(t.Context(), "s3://elsewhere/", false, all, func(f paths.Found) bool { failed = f.Err; return true })
	if failed == nil {
		t.Error("another bucket is in the volume")
	}
}
