package fs

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	accessList  = "system.posix_acl_access"
	defaultList = "system.posix_acl_default"
)

// acl is a list in the kernel's form, of words like "u::7 u:1002:6 g::4 m::6 o::0".
func acl(words string) []byte {
	tags := map[string][2]uint16{"u": {1, 2}, "g": {4, 8}, "m": {16, 16}, "o": {32, 32}}
	out := binary.LittleEndian.AppendUint32(nil, 2)
	for word := range strings.FieldsSeq(words) {
		part := strings.Split(word, ":")
		tag, id := tags[part[0]][0], uint32(0xffffffff)
		if part[1] != "" {
			tag = tags[part[0]][1]
			if _, err := fmt.Sscan(part[1], &id); err != nil {
				panic(err)
			}
		}
		out = binary.LittleEndian.AppendUint16(out, tag)
		out = binary.LittleEndian.AppendUint16(out, uint16(part[2][0]-'0'))
		out = binary.LittleEndian.AppendUint32(out, id)
	}
	return out
}

// rights are modes and lists of all below dir, a line each.
func rights(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, ".settings.json") {
			return err
		}
		mode, err := modeNow(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprint(&b, name, " ", mode)
		for _, list := range []string{accessList, defaultList} {
			var value [1000]byte
			n, err := unix.Lgetxattr(path, list, value[:])
			fmt.Fprintf(&b, " %x %v", value[:max(n, 0)], err)
		}
		fmt.Fprintln(&b)
		return nil
	}))
	return b.String()
}

// aclSteps are done in the mount and in a plain directory; the error is compared, too.
var aclSteps = []struct {
	name string
	by   actor
	do   func(dir string) error
}{
	{"file", actor{}, func(dir string) error { return os.WriteFile(dir+"/f", []byte("x"), 0o640) }},
	{"list", actor{}, setList("/f", accessList, "u::6 u:1002:7 g::4 g:1005:2 m::6 o::0")},
	{"who is named reads", actor{uid: 1002, gid: 1002}, opens("/f", os.O_RDONLY)},
	{"who is named writes", actor{uid: 1002, gid: 1002}, opens("/f", os.O_RDWR)},
	{"whose group is named writes", actor{uid: 1003, gid: 1005}, opens("/f", os.O_WRONLY)},
	{"whose group is named reads", actor{uid: 1003, gid: 1003, groups: []int{1005}}, opens("/f", os.O_RDONLY)},
	{"another", actor{uid: 1003, gid: 1003}, opens("/f", os.O_RDONLY)},
	{"chmod", actor{}, chmod("/f", 0o604)},
	{"who is named, after it", actor{uid: 1002, gid: 1002}, opens("/f", os.O_RDONLY)},
	{"another, after it", actor{uid: 1003, gid: 1003}, opens("/f", os.O_RDONLY)},
	{"chmod back", actor{}, chmod("/f", 0o2674)},
	{"somebody else's list", actor{uid: 1002, gid: 1002}, setList("/f", accessList, "u::7 g::7 o::7")},
	{"owner", actor{}, func(dir string) error { return os.Chown(dir+"/f", 1001, 1009) }},
	{"setgid again", actor{}, chmod("/f", 0o2664)},
	{"list of the owner, not of the group", actor{uid: 1001, gid: 1001}, setList("/f", accessList, "u::6 u:1003:4 g::4 m::4 o::0")},
	{"list that modes can say", actor{}, setList("/f", accessList, "u::7 g::5 o::1")},
	{"list again", actor{}, setList("/f", accessList, "u::7 g::5 m::4 o::1")},
	{"no list", actor{}, func(dir string) error { return unix.Removexattr(dir+"/f", accessList) }},
	{"no list twice", actor{}, func(dir string) error { return unix.Removexattr(dir+"/f", accessList) }},
	{"nonsense", actor{}, func(dir string) error { return unix.Setxattr(dir+"/f", accessList, []byte("nonsense"), 0) }},
	{"without others", actor{}, setList("/f", accessList, "u::7 g::5")},
	{"default list of a file", actor{}, setList("/f", defaultList, "u::7 g::5 o::1")},
	{"directory", actor{}, func(dir string) error { return os.Mkdir(dir+"/d", 0o777) }},
	{"default list", actor{}, setList("/d", defaultList, "u::7 u:1002:7 g::5 m::7 o::0")},
	{"made in it", actor{}, makeAll("/d")},
	{"who is named there", actor{uid: 1002, gid: 1002}, opens("/d/f600", os.O_RDONLY)},
	{"who is named there, too", actor{uid: 1002, gid: 1002}, opens("/d/f666", os.O_RDWR)},
	{"who is named may not enter", actor{uid: 1002, gid: 1002}, func(dir string) error { return os.WriteFile(dir+"/d/d700/x", nil, 0o666) }},
	{"who is named makes", actor{uid: 1002, gid: 1002}, func(dir string) error { return os.WriteFile(dir+"/d/d777/x", nil, 0o666) }},
	{"default list that modes can say", actor{}, setList("/d/d777", defaultList, "u::7 g::5 o::5")},
	{"made in that", actor{}, makeAll("/d/d777")},
	{"no default list", actor{}, func(dir string) error { return unix.Removexattr(dir+"/d", defaultList) }},
	{"made without", actor{}, func(dir string) error { return os.Mkdir(dir+"/d/without", 0o777) }},
	{"list of the directory", actor{}, setList("/d", accessList, "u::7 u:1003:5 g::0 m::5 o::0")},
	{"who is named lists", actor{uid: 1003, gid: 1003}, func(dir string) error { _, err := os.ReadDir(dir + "/d"); return err }},
	{"another lists", actor{uid: 1004, gid: 1004}, func(dir string) error { _, err := os.ReadDir(dir + "/d"); return err }},
}

func setList(path, list, words string) func(string) error {
	return func(dir string) error { return unix.Setxattr(dir+path, list, acl(words), 0) }
}

func opens(path string, flags int) func(string) error {
	return func(dir string) error {
		fd, err := unix.Open(dir+path, flags, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

func chmod(path string, mode uint32) func(string) error {
	return func(dir string) error { return unix.Chmod(dir+path, mode) }
}

// makeAll makes one of each in a directory, with modes that allow more and less.
func makeAll(path string) func(string) error {
	return func(dir string) error {
		dir += path
		for _, mode := range []uint32{0o666, 0o600, 0o777, 0o700, 0o640} {
			fd, err := unix.Open(fmt.Sprintf("%s/f%o", dir, mode), os.O_CREATE|os.O_WRONLY, mode)
			if err != nil {
				return err
			}
			unix.Close(fd)
			if err := unix.Mkdir(fmt.Sprintf("%s/d%o", dir, mode), mode); err != nil {
				return err
			}
			if err := unix.Mknod(fmt.Sprintf("%s/n%o", dir, mode), unix.S_IFREG|mode, 0); err != nil {
				return err
			}
		}
		fd, err := unix.Open(dir, unix.O_TMPFILE|os.O_WRONLY, 0o660)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Linkat(unix.AT_FDCWD, fmt.Sprint("/proc/self/fd/", fd), unix.AT_FDCWD, dir+"/nameless", unix.AT_SYMLINK_FOLLOW)
	}
}

// TestACLsAsOnADisk compares lists, what becomes of them and who gets in with ext4, or
// whatever the tests' own directory is on.
func TestACLsAsOnADisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test must become another user: run it as root")
	}
	plain := t.TempDir()
	must(t, os.Chmod(filepath.Dir(plain), 0o755))
	if err := unix.Setxattr(plain, accessList, acl("u::7 u:1002:5 g::5 m::5 o::5"), 0); err != nil {
		t.Fatalf("the disk of the tests keeps no lists: %v", err)
	}
	must(t, unix.Removexattr(plain, accessList))
	must(t, os.Chmod(plain, 0o755))
	d, _ := startVolume(t)
	for _, umask := range []int{0o022, 0, 0o077} {
		t.Run(fmt.Sprintf("umask %o", umask), func(t *testing.T) {
			name := fmt.Sprintf("/u%o", umask)
			compareACLs(t, d.mountpoint+name, plain+name, umask)
		})
	}
}

func compareACLs(t *testing.T, dir, plain string, umask int) {
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Mkdir(plain, 0o755))
	defer unix.Umask(unix.Umask(umask))
	for _, s := range aclSteps {
		want := s.by.do(func() error { return s.do(plain) })
		got := s.by.do(func() error { return s.do(dir) })
		if a, b := strings.ReplaceAll(fmt.Sprint(got), dir, ""), strings.ReplaceAll(fmt.Sprint(want), plain, ""); a != b {
			t.Errorf("%s: %s, on a disk %s", s.name, a, b)
		}
		if a, b := rights(t, dir), rights(t, plain); a != b {
			t.Fatalf("%s:\n%s\non a disk\n%s", s.name, a, b)
		}
	}
}

// TestCopyWithACLs has cp and rsync copy lists into a mount for everybody, and into one
// for its user alone.
func TestCopyWithACLs(t *testing.T) {
	from := t.TempDir()
	must(t, os.Mkdir(from+"/d", 0o755))
	must(t, os.WriteFile(from+"/d/f", []byte("x"), 0o644))
	if err := unix.Setxattr(from+"/d/f", accessList, acl("u::6 u:1002:6 g::4 m::6 o::4"), 0); err != nil {
		t.Fatalf("the disk of the tests keeps no lists: %v", err)
	}
	must(t, os.WriteFile(from+"/read-only", []byte("x"), 0o444))
	must(t, unix.Setxattr(from+"/d", defaultList, acl("u::7 g::5 g:1005:7 m::7 o::0"), 0))
	for _, kind := range []string{"for all", "private"} {
		t.Run(kind, func(t *testing.T) {
			d, _ := startVolume(t, kind)
			for i, copying := range [][]string{{"cp", "-a"}, {"rsync", "-aA"}} {
				to := fmt.Sprintf("%s/%d", d.mountpoint, i)
				must(t, os.Mkdir(to, 0o755))
				if out, err := exec.Command(copying[0], append(copying[1:], from+"/d", to)...).CombinedOutput(); err != nil {
					t.Errorf("%v: %v: %s", copying, err, out)
				}
				if got, want := rights(t, to+"/d"), rights(t, from+"/d"); got != want {
					t.Errorf("%v:\n%s\non the disk\n%s", copying, got, want)
				}
			}
			// A program that asks for the mode alone sees it at once, too.
			script := "cp -p $0/read-only $1; stat -c %a $1; rm -f $1; install -m 640 $0/read-only $1; stat -c %a $1"
			out, err := exec.Command("sh", "-c", script, from, d.mountpoint+"/copied").CombinedOutput()
			if err != nil || string(out) != "444\n640\n" {
				t.Errorf("modes: %v: %s", err, out)
			}
		})
	}
}
