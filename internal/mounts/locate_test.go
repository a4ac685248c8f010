package mounts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcfs/fs"
)

// TestLocate finds mounts by their names alone, through links, and looks into none.
func TestLocate(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for link, target := range map[string]string{"abs": in("mnt"), "rel": "mnt/d", "loop": "loop"} {
		if err := os.Symlink(target, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	mounts := map[string]fs.Mounted{in("mnt"): {}, in("mnt/d/inner"): {}}
	for _, c := range []struct {
		path, at, inside string
		mounted          bool
	}{
		{"mnt", "mnt", "", true},
		{"mnt/a/b", "mnt", "a/b", true},
		{"mnt/../mnt/a", "mnt", "a", true},
		{"abs/a", "mnt", "a", true},
		{"rel/a", "mnt", "d/a", true},
		{"other/a", "other/a", "", false},
		{"mnt2", "mnt2", "", false},
	} {
		at, inside, mounted, err := Locate(in(c.path), mounts)
		if err != nil || at != in(c.at) || inside != c.inside || mounted != c.mounted {
			t.Errorf("%s: %s, %q, %v, %v", c.path, at, inside, mounted, err)
		}
	}
	if _, _, _, err := Locate(in("loop/a"), mounts); err == nil || !strings.Contains(err.Error(), "too many symbolic links") {
		t.Errorf("links in a circle: %v", err)
	}
}

// TestReal: the links of what exists are resolved, and the rest stays as it is.
func TestReal(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"": "", "link": "", "link/new/file": "new/file", "new": "new"} {
		if got := Real(filepath.Join(dir, path)); got != filepath.Join(dir, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"/a", "/a", true}, {"/a/b", "/a", true}, {"/a/b", "/a/", true}, {"/a", "/", true},
		{"/ab", "/a", false}, {"/a", "/a/b", false},
	} {
		if got := Within(c.path, c.dir); got != c.want {
			t.Errorf("%s within %s: %v", c.path, c.dir, got)
		}
	}
}

// TestDead: a folder that is no mount has no daemon that could have ended.
func TestDead(t *testing.T) {
	if Dead(t.TempDir()) {
		t.Error("a plain folder is taken for a dead mount")
	}
}
