package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/bench/report"
	"mcfs/fs"
	"mcfs/store/s3/s3test"
)

// trial measures some rows for real, at a tiny size, and returns what was
// written and what is left behind.
func trial(ctx context.Context, t *testing.T, rows string, more ...string) (text string, err error) {
	t.Helper()
	server, err := s3test.Binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var out, progress strings.Builder
	err = run(ctx, append([]string{"-only", rows, "-scale", "0.001", "-dir", dir, "-objects", dir, "-versitygw", server}, more...), &out, &progress)
	t.Logf("%s", progress.String())
	left, globErr := filepath.Glob(filepath.Join(dir, "*"))
	if globErr != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, globErr)
	}
	mounts, readErr := os.ReadFile("/proc/self/mounts")
	if readErr != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("a mount is left below %s, or %v", dir, readErr)
	}
	return out.String(), err
}

// TestTrial measures mcfs against the sink, the server and the loopback. The
// peers that make bench installs are hidden from it: a line must say of each
// that it is missing.
func TestTrial(t *testing.T) {
	t.Setenv("PATH", pathWithout(t, "s3fs", "rclone", "gocryptfs"))
	t.Setenv("RCLONE", "")
	text, err := trial(t.Context(), t, "^(client|read|random)$")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a trial at 0.001", "| go-fuse loopback | 3 |", "| mcfs | 3 |", "| mcfs, cached | 3 |",
		"bytes fetched, of what was asked: at most 16.0 ×",
		"cold, wall, of s3fs's: at most 0.80 × | s3fs failed: start s3fs", "rclone cat failed", "gocryptfs failed", report.NotMeasured,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestBefore measures this version beside itself, with no peer, and compares each of its series.
func TestBefore(t *testing.T) {
	other := filepath.Join(t.TempDir(), "mcfs")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", other, "mcfs/cmd/mcfs").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := trial(t.Context(), t, "^small$", "-before", other)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| mcfs | 7 |", "| mcfs, before | 7 |", "| mcfs, spool and sync, before | 7 |",
		"mcfs, wall, of the other version's: at most 1.03 × | ", "mcfs, spool and sync, CPU, of the other version's: at most 1.03 × | ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	_, figures, _ := strings.Cut(text, "## Figures")
	for _, not := range []string{nameS3FS, nameRclone, report.NotMeasured} {
		if strings.Contains(figures, not) {
			t.Errorf("%q is in\n%s", not, figures)
		}
	}
}

// TestLink reads over a link, and counts what is written to the disk of the spool.
func TestLink(t *testing.T) {
	text, err := trial(t.Context(), t, "^(spool-disk|readers)$")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, report.NotMeasured) || !strings.Contains(text, diskShare) {
		t.Errorf("something was not measured:\n%s", text)
	}
	if !regexp.MustCompile(`of the link 0\.[0-9]*[1-9]`).MatchString(text) {
		t.Errorf("nothing passed the link, or more than it lets pass:\n%s", text)
	}
}

// TestInterrupted leaves nothing behind in the midst of a row.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() { // ends when a mount is there, or the row has ended
		for ticks := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-ended:
				return
			case <-ticks.C:
			}
			mounts, err := os.ReadFile("/proc/self/mounts")
			if err == nil && strings.Contains(string(mounts), "/"+t.Name()) {
				cancel()
				return
			}
		}
	})
	text, err := trial(ctx, t, "^client$")
	close(ended)
	watcher.Wait()
	if err == nil || text != "" {
		t.Errorf("error %v, and results:\n%s", err, text)
	}
}

// pathWithout is a directory of links to all programs but some.
func pathWithout(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		programs, _ := filepath.Glob(filepath.Join(from, "*")) // the pattern is a good one
		for _, p := range programs {
			_ = os.Symlink(p, filepath.Join(dir, filepath.Base(p))) // the first of a name counts
		}
	}
	for _, n := range names {
		_ = os.Remove(filepath.Join(dir, n))
	}
	return dir
}

func TestParse(t *testing.T) {
	t.Setenv("VERSITYGW", "server")
	for _, c := range []struct {
		args string
		out  string // "" is an error
	}{
		{"", "bench/RESULTS.md"},
		{"-only read", "-"},
		{"-scale 0.1", "-"},
		{"-scale 0.1 -out x", "x"},
		{"-scale 0", ""},
		{"-scale 2", ""},
		{"-only (", ""},
		{"-nonsense", ""},
	} {
		var progress strings.Builder
		o, err := parse(strings.Fields(c.args), &progress)
		if (err != nil) != (c.out == "") || o.out != c.out && err == nil {
			t.Errorf("%q: %q, %v", c.args, o.out, err)
		}
	}
}

func TestParseFio(t *testing.T) {
	got, err := parseFio(`{"jobs": [{"write": {"bw_bytes": 5000000, "runtime": 1500}}]}`)
	if err != nil || got[speed] != 5 || got[ownWall] != 1.5 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "{}", `{"jobs": []}`} {
		if _, err := parseFio(bad); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

// TestNamesAreUnlike: they choose rows and are the anchors of the results.
func TestNamesAreUnlike(t *testing.T) {
	seen := make(map[string]bool)
	for _, w := range works {
		if seen[w.name] || w.work == "" || w.run == nil {
			t.Errorf("%+v", w)
		}
		seen[w.name] = true
	}
	if _, mounted := fs.MountAt("/proc"); !mounted {
		t.Error("mounts are not found")
	}
}
