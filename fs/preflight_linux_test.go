package fs

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// oneLine checks that an error is one line with all the words.
func oneLine(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestPreflightMountpoint(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	circle := filepath.Join(dir, "circle")
	if err := os.Symlink("circle", circle); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path  string
		words []string
	}{
		{filepath.Join(dir, "absent"), []string{"absent", "does not exist", "mkdir -p"}},
		{filepath.Join(dir, "absent", "below"), []string{"below", "does not exist", "mkdir -p"}},
		{file, []string{file, "not a directory", "choose"}},
		{dir, []string{dir, "not empty", "choose an empty directory"}},
		{filepath.Join(file, "below"), []string{"below", "not a directory"}},
		{circle, []string{circle, "cannot be read", "too many links", "choose a directory of yours"}},
		{"/proc", []string{"/proc", "is mounted already (proc, ", `unmount it with umount "/proc"`}},
	} {
		resolved, err := Preflight(c.path, false)
		oneLine(t, err, c.words...)
		if resolved != "" {
			t.Errorf("%s: %q with an error", c.path, resolved)
		}
	}

	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(empty, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(empty)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, path := range []string{empty, filepath.Join(dir, "link"), "empty", "link", "./link/../link"} {
		if got, err := Preflight(path, false); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
}

func TestPreflightFuse(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	helper := func() (string, error) { return "/bin/fusermount3", nil }
	none := func() (string, error) { return "", errors.New("not found") }
	device := write("fuse", "")
	plain := write("plain.conf", "# user_allow_other\n#user_allow_other\nmount_max = 5\n")
	open := write("open.conf", "mount_max = 5\n user_allow_other \n")

	h := host{device: device, conf: plain, euid: 1000, helper: helper}
	if err := h.checkFuse(); err != nil {
		t.Errorf("all is there: %v", err)
	}

	if err := h.checkWritable(dir); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	oneLine(t, asNobody(func() error { return h.checkWritable(dir) }), dir, "not writable", "choose a directory of yours")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}

	missing := h
	missing.device = filepath.Join(dir, "no-fuse")
	oneLine(t, missing.checkFuse(), "no-fuse", "does not exist", "modprobe fuse", "--device")

	unusable := h
	unusable.device = dir // cannot be opened for writing
	oneLine(t, unusable.checkFuse(), dir, "cannot be opened", "give this user access")

	helpless := h
	helpless.helper = none
	oneLine(t, helpless.checkFuse(), "fusermount3", "install the package fuse3")
	helpless.euid = 0
	if err := helpless.checkFuse(); err != nil {
		t.Errorf("root needs no helper: %v", err)
	}

	shared := h
	shared.allowOther = true
	oneLine(t, shared.checkFuse(), "allow_other", "user_allow_other", plain)
	shared.conf = open
	if err := shared.checkFuse(); err != nil {
		t.Errorf("allow_other is permitted: %v", err)
	}
	shared.conf, shared.euid = plain, 0
	if err := shared.checkFuse(); err != nil {
		t.Errorf("root may: %v", err)
	}
}

// asNobody runs f without root's privileges, on a thread that ends with it.
func asNobody(f func() error) error {
	if os.Getuid() != 0 {
		return f()
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			result <- errno
			return
		}
		result <- f()
	}()
	return <-result
}
