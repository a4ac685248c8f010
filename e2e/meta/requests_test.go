package meta

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// treeFiles is how many files the tree of the tests of requests has: what is asked of one
// directory is asked of each alike, and more files only more often. MCFS_TEST_LONG=1 makes
// them 10,000.
func treeFiles() int {
	if os.Getenv("MCFS_TEST_LONG") == "1" {
		return 10_000
	}
	return 1_200
}

// pageFull are more files than a page of a listing has keys, with their sidecars.
const pageFull = 520

// plantTree makes a tree of files in about fifty directories, some nested, one
// empty, one of more than a page, with symlinks, and times, modes and sizes that differ.
func plantTree(t *testing.T, dir string, files int) {
	t.Helper()
	when := time.Date(2001, 2, 3, 4, 5, 6, 123456789, time.UTC)
	var dirs []string
	for i := range 50 {
		d := fmt.Sprintf("d%02d", i)
		if i%5 == 4 {
			d = filepath.Join(dirs[i-1], "nested", d)
		}
		dirs = append(dirs, d)
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		in := dirs[0]
		if i >= pageFull {
			in = dirs[i%len(dirs)]
		}
		name := filepath.Join(dir, in, fmt.Sprintf("file %d.txt", i))
		text := strings.Repeat(fmt.Sprintf("line %d\n", i), i%40)
		if err := os.WriteFile(name, []byte(text), 0o600|os.FileMode(i%3)*0o011); err != nil {
			t.Fatal(err)
		}
		at := when.Add(time.Duration(i) * 1_000_000_007 * time.Nanosecond)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
		if i%40 == 0 {
			if err := os.Symlink(filepath.Base(name), name+".link"); err != nil {
				t.Fatal(err)
			}
			// Long ago, too: rsync leaves a time alone that is right to the second.
			ts := []unix.Timespec{unix.NsecToTimespec(at.UnixNano()), unix.NsecToTimespec(at.UnixNano())}
			if err := unix.UtimesNanoAt(unix.AT_FDCWD, name+".link", ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Long ago: rsync leaves a directory's time that is right to the second.
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chtimes(path, when, when)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// requests counts what reached the store since Reset, by operation.
func requests(r *rig.Rig) map[string]int {
	count := make(map[string]int)
	for _, op := range r.S3.Proxy.Ops() {
		count[op]++
	}
	return count
}

// lateMarkers is how many markers of directories may be looked at where nothing but
// listings is to be asked for. The gateway changes a directory's time with each entry, as
// S3 does not: where one came late to a directory of which all was known, the marker is
// read once more.
const lateMarkers = 2

// onlyLists fails the test if anything but listings was asked of the store, and shows the count.
func onlyLists(t *testing.T, r *rig.Rig, what string) {
	t.Helper()
	t.Logf("%s: %v", what, requests(r))
	markers := 0
	var other []string
	for _, q := range r.S3.Proxy.Requests() {
		switch {
		case q.Op == "ListObjectsV2":
		case q.Op == "HeadObject" && strings.HasSuffix(q.Path, "/") && markers < lateMarkers:
			markers++
		default:
			other = append(other, q.Op+" "+q.Path)
		}
	}
	if len(other) > 0 {
		t.Errorf("%s: %d requests more, for example %q", what, len(other), other[:min(len(other), 20)])
	}
}

// rsync runs rsync -a of a tree into the mount, and gives the lines of what it changed.
func rsync(t *testing.T, m *rig.Mount, source string) []string {
	t.Helper()
	out := m.Run("rsync", "-a", "-i", source+"/", m.Path("tree")+"/")
	return slices.Collect(func(yield func(string) bool) {
		for line := range strings.Lines(out) {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	})
}

// sidecarTime is when a sidecar was put, in a line of ls --full-time: who has put it knows
// that better than the store, which tells it to the second.
var sidecarTime = regexp.MustCompile(`(?m)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} (?:[+-]\d{4} )?(.*\.settings\.json)$`)

func TestSecondRsyncAsksForListingsOnly(t *testing.T) {
	rig.Need(t, "rsync", "ls", "find")
	r := rig.New(t, nil)
	source := filepath.Join(r.Dir, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	plantTree(t, source, treeFiles())
	m := r.MountWith(rig.Binary(t, false), "one")
	begun := time.Now()
	// One rsync waits for one close after the other: six take the directories in turns.
	out, err := m.Try(10*rig.Limit, "bash", "-euc", `mkdir "$2" && cd "$1" && ls -A | xargs -P 6 -n 1 -I {} rsync -a {} "$2"/`, "fill", source, m.Path("tree"))
	if err != nil {
		t.Fatalf("fill: %v\n%s", err, out)
	}
	if moved := rsync(t, m, source); len(moved) > 1 {
		t.Errorf("rsync after the first moved %d: %q", len(moved), moved[:min(len(moved), 10)])
	}
	again := func(what string) {
		t.Helper()
		r.S3.Proxy.Reset()
		begun := time.Now()
		if moved := rsync(t, m, source); len(moved) > 0 {
			t.Errorf("%s moved %d: %q", what, len(moved), moved[:min(len(moved), 10)])
		}
		onlyLists(t, r, fmt.Sprintf("%s, %v", what, time.Since(begun).Round(time.Second/10)))
	}
	listAll := func(what string) string {
		t.Helper()
		r.S3.Proxy.Reset()
		begun := time.Now()
		out := m.Run("ls", "-lR", "--full-time", m.Path("tree"))
		onlyLists(t, r, fmt.Sprintf("%s, %v", what, time.Since(begun).Round(time.Second/10)))
		return out
	}
	m.Unmount()
	t.Logf("first rsync and unmount: %v, %v", time.Since(begun).Round(time.Second/10), requests(r))
	m = m.Again()
	again("rsync in a cold mount")
	again("rsync once more")
	m.Unmount()
	m = m.Again()
	listed := listAll("ls -lR in a cold mount")
	m.Unmount()

	// What is remembered is the truth: a mount that remembers nothing shows the same.
	other := r.MountWith(rig.Binary(t, false), "other")
	truth, want := describe(t, other.Path("tree")), describe(t, source)
	if truth != want {
		t.Errorf("a cold mount with an empty spool shows another tree: %s", firstDifference(truth, want))
	}
	cold := strings.ReplaceAll(other.Run("ls", "-lR", "--full-time", other.Path("tree")), other.Dir, m.Dir)
	if cold, listed := sidecarTime.ReplaceAllString(cold, "$1"), sidecarTime.ReplaceAllString(listed, "$1"); cold != listed {
		t.Errorf("ls -lR differs with what is remembered: %s", firstDifference(cold, listed))
	}
	other.Unmount()
}

// describe tells of every file, directory and symlink below a directory what
// find knows of it: name, size, mode, time, target.
func describe(t *testing.T, dir string) string {
	t.Helper()
	const script = `cd "$1" && find . -name '*.settings.json' -o -type f -printf '%P %s %m %T@\n' ` +
		`-o -type d -printf '%P %m %T@\n' -o -type l -printf '%P %l %T@\n' | sort`
	out, err := exec.Command("bash", "-c", script, "describe", dir).Output()
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	return string(out)
}

func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: %q, not %q", i, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, not %d", len(a), len(b))
}
