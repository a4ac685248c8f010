package meta

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mcfs/e2e/rig"
)

// TestDirectoryOfManyEntries: one that takes many pages is listed and described
// whole, again by listings only, and looked at one by one without a request each.
func TestDirectoryOfManyEntries(t *testing.T) {
	const entries = 1_500 // with sidecars three pages of a listing
	r := rig.New(t, rig.Settings{"mount.fresh": `"1s"`})
	m := r.MountWith(rig.Binary(t, false), "one")
	m.Shell("mkdir d; echo hello > d/first")
	m.Unmount()
	// Hard links in the gateway's folder: so many copies of object and sidecar, at once.
	dir := filepath.Join(r.S3.Dir, r.S3.Bucket, rig.Prefix, "d")
	for i := range entries {
		for _, suffix := range []string{"", rig.SidecarSuffix} {
			if err := os.Link(filepath.Join(dir, "first"+suffix), filepath.Join(dir, fmt.Sprintf("entry %05d%s", i, suffix))); err != nil {
				t.Fatal(err)
			}
		}
	}
	m = m.Again()
	if got := m.Shell("ls -f d | wc -l; ls -l d | wc -l"); got != fmt.Sprintf("%d\n%d\n", 2*entries+4, 2*entries+3) {
		t.Errorf("%q", got)
	}
	m.Unmount()
	m = m.Again()
	r.S3.Proxy.Reset()
	if got := m.Shell("ls -l d | wc -l; sleep 1.1; ls -l d | wc -l"); got != fmt.Sprintf("%d\n%[1]d\n", 2*entries+3) {
		t.Errorf("%q", got)
	}
	onlyLists(t, r, "ls -l twice")
	if lists := requests(r)["ListObjectsV2"]; lists > 200 {
		t.Errorf("%d listings", lists)
	}
	m.Unmount()
}

// TestNamesHostileToEveryone: each is made, listed, read in a cold mount, renamed
// and removed. (ESC and its like versitygw cannot list: XML carries none of them.)
func TestNamesHostileToEveryone(t *testing.T) {
	r := rig.New(t, nil)
	names := []string{
		"new\nline", "per%20cent", "a+b", "a&b", "a?b", "a#b", `back\slash`, " leading", "trailing ", "*", "'", `"`,
		"😀", "A", "a", "\u00e9", "e\u0301", "tab\t", "<xml>", "%", "~a", "-rf", "..a", "...", strings.Repeat("x", 255-len(rig.SidecarSuffix)),
	}
	m := r.Mount("one")
	for i, name := range names {
		if err := os.WriteFile(m.Path(name), []byte(fmt.Sprint(i)), 0o644); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if err := os.Mkdir(m.Path("dir "+name[:min(len(name), 200)]), 0o755); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	m.Unmount()
	m = r.Mount("other")
	list, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, e := range list {
		listed = append(listed, e.Name())
	}
	for i, name := range names {
		if got, err := os.ReadFile(m.Path(name)); string(got) != fmt.Sprint(i) {
			t.Errorf("%q: %q, %v", name, got, err)
		}
		if !slices.Contains(listed, name) {
			t.Errorf("%q is not listed", name)
		}
		d := m.Path("dir " + name[:min(len(name), 200)])
		for _, err := range []error{
			os.Rename(m.Path(name), filepath.Join(d, name)), os.Rename(filepath.Join(d, name), m.Path(name)),
			os.Remove(m.Path(name)), os.Remove(d),
		} {
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	for name, want := range map[string]error{
		strings.Repeat("x", 255-len(rig.SidecarSuffix)+1): syscall.ENAMETOOLONG, strings.Repeat("x", 256): syscall.ENAMETOOLONG,
		"not utf-8 \xff": syscall.EILSEQ,
	} {
		if err := os.WriteFile(m.Path(name), nil, 0o644); err == nil || err.(*os.PathError).Err != want {
			t.Errorf("%q: %v", name, err)
		}
	}
	deep := m.Dir
	for range 4 {
		deep = filepath.Join(deep, strings.Repeat("d", 230))
		if err := os.Mkdir(deep, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(deep, strings.Repeat("f", 100)), nil, 0o644); err == nil || err.(*os.PathError).Err != syscall.ENAMETOOLONG {
		t.Errorf("a key of more than 1,024 bytes: %v", err)
	}
	if err := os.RemoveAll(m.Path(strings.Repeat("d", 230))); err != nil {
		t.Error(err)
	}
	m.Unmount()
	if keys := r.Keys(); len(keys) > 0 {
		t.Errorf("left: %q", keys)
	}
}

// TestEmptiedDirectoryStays: one that only its files kept in existence, as on a
// disk; and rm -r and rmdir leave nothing of it.
func TestEmptiedDirectoryStays(t *testing.T) {
	r := rig.New(t, rig.Settings{"mount.fresh": `"1s"`})
	for _, key := range []string{"implicit/file", "moved/file", "removed/a/b/file", "kept/file"} {
		r.Put(rig.Prefix+key, rig.Object{Body: []byte("foreign")})
	}
	m := r.Mount("one")
	// versitygw keeps folders that a test made without a marker only while something is in them.
	if got := m.Shell("cd implicit && rm file && sleep 1.5 && ls -a && pwd -P >/dev/null && echo in | cat > new && cat new && rm new"); got != ".\n..\nin\n" {
		t.Errorf("%q", got)
	}
	m.Shell("mv moved/file . && rm -r removed && rm kept/file && sleep 1.5 && ls -d implicit moved kept")
	m.Unmount()
	m = r.Mount("other")
	if got := m.Run("ls"); got != "file\nimplicit\nkept\nmoved\n" {
		t.Errorf("%q", got)
	}
	m.Shell("rmdir implicit moved kept; rm file")
	m.Unmount()
	if keys := r.Keys(); len(keys) > 0 {
		t.Errorf("left: %q", keys)
	}
}

// TestDirectoryHidesAFileOfItsName: "a" beside "a/b", which only a store that is
// no disk can hold; the log says so once. Keys that no path spells are not shown.
func TestDirectoryHidesAFileOfItsName(t *testing.T) {
	sink := rig.StartSink(t)
	r := rig.NewAt(t, rig.Settings{"mount.fresh": `"1s"`}, sink.URL, sink.Bucket)
	for _, key := range []string{"a", "a/b", "a/b/", "x//y", "x/./y", "x/../y", "x/z", "lone"} {
		sink.Hold(rig.Prefix+key, []byte("text"), 0)
	}
	m := r.Mount("one")
	for range 3 {
		if got := m.Shell("ls -a; ls a; ls -a x; cat lone; sleep 1.1"); got != ".\n..\na\nlone\nx\nb\n.\n..\nz\ntext" {
			t.Errorf("%q", got)
		}
	}
	if lines := m.LogLines("both a file and a directory", "path=a "); len(lines) > 1 {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	if lines := m.LogLines("both a file and a directory"); len(lines) != 2 { // a, and a/b
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	m.Unmount()
}
