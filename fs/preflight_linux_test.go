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
	_, err := checkDirectory(filepath.Join(dir, "absent"))
	oneLine(t, err, "absent", "does not exist", "mkdir -p")
	_, err = checkDirectory(file)
	oneLine(t, err, file, "not a directory", "choose")
	_, err = checkDirectory(dir)
	oneLine(t, err, dir, "not empty", `"file"`, "choose an empty directory")
	_, err = checkDirectory(filepath.Join(file, "below"))
	oneLine(t, err, "below", "not a directory")

	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(empty)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := checkDirectory(link); err != nil || got != want {
		t.Errorf("link to an empty directory: %q, %v; want %q", got, err, want)
	}
}

func TestPreflightRealMount(t *testing.T) {
	_, err := preflight("/proc", false)
	oneLine(t, err, "/proc", "is a mount already", "proc", "umount")
}

const someMounts = `22 26 0:21 / /sys rw,relatime - sysfs sysfs rw
36 35 98:0 /mnt1 /mnt/with\040blank rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue
90 26 0:50 / /mnt/m rw,nosuid - fuse.mcfs mcfs#bucket/p\134q rw,user_id=0
91 26 0:51 / /mnt/m rw - tmpfs tmpfs rw
92 26 0:52 / /mnt/fuse rw - fuse.mcfs mcfs#b rw
garbage
93 26 0:53 / /mnt/cut rw -
`

func TestFindMount(t *testing.T) {
	for _, c := range []struct {
		path string
		want mountEntry
	}{
		{"/sys", mountEntry{"0:21", "sysfs", "sysfs"}},
		{"/mnt/with blank", mountEntry{"98:0", "ext3", "/dev/root"}},
		{"/mnt/m", mountEntry{"0:51", "tmpfs", "tmpfs"}},
		{"/mnt/fuse", mountEntry{"0:52", "fuse.mcfs", "mcfs#b"}},
	} {
		if got, ok := findMount(someMounts, c.path); !ok || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.path, got, ok, c.want)
		}
	}
	for _, path := range []string{"/mnt", "/mnt/with", `/mnt/with\040blank`, "/mnt/cut", ""} {
		if got, ok := findMount(someMounts, path); ok {
			t.Errorf("%q: found %+v", path, got)
		}
	}
	if got := unescape(`a\134b\040\011c\x\04`); got != "a\\b \tc\\x\\04" {
		t.Errorf("unescape: %q", got)
	}
}

func FuzzParseMount(f *testing.F) {
	seeds := 0
	for line := range strings.Lines(someMounts) {
		f.Add(line)
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, line string) {
		if m, at, ok := parseMount(line); ok && (at == "" || m.kind == "" || m.device == "") {
			t.Errorf("%q: empty fields in %+v at %q", line, m, at)
		}
	})
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
	info := write("mountinfo", someMounts)
	helper := func() (string, error) { return "/bin/fusermount3", nil }
	none := func() (string, error) { return "", errors.New("not found") }
	device := write("fuse", "")
	plain := write("plain.conf", "# user_allow_other\n#user_allow_other\nmount_max = 5\n")
	open := write("open.conf", "mount_max = 5\n user_allow_other \n")

	h := host{mountinfo: info, device: device, conf: plain, euid: 1000, helper: helper}
	oneLine(t, h.checkMounted("/mnt/fuse"), "/mnt/fuse", "mount already", "fuse.mcfs", "mcfs#b", "fusermount3 -u")
	oneLine(t, h.checkMounted("/mnt/m"), "/mnt/m", "tmpfs", "umount")
	if err := h.checkMounted("/mnt/other"); err != nil {
		t.Error(err)
	}
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
