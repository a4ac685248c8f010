package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// What the packages of this test say of themselves.
const (
	version  = "1.2.3-rc1"
	revision = "0123456789abcdef0123456789abcdef01234567"
	epoch    = 1767323045 // 2026-01-02
	download = "https://films.example.com/releases/v1"
	signing  = `sha512sum <"$1" >"$2"`
)

// limit ends what hangs; on a busy machine without a cache of Go's everything is compiled once.
const limit = 15 * time.Minute

// do runs a command of which nothing but success is expected, and returns what it prints.
func do(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var errors bytes.Buffer
	c.Stderr = &errors
	c.WaitDelay = 5 * time.Second
	kill := time.AfterFunc(limit, func() { _ = c.Process.Kill() })
	defer kill.Stop()
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", strings.Join(c.Args, " "), err, out, errors.String())
	}
	return string(out)
}

// sources is the folder of this module.
func sources(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// copied is a copy of the sources elsewhere, without git.
func copied(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "other", "place")
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	list := exec.Command("git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	unpack := exec.Command("tar", "-C", from, "--null", "--files-from=-", "-c", "--to-stdout", "--ignore-failed-read")
	unpack.Stdin = strings.NewReader(do(t, list))
	tree := exec.Command("tar", "-x", "-C", to)
	tree.Stdin = strings.NewReader(do(t, unpack))
	do(t, tree)
	return to
}

// made makes the packages for this machine, in surroundings of their own, and returns their folder.
func made(t *testing.T, tool, source, zone, mask string) string {
	t.Helper()
	out := t.TempDir()
	c := exec.Command("sh", "-c", "umask "+mask+`; exec "$@"`, "sh", tool, "-source", source, "-out", out,
		"-version", version, "-revision", revision, "-epoch", fmt.Sprint(epoch), "-targets", "linux/"+runtime.GOARCH,
		"-download", download, "-sign", signing)
	c.Env = append(os.Environ(), "TZ="+zone, "TMPDIR="+t.TempDir())
	do(t, c)
	return out
}

// one is the file of a folder that a pattern matches.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// TestPackages: made twice they are the same, and each holds the same files; lintian has nothing to say;
// installed, they do what they are for, and removed they are gone.
func TestPackages(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("packages are installed by root: run this test as root")
	}
	tool := filepath.Join(t.TempDir(), "package")
	do(t, exec.Command("go", "build", "-C", filepath.Join(sources(t), "tools/package"), "-o", tool, "."))
	dir := made(t, tool, sources(t), "UTC", "022")
	t.Run("reproducible", func(t *testing.T) {
		same(t, dir, made(t, tool, copied(t, sources(t)), "Asia/Tokyo", "077"))
	})
	t.Run("lists", func(t *testing.T) { sameLists(t, dir) })
	t.Run("lintian", func(t *testing.T) {
		do(t, exec.Command("lintian", "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", one(t, dir, "*.deb")))
	})
	t.Run("signed", func(t *testing.T) { signed(t, dir) })
	t.Run("formula", func(t *testing.T) { formula(t, dir) })
	t.Run("bill", func(t *testing.T) { bill(t, one(t, dir, "*.tar.gz"), one(t, dir, "*.cdx.json")) })
	t.Run("tarball", func(t *testing.T) { tarball(t, one(t, dir, "*.tar.gz")) })
	s := newStudio(t)
	for _, c := range []struct{ kind, format string }{{"deb", "deb"}, {"rpm", "rpm"}, {"dnf", "rpm"}, {"apk", "apk"}} {
		t.Run("installed by "+c.kind, func(t *testing.T) { s.install(t, c.kind, one(t, dir, "*."+c.format)) })
	}
}

// same demands that two folders hold the same files, and what SHA256SUMS says of them.
func same(t *testing.T, a, b string) {
	t.Helper()
	files, err := os.ReadDir(a)
	if err != nil || len(files) != 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		x, err := os.ReadFile(filepath.Join(a, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if y, err := os.ReadFile(filepath.Join(b, f.Name())); err != nil || !bytes.Equal(x, y) {
			t.Errorf("%s is another when it is made again (%d and %d bytes, %v)", f.Name(), len(x), len(y), err)
		}
	}
	sums := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	sums.Dir = a
	if out := do(t, sums); strings.Count(out, ": OK") != 6 {
		t.Errorf("SHA256SUMS names\n%s", out)
	}
}

// elsewhere are the files that a system has in another place than Debian.
var elsewhere = strings.NewReplacer("/usr/share/zsh/site-functions/", "/usr/share/zsh/vendor-completions/")

// ofDebian are files that other systems do not have, and licensed what Debian has for all packages.
var (
	ofDebian = regexp.MustCompile(`^/usr/share/(lintian/overrides/mcfs|doc/mcfs/changelog\.Debian\.gz)$`)
	licensed = regexp.MustCompile(`^/usr/share/licenses/mcfs/LICENSE$`)
)

// sameLists compares the files of the packages.
func sameLists(t *testing.T, dir string) {
	t.Helper()
	want := files(do(t, exec.Command("sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -t`, "sh", one(t, dir, "*.deb"))))
	if len(want) < 40 || !slices.Contains(want, "/usr/sbin/mount.fuse.mcfs") || !slices.Contains(want, "/usr/share/man/man1/mcfs-mount.1.gz") {
		t.Errorf("the .deb has %d files:\n%s", len(want), strings.Join(want, "\n"))
	}
	rpm := one(t, dir, "*.rpm")
	got := files(do(t, exec.Command("sh", "-c", `rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$1" | sed -n 's/^[^d][^ ]* //p'`, "sh", rpm)))
	compare(t, "the .rpm", want, got)
	if out := do(t, exec.Command("rpm", "-qp", "--requires", rpm)); !slices.Contains(strings.Fields(out), "fuse3") {
		t.Errorf("the .rpm needs %s", out)
	}
	do(t, exec.Command("rpm", "-K", "--nosignature", rpm))
	apk := one(t, dir, "*.apk")
	got = files(do(t, exec.Command("tar", "-tzf", apk)))
	got = slices.DeleteFunc(got, func(f string) bool { return f == "/.PKGINFO" })
	for i, f := range got {
		got[i] = strings.Replace(f, "/sbin/mount", "/usr/sbin/mount", 1)
	}
	compare(t, "the .apk", want, got)
	out := do(t, exec.Command("tar", "-xzOf", apk, ".PKGINFO"))
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, " = ") {
			t.Errorf("the .apk says %q, which is no fact", line)
		}
	}
	if !strings.Contains(out, "\ndepend = fuse3\n") || !strings.Contains(out, "\npkgver = 1.2.3_rc1") {
		t.Errorf("the .apk says\n%s", out)
	}
}

// files are the paths of a list that are no folders, absolute and sorted.
func files(list string) (paths []string) {
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasSuffix(line, "/") {
			paths = append(paths, "/"+strings.TrimLeft(line, "./"))
		}
	}
	for i, p := range paths {
		if strings.HasPrefix(p, "/PKGINFO") {
			paths[i] = "/.PKGINFO"
		}
	}
	slices.Sort(paths)
	return paths
}

// compare demands that a package holds what the .deb does.
func compare(t *testing.T, what string, deb, got []string) {
	t.Helper()
	want := slices.DeleteFunc(slices.Clone(deb), ofDebian.MatchString)
	var others []string
	for _, f := range got {
		if !licensed.MatchString(f) {
			others = append(others, elsewhere.Replace(f))
		}
	}
	slices.Sort(others)
	if !slices.Equal(want, others) || len(others) != len(got)-1 {
		t.Errorf("%s has\n%s\nand the .deb\n%s", what, strings.Join(got, "\n"), strings.Join(deb, "\n"))
	}
}

// tarball demands that one runs where it is unpacked, and brings its pages and licenses.
func tarball(t *testing.T, archive string) {
	t.Helper()
	dir := t.TempDir()
	do(t, exec.Command("tar", "-xzf", archive, "-C", dir))
	if out := do(t, exec.Command(one(t, dir, "*/bin/mcfs"), "version")); !strings.Contains(out, "mcfs "+version+", revision "+revision+", ") {
		t.Errorf("mcfs version says %q", out)
	}
	for _, f := range []string{"share/man/man1/mcfs.1.gz", "share/doc/mcfs/LICENSE", "share/doc/mcfs/copyright", "share/bash-completion/completions/mcfs"} {
		one(t, dir, "*/"+f)
	}
}
