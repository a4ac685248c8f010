package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

// studio is where packages are installed and used: servers that stand for AWS, and the tools that bring up
// systems of other families.
type studio struct {
	s3    *s3test.Server
	kms   *kmstest.Server
	tools string
	lines [3]string // of the guide
}

func newStudio(t *testing.T) studio {
	t.Helper()
	s := studio{s3: s3test.Start(t), tools: t.TempDir(), lines: linesOfGuide(t)}
	s.kms = kmstest.Start(t, kmstest.Options{AccessKey: s.s3.AccessKey, SecretKey: s.s3.SecretKey})
	for name, from := range map[string]string{"standin": "tools/package", "apk": "tools/apk"} {
		what := "."
		if name == "standin" {
			what = "./standin"
		}
		do(t, exec.Command("go", "build", "-C", filepath.Join(sources(t), from), "-o", filepath.Join(s.tools, name), what))
	}
	return s
}

var fstabLine = regexp.MustCompile(`(?m)^\S+ +/mnt/ingest +fuse\.mcfs +\S+ +0 0$`)

// linesOfGuide are those that docs/install.md has for fstab: at the start of the machine, at the first use, and for busybox.
func linesOfGuide(t *testing.T) (lines [3]string) {
	t.Helper()
	guide, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	found := fstabLine.FindAllString(string(guide), -1)
	if len(found) != 3 || strings.Contains(found[0], "x-systemd") || !strings.Contains(found[1], ",x-systemd.automount,") || !strings.HasPrefix(found[2], "mcfs ") {
		t.Fatalf("docs/install.md has the lines %q", found)
	}
	copy(lines[:], found)
	return lines
}

// config is a volume of its own for each system.
func (s studio) config(kind string) string {
	return fmt.Sprintf("[store]\nbucket = %q\nprefix = \"packages-%s/\"\nregion = \"us-east-1\"\nendpoint = %q\npath_style = true\n\n[keys]\nkey_id = %q\nendpoint = %q\n",
		s.s3.Bucket, kind, s.s3.URL, s.kms.ARN(0), s.kms.URL)
}

// install installs a package, uses it, and removes it: testdata/install.sh.
func (s studio) install(t *testing.T, kind, file string) {
	t.Helper()
	script, err := filepath.Abs("testdata/install.sh")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "bash", "-eu", script, kind, file)
	c.Env = append(os.Environ(), "LC_ALL=C", "VERSION="+version, "REVISION="+revision, "WORK="+t.TempDir(), "TOOLS="+s.tools,
		"LINE="+s.lines[0], "AUTOMOUNT="+s.lines[1], "BUSYBOX="+s.lines[2], "CONFIG="+s.config(kind),
		"CREDENTIALS="+fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s.s3.AccessKey, s.s3.SecretKey))
	out := do(t, c)
	if !strings.HasSuffix(out, "all of it held\n") {
		t.Errorf("the script ended early:\n%s", out)
	}
}
