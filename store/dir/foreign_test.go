package dir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"mcfs/store"
	"mcfs/store/storetest"
)

// TestForeignFiles: what somebody put or changed by hand is an object without
// metadata, and never gets another's.
func TestForeignFiles(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	byHand := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "k"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, "k", "stored")
	byHand("STORED") // the same size, in place
	info, err := s.Head(t.Context(), "k")
	if err != nil || len(info.Metadata) != 0 || info.ETag == "" || info.Size != 6 {
		t.Fatalf("%+v, %v", info, err)
	}
	page, err := s.List(t.Context(), "", "", "", 0)
	if err != nil || len(page.Objects) != 1 || page.Objects[0].ETag != info.ETag {
		t.Fatalf("%+v, %v", page, err)
	}
	byHand("longer than before")
	_, err = s.Put(t.Context(), "k", storetest.BodyOf(nil), store.Attributes{}, store.Condition{IfMatch: info.ETag})
	if !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("a change by hand went unseen: %v", err)
	}
	put(t, s, "k", "stored again")
	if got := get(t, s, "k"); got != "stored again" {
		t.Errorf("%q", got)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Head(t.Context(), "link"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("a symbolic link is an object: %v", err)
	}
}

// TestCopyOfTheTree: a copy that keeps times keeps the metadata.
func TestCopyOfTheTree(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	want := put(t, open(t, from), "dir/k", "content")
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(from, path)
		if err := errors.Join(err, relErr); err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, rel), 0o700))
		}
		p, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		return errors.Join(os.WriteFile(at, p, 0o600), os.Chtimes(at, fi.ModTime(), fi.ModTime()))
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(t, to).Head(t.Context(), "dir/k")
	if err != nil || got.ETag != want.ETag || got.Metadata["of"] != want.Metadata["of"] {
		t.Errorf("%+v, %v", got, err)
	}
}
