package dir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/store"
	"mcfs/store/storetest"
)

// TestCrash builds each state that a crash within a put can leave, from the
// files before and after it, and looks at what the next process finds.
func TestCrash(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	put(t, s, "k", "old")
	before := snapshot(t, root)
	put(t, s, "k", "new!")
	after := snapshot(t, root)
	var oldMeta, newMeta string
	for path := range before {
		if strings.Contains(path, "meta/") {
			oldMeta = path
		}
	}
	for path := range after {
		if strings.Contains(path, "meta/") {
			newMeta = path
		}
	}
	for name, tt := range map[string]struct {
		files []string // taken from after; the others from before
		drop  []string
		half  string
		want  string
	}{
		"before anything":         {want: "old"},
		"half of the metadata":    {files: []string{newMeta}, half: newMeta, want: "old"},
		"metadata written":        {files: []string{newMeta}, want: "old"},
		"data renamed":            {files: []string{newMeta, "k"}, want: "new!"},
		"old metadata removed":    {files: []string{newMeta, "k"}, drop: []string{oldMeta}, want: "new!"},
		"deleted, metadata stays": {drop: []string{"k"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, f := range before {
				if !slices.Contains(tt.drop, path) {
					f.write(t, root, path, len(f.content))
				}
			}
			for _, path := range tt.files {
				n := len(after[path].content)
				if path == tt.half {
					n /= 2
				}
				after[path].write(t, root, path, n)
			}
			s := open(t, root)
			if tt.want == "" {
				if _, err := s.Head(t.Context(), "k"); !errors.Is(err, store.ErrNotExist) {
					t.Fatal(err)
				}
			} else if got := get(t, s, "k"); got != tt.want {
				t.Fatalf("found %q", got)
			} else if info, _ := s.Head(t.Context(), "k"); info.Metadata["of"] == "" {
				t.Fatal("its metadata is lost")
			}
			put(t, s, "k", "next") // and it goes on from there
			if got := get(t, s, "k"); got != "next" {
				t.Fatalf("then %q", got)
			}
		})
	}
}

type file struct {
	content []byte
	when    time.Time
}

func (f file) write(t *testing.T, root, path string, n int) {
	t.Helper()
	at := filepath.Join(root, path)
	err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, f.content[:n], 0o600), os.Chtimes(at, f.when, f.when))
	if err != nil {
		t.Fatal(err)
	}
}

func snapshot(t *testing.T, root string) map[string]file {
	t.Helper()
	files := map[string]file{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		p, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		files[rel] = file{p, fi.ModTime()}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestDamagedMetadata: it is found, and can be replaced.
func TestDamagedMetadata(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	put(t, s, "k", "v")
	for _, path := range hiddenFiles(t, root) {
		if strings.Contains(path, "/meta/") {
			if err := os.WriteFile(path, []byte(`{"key":"other"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Head(t.Context(), "k"); err == nil || errors.Is(err, store.ErrNotExist) {
		t.Errorf("head: %v", err)
	}
	if page, err := s.List(t.Context(), "", "", "", 0); err != nil || len(page.Objects) != 1 {
		t.Errorf("list: %v, %v", page, err)
	}
	_, err := s.Put(t.Context(), "k", storetest.BodyOf(nil), store.Attributes{}, store.Condition{IfNone: true})
	if !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("put if absent: %v", err)
	}
	put(t, s, "k", "new")
	if got := get(t, s, "k"); got != "new" {
		t.Errorf("%q", got)
	}
}

// TestUploadsSurvive: an upload goes on in the next process, and a damaged
// part is found.
func TestUploadsSurvive(t *testing.T) {
	root := t.TempDir()
	first := open(t, root)
	up, err := first.Begin(t.Context(), "k", store.Attributes{Metadata: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	one, two := storetest.Random(store.MinPart, 1), []byte("two")
	for i, p := range [][]byte{one, two} {
		if _, err := first.PutPart(t.Context(), up, i+1, storetest.BodyOf(p)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, root)
	parts, err := s.Parts(t.Context(), up)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%v, %v", parts, err)
	}
	cut := filepath.Join(root, ".mcfs/uploads", up.ID, "00002")
	if err := os.Truncate(cut, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Complete(t.Context(), up, parts, store.Condition{}); err == nil {
		t.Fatal("a part that was cut was taken")
	}
	if parts[1], err = s.PutPart(t.Context(), up, 2, storetest.BodyOf(two)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Complete(t.Context(), up, parts, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "k"); got != string(append(one, two...)) {
		t.Errorf("%d other bytes", len(got))
	}
	for _, id := range []string{"", "..", "../../k", strings.Repeat("0", 32)} {
		if _, err := s.Parts(t.Context(), store.Upload{Key: "k", ID: id}); !errors.Is(err, store.ErrNoUpload) {
			t.Errorf("upload %q: %v", id, err)
		}
	}
	if files := hiddenFiles(t, root); len(files) != 2 { // the lock and the metadata
		t.Errorf("left: %q", files)
	}
}
