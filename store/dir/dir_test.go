package dir_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/store/storetest"
)

// colliding keys are paths in each other's way, or no paths at all.
var colliding = []string{
	"a", "a/", "a//", "a/b", "a/b/c", "a//b", "/", "//", "/a", ".", "..", "../x", "a/../b", "a/./b", ".mcfs", ".mcfs/meta", ".MCFS/x",
	"%empty", "a%file", "%2E", "nul\x00byte", "new\nline", "tab\t", "\u0001\u007f", "b", "b/.mcfs",
}

func TestCollidingNames(t *testing.T) {
	storetest.RunNames(t, open(t, t.TempDir()), colliding)
	// And all of them at once.
	s := open(t, t.TempDir())
	for _, key := range colliding {
		put(t, s, key, key)
	}
	for _, key := range colliding {
		if got := get(t, s, key); got != key {
			t.Errorf("%q holds %q", key, got)
		}
	}
	page, err := s.List(t.Context(), "", "", "", 0)
	if err != nil || len(page.Objects) != len(colliding) {
		t.Fatalf("listed %d objects, %v", len(page.Objects), err)
	}
	for _, o := range page.Objects {
		if !slices.Contains(colliding, o.Key) {
			t.Errorf("listed %q", o.Key)
		}
	}
}

func TestModel(t *testing.T) {
	root := memoryDir(t)
	n := 0
	storetest.RunModel(t, []string{"a", "a/", "a/b", "a/b/c", "a//b", "a-b", "b/c", ".mcfs"}, func() store.Store {
		n++
		return open(t, filepath.Join(root, fmt.Sprint(n)))
	})
}

// memoryDir is a directory where thousands of syncs cost little, if there is one.
func memoryDir(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("/dev/shm", "mcfs-dir-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	return root
}

func put(t *testing.T, s store.Store, key, content string) store.Info {
	t.Helper()
	attr := store.Attributes{Metadata: map[string]string{"of": fmt.Sprintf("%x", content)}}
	info, err := s.Put(t.Context(), key, storetest.BodyOf([]byte(content)), attr, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// get reads an object and checks that its metadata is that of its bytes.
func get(t *testing.T, s store.Store, key string) string {
	t.Helper()
	body, info, err := s.Get(t.Context(), key, store.Range{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	p, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if of, ok := info.Metadata["of"]; ok && of != fmt.Sprintf("%x", p) {
		t.Fatalf("%s: metadata of %s with the bytes %q", key, of, p)
	}
	return string(p)
}

// TestPlainFiles: what a person sees are the bytes, under the key.
func TestPlainFiles(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	put(t, s, "takes/one.mp4", "ciphertext")
	p, err := os.ReadFile(filepath.Join(root, "takes", "one.mp4"))
	if err != nil || string(p) != "ciphertext" {
		t.Fatalf("%q, %v", p, err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		fi, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "takes/one.mp4", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if names := visible(t, root); len(names) != 0 {
		t.Errorf("left: %q", names)
	}
	if files := hiddenFiles(t, root); len(files) != 1 { // the lock
		t.Errorf("left: %q", files)
	}
}

func visible(t *testing.T, root string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".mcfs" {
			names = append(names, e.Name())
		}
	}
	return names
}

func hiddenFiles(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, ".mcfs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestTwoProcesses: two stores on one directory see one truth, and one winner.
func TestTwoProcesses(t *testing.T) {
	root := t.TempDir()
	stores := []*dir.Store{open(t, root), open(t, root)}
	for round := range 20 {
		key := fmt.Sprintf("deep/er/%d", round)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = stores[i%2].Put(t.Context(), key, storetest.BodyOf([]byte{byte(i)}), store.Attributes{}, store.Condition{IfNone: true})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, store.ErrPrecondition) {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("%d won", won)
		}
		if err := stores[round%2].Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHeldLock: another process that stopped in the middle delays, and no more.
func TestHeldLock(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	f, err := os.OpenFile(filepath.Join(root, ".mcfs", "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Put(ctx, "k", storetest.BodyOf(nil), store.Attributes{}, store.Condition{})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
	if _, err := s.List(t.Context(), "", "", "", 0); err != nil {
		t.Errorf("reading needs no lock: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "v")
}

// TestGone: a disk that was unplugged is not an empty store.
func TestGone(t *testing.T) {
	root := filepath.Join(t.TempDir(), "disk")
	s := open(t, root)
	put(t, s, "k", "v")
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, headErr := s.Head(ctx, "k")
	_, _, getErr := s.Get(ctx, "k", store.Range{}, "")
	_, putErr := s.Put(ctx, "k", storetest.BodyOf(nil), store.Attributes{}, store.Condition{})
	_, listErr := s.List(ctx, "", "", "", 0)
	_, beginErr := s.Begin(ctx, "k", store.Attributes{})
	_, upsErr := s.Uploads(ctx, "")
	for name, err := range map[string]error{"head": headErr, "get": getErr, "put": putErr, "list": listErr, "begin": beginErr, "uploads": upsErr} {
		if !errors.Is(err, store.ErrNoBucket) || errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Check(ctx); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("check: %v", err)
	}
}

func TestRefusedNames(t *testing.T) {
	s := open(t, t.TempDir())
	for _, key := range []string{strings.Repeat("x", 256), "a/" + strings.Repeat("%", 100), strings.Repeat("日", 86)} {
		_, err := s.Put(t.Context(), key, storetest.BodyOf(nil), store.Attributes{}, store.Condition{})
		if err == nil || !strings.Contains(err.Error(), "at most 255") {
			t.Errorf("put %.20q…: %v", key, err)
		}
		if _, err := s.Begin(t.Context(), key, store.Attributes{}); err == nil {
			t.Errorf("begin %.20q… succeeded", key)
		}
		if _, err := s.Head(t.Context(), key); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("head %.20q…: %v", key, err)
		}
		if err := s.Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Error(err)
		}
	}
}

func TestSweep(t *testing.T) {
	root := t.TempDir()
	open(t, root)
	old, young := filepath.Join(root, ".mcfs/tmp/old"), filepath.Join(root, ".mcfs/tmp/young")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old one stays: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	for want, o := range map[string]dir.Options{
		"":                       {},
		"s3://b/camera-a/x y/+%": {Bucket: "b", Prefix: "camera-a/"},
		"s3://b/x y/+%":          {Bucket: "b"},
	} {
		o.Path = t.TempDir()
		s, err := dir.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Address("x y/+%"); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
		_ = s.Close()
	}
	if _, err := dir.New(dir.Options{}); err == nil {
		t.Error("a store without a path was opened")
	}
}

// TestMetadataIsReadable: the format of the hidden files is part of the
// promise to a person who has only them.
func TestMetadataIsReadable(t *testing.T) {
	root := t.TempDir()
	info := put(t, open(t, root), "dir/k", "v")
	for _, path := range hiddenFiles(t, root) {
		if !strings.Contains(path, "/meta/") {
			continue
		}
		p, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Key, ETag string
			Metadata  map[string]string
		}
		if err := json.Unmarshal(bytes.TrimSpace(p), &got); err != nil || got.Key != "dir/k" || got.ETag != info.ETag || got.Metadata["of"] != "76" {
			t.Errorf("%s: %s, %v", path, p, err)
		}
		return
	}
	t.Error("no metadata")
}
