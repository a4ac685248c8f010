package packages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// bill demands that a bill of materials has what the program of a tarball is made of, by Go's own account, and
// nothing else.
func bill(t *testing.T, archive, file string) {
	t.Helper()
	dir := t.TempDir()
	do(t, exec.Command("tar", "-xzf", archive, "-C", dir))
	var want []string
	for line := range strings.Lines(do(t, exec.Command("go", "version", "-m", one(t, dir, "*/bin/mcfs")))) {
		switch f := strings.Fields(line); {
		case len(f) == 2 && strings.HasPrefix(f[1], "go"):
			want = append(want, "pkg:golang/std@"+strings.TrimPrefix(f[1], "go")+" ")
		case len(f) == 4 && f[0] == "dep":
			want = append(want, "pkg:golang/"+f[1]+"@"+f[2]+" "+f[3])
		}
	}
	listed := func(filter string) []string {
		return strings.Split(strings.TrimSuffix(do(t, exec.Command("jq", "-r", filter, file)), "\n"), "\n")
	}
	got := listed(`.components[] | .purl + " " + (.properties[0].value // "")`)
	if !slices.Equal(got, want) || len(want) < 20 {
		t.Errorf("the bill has\n%s\nand the program\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if made := listed(`.dependencies[] | select(.ref == "mcfs") | .dependsOn[]`); !slices.Equal(made, listed(`.components[]."bom-ref"`)) {
		t.Errorf("mcfs is made of %q", made)
	}
	head := listed(`.bomFormat, .specVersion, .metadata.timestamp, .metadata.component.version, .metadata.component.properties[0].value`)
	if want := []string{"CycloneDX", "1.6", "2026-01-02T03:04:05Z", version, revision}; !slices.Equal(head, want) {
		t.Errorf("it says %q, not %q", head, want)
	}
}

// signed demands that the sums were signed as they are, by the command that was given.
func signed(t *testing.T, dir string) {
	t.Helper()
	c := exec.Command("sh", "-c", "sha512sum <SHA256SUMS | cmp - SHA256SUMS.sig")
	c.Dir = dir
	do(t, c)
}

var (
	address = regexp.MustCompile(`(?m)^ +url "(.*)"\n +sha256 "(.*)"$`)
	taken   = regexp.MustCompile(`(?:install Dir\["|install ")([^"]+)"`)
)

// formula demands that Homebrew is sent to the tarball that is there, and installs of it what it has.
func formula(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "mcfs.rb"))
	if err != nil {
		t.Fatal(err)
	}
	archive := one(t, dir, "*.tar.gz")
	sum, _, _ := strings.Cut(do(t, exec.Command("sha256sum", archive)), " ")
	found := address.FindAllStringSubmatch(string(text), -1)
	if len(found) != 1 || found[0][1] != download+"/"+filepath.Base(archive) || found[0][2] != sum {
		t.Errorf("it has %q", found)
	}
	on := map[string]string{"amd64": "on_intel", "arm64": "on_arm"}[runtime.GOARCH]
	if !regexp.MustCompile(`(?s)  on_linux do\n    ` + on + ` do\n      url.*?\n    end\n  end\n`).Match(text) {
		t.Errorf("the archive is not for this system:\n%s", text)
	}
	unpacked := t.TempDir()
	do(t, exec.Command("tar", "-xzf", archive, "-C", unpacked))
	paths := taken.FindAllStringSubmatch(string(text), -1)
	if len(paths) != 6 {
		t.Errorf("it installs %q", paths)
	}
	for _, p := range paths {
		if found, err := filepath.Glob(filepath.Join(unpacked, "*", p[1])); err != nil || len(found) == 0 {
			t.Errorf("%s is not in the archive (%v)", p[1], err)
		}
	}
	var words []string // that open a block, and end one
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasSuffix(line, " do") || strings.HasPrefix(line, "if ") || strings.HasPrefix(line, "def ") || strings.HasPrefix(line, "class ") {
			words = append(words, line)
		} else if line == "end" && len(words) > 0 {
			words = words[:len(words)-1]
		}
	}
	if len(words) > 0 {
		t.Errorf("these have no end: %q", words)
	}
}

// TestRelease: goreleaser knows each field of its configuration, and takes what make package has made.
func TestRelease(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "goreleaser")
	do(t, exec.Command("go", "build", "-C", filepath.Join(sources(t), "tools/goreleaser"), "-o", tool, "."))
	file := filepath.Join(sources(t), ".goreleaser.yaml")
	var release struct {
		Hooks, Files []string
		Skipped      bool
	}
	if err := json.Unmarshal([]byte(do(t, exec.Command(tool, file))), &release); err != nil {
		t.Fatal(err)
	}
	if len(release.Hooks) != 1 || !strings.HasPrefix(release.Hooks[0], "make package VERSION=") || !slices.Equal(release.Files, []string{"dist/*"}) || !release.Skipped {
		t.Errorf("%+v", release)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(t.TempDir(), "odd.yaml")
	if err := os.WriteFile(odd, append(text, "nobody_knows: true\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, odd).CombinedOutput(); err == nil || !strings.Contains(string(out), "nobody_knows") {
		t.Errorf("a field that nobody knows: %v, %s", err, out)
	}
}
