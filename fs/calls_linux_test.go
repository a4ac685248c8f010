package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	owner   = actor{name: "owner", uid: 1001, gid: 1001, groups: []int{1005}}
	another = actor{name: "another", uid: 1002, gid: 1002}
)

// callSteps are system calls as suites for file systems make them, allowed and refused.
var callSteps = []struct {
	name string
	by   actor
	do   func(dir string) error
}{
	{"mkdir", owner, func(d string) error { return unix.Mkdir(d+"/d", 0o755) }},
	{"mkdir again", owner, func(d string) error { return unix.Mkdir(d+"/d", 0o755) }},
	{"create", owner, create("/d/f", 0o644)},
	{"create there, by another", another, create("/d/x", 0o644)},
	{"write, by another", another, opens("/d/f", os.O_WRONLY)},
	{"read, by another", another, opens("/d/f", os.O_RDONLY)},
	{"truncate, by another", another, func(d string) error { return unix.Truncate(d+"/d/f", 3) }},
	{"chmod, by another", another, chmod("/d/f", 0o777)},
	{"chmod", owner, chmod("/d/f", 0o640)},
	{"read, by another, refused", another, opens("/d/f", os.O_RDONLY)},
	{"setgid", owner, chmod("/d/f", 0o2755)},
	{"chown, by another", another, chown("/d/f", 1002, 1002)},
	{"chown to another", owner, chown("/d/f", 1002, -1)},
	{"chown to a group of his", owner, chown("/d/f", -1, 1005)},
	{"chown to a group that is not", owner, chown("/d/f", -1, 1009)},
	{"group that is not his", actor{}, chown("/d/f", 1001, 1009)},
	{"setgid for a group that is not his", owner, chmod("/d/f", 0o2755)},
	{"times, by another", another, func(d string) error { return unix.Utimes(d+"/d/f", make([]unix.Timeval, 2)) }},
	{"times of now, by another", another, func(d string) error { return unix.Utimes(d+"/d/f", nil) }},
	{"unlink, by another", another, func(d string) error { return unix.Unlink(d + "/d/f") }},
	{"rename, by another", another, func(d string) error { return unix.Rename(d+"/d/f", d+"/f") }},
	{"sticky", owner, chmod("/d", 0o1777)},
	{"create in sticky, by another", another, create("/d/his", 0o666)},
	{"unlink in sticky, by another", another, func(d string) error { return unix.Unlink(d + "/d/f") }},
	{"rename over, in sticky", another, func(d string) error { return unix.Rename(d+"/d/his", d+"/d/f") }},
	{"rename his own, in sticky", another, func(d string) error { return unix.Rename(d+"/d/his", d+"/d/still") }},
	{"unlink by the directory's owner", owner, func(d string) error { return unix.Unlink(d + "/d/still") }},
	{"not to be entered", owner, chmod("/d", 0o600)},
	{"through it", owner, opens("/d/f", os.O_RDONLY)},
	{"to be entered", owner, chmod("/d", 0o755)},
	{"rmdir of a full one", owner, func(d string) error { return unix.Rmdir(d + "/d") }},
	{"rmdir of a file", owner, func(d string) error { return unix.Rmdir(d + "/d/f") }},
	{"unlink of a directory", owner, func(d string) error { return unix.Unlink(d + "/d") }},
	{"below a file", owner, opens("/d/f/x", os.O_RDONLY)},
	{"directory for writing", owner, opens("/d", os.O_RDWR)},
	{"a file as a directory", owner, opens("/d/f", unix.O_DIRECTORY)},
	{"absent", owner, opens("/d/absent", os.O_RDONLY)},
	{"truncate to less than nothing", owner, func(d string) error { return unix.Truncate(d+"/d/f", -1) }},
	{"truncate a directory", owner, func(d string) error { return unix.Truncate(d+"/d", 0) }},
	{"symlink", owner, func(d string) error { return unix.Symlink("loop", d+"/d/loop") }},
	{"symlink again", owner, func(d string) error { return unix.Symlink("loop", d+"/d/loop") }},
	{"in a circle", owner, opens("/d/loop", os.O_RDONLY)},
	{"not followed", owner, opens("/d/loop", unix.O_NOFOLLOW)},
	{"directory into itself", owner, func(d string) error { return unix.Rename(d+"/d", d+"/d/inner") }},
	{"second directory", owner, func(d string) error { return unix.Mkdir(d+"/e", 0o700) }},
	{"directory over a file", owner, func(d string) error { return unix.Rename(d+"/e", d+"/d/f") }},
	{"file over a directory", owner, func(d string) error { return unix.Rename(d+"/d/f", d+"/e") }},
	{"directory over a full one", owner, func(d string) error { return unix.Rename(d+"/e", d+"/d") }},
	{"directory over an empty one", owner, func(d string) error { return unix.Rename(d+"/d", d+"/e") }},
	{"what is gone", owner, func(d string) error { return unix.Rename(d+"/d", d+"/x") }},
	{"chown of a link", actor{}, func(d string) error { return unix.Lchown(d+"/e/loop", 1002, 1002) }},
	{"rest", actor{}, func(d string) error { return os.RemoveAll(d + "/e") }},
}

func create(path string, mode uint32) func(string) error {
	return func(dir string) error {
		fd, err := unix.Open(dir+path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

func chown(path string, uid, gid int) func(string) error {
	return func(dir string) error { return unix.Chown(dir+path, uid, gid) }
}

// owners are modes, owners and kinds of all below dir, a line each.
func owners(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil || strings.HasSuffix(path, ".settings.json") {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %o %d:%d\n", name, st.Mode, st.Uid, st.Gid)
		return nil
	}))
	return b.String()
}

// TestCallsAsOnADisk compares what is allowed and what is refused, with which error, and
// what becomes of it, with a plain directory.
func TestCallsAsOnADisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test must become another user: run it as root")
	}
	d, _ := startVolume(t)
	plain := t.TempDir()
	must(t, os.Chmod(filepath.Dir(plain), 0o755))
	dir := d.mountpoint + "/calls"
	must(t, os.Mkdir(dir, 0o777))
	must(t, os.Chmod(dir, 0o777))
	must(t, os.Chmod(plain, 0o777))
	for _, s := range callSteps {
		want := s.by.do(func() error { return s.do(plain) })
		got := s.by.do(func() error { return s.do(dir) })
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, on a disk %v", s.name, got, want)
		}
		if a, b := owners(t, dir), owners(t, plain); a != b {
			t.Fatalf("%s:\n%s\non a disk\n%s", s.name, a, b)
		}
	}
}
