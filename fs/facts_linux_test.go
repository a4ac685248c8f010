package fs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func attribute(path, name string) (string, error) {
	buf := make([]byte, 1000)
	n, err := unix.Getxattr(path, name, buf)
	return string(buf[:max(n, 0)]), err
}

// testFacts: what a file tells of itself is what its settings say, is in no list, and goes along
// with no copy.
func testFacts(t *testing.T, dir string) {
	path := filepath.Join(dir, "a.mov")
	f, err := os.Create(path)
	must(t, err)
	_, err = f.Write(noise(100))
	must(t, err)
	if got, err := attribute(path, "user.mcfs.state"); err != nil || got != "writing" {
		t.Errorf("state while it is written: %q, %v", got, err)
	}
	for _, name := range []string{"etag", "key-id", "iv", "job"} {
		_, err := attribute(path, "user.mcfs."+name)
		wantErrno(t, name+" of what is not committed", err, syscall.ENODATA)
	}
	must(t, f.Close())
	text, err := os.ReadFile(path + ".settings.json")
	must(t, err)
	var settings struct {
		DecryptionSettings struct{ InitializationVector string }
	}
	must(t, json.Unmarshal(text, &settings))
	for name, ok := range map[string]func(string) bool{
		"state":  func(s string) bool { return s == "committed" },
		"iv":     func(s string) bool { return s != "" && s == settings.DecryptionSettings.InitializationVector },
		"etag":   func(s string) bool { return strings.HasPrefix(s, `"`) },
		"key-id": func(s string) bool { return strings.HasPrefix(s, "local:") },
	} {
		if got, err := attribute(path, "user.mcfs."+name); err != nil || !ok(got) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	_, err = attribute(path, "user.mcfs.job")
	wantErrno(t, "a job that there is not", err, syscall.ENODATA)
	_, err = attribute(path, "user.mcfs.other")
	wantErrno(t, "another word", err, syscall.ENODATA)
	_, err = unix.Getxattr(path, "user.mcfs.state", make([]byte, 3))
	wantErrno(t, "into too little", err, syscall.ERANGE)
	_, err = attribute(dir, "user.mcfs.state")
	wantErrno(t, "of a directory", err, syscall.ENODATA)
	_, err = attribute(path+".settings.json", "user.mcfs.state")
	wantErrno(t, "of a sidecar", err, syscall.ENODATA)
	for _, name := range []string{"user.mcfs.state", "user.mcfs.job", "user.mcfs.mine"} {
		wantErrno(t, "set "+name, unix.Setxattr(path, name, []byte("x"), 0), syscall.EPERM)
		wantErrno(t, "remove "+name, unix.Removexattr(path, name), syscall.EPERM)
	}
	if n, err := unix.Listxattr(path, make([]byte, 1000)); err != nil || n != 0 {
		t.Errorf("%d bytes of names are listed, %v", n, err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	for _, program := range [][]string{{"cp", "--preserve=all", path, copied}, {"rsync", "-aX", path, copied}, {"cp", "-a", copied, path + "2"}, {"rsync", "-aX", copied, path + "3"}} {
		if out, err := exec.Command(program[0], program[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v: %s", program, err, out)
		}
	}
	if n, err := unix.Listxattr(copied, make([]byte, 1000)); err != nil || n != 0 {
		t.Errorf("the copy has %d bytes of names, %v", n, err)
	}
}
