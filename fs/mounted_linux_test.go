package fs

import (
	"maps"
	"strings"
	"testing"
)

const someMounts = `22 26 0:21 / /sys rw,relatime - sysfs sysfs rw
36 35 98:0 /mnt1 /mnt/with\040blank rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue
90 26 0:50 / /mnt/m rw,nosuid - fuse.mcfs mcfs#bucket/p\134q rw,user_id=0
91 26 0:51 / /mnt/m rw - tmpfs tmpfs rw
92 26 0:52 / /mnt/fuse rw - fuse.mcfs mcfs#b\134c rw,user_id=1000,group_id=100
garbage
93 26 0:53 / /mnt/cut rw -
63 29 0:54 / /a\040b\134c\043d rw shared:2 master:3 - fuse.mcfs x rw,user_id=0
64 29 0:55 / /mnt/sshfs rw - fuse.sshfs x rw,user_id=1000
65 29 0:56 / /mnt/nobody rw - fuse.mcfs x rw,user_id=,group_id=0
66 29 0:57 / /mnt/nameless rw - tmpfs  rw
67 29 0:58 / /mnt/no` + "\u00a0" + `break rw - tmpfs x rw
63 29 0:52 /mnt/short - fuse.mcfs
 - fuse.mcfs a b
`

func TestFindMount(t *testing.T) {
	for _, c := range []struct {
		path string
		want Mounted
	}{
		{"/sys", Mounted{"0:21", "sysfs", "sysfs", -1}},
		{"/mnt/with blank", Mounted{"98:0", "ext3", "/dev/root", -1}},
		{"/mnt/m", Mounted{"0:51", "tmpfs", "tmpfs", -1}},
		{"/mnt/fuse", Mounted{"0:52", "fuse.mcfs", `mcfs#b\c`, 1000}},
		{`/a b\c#d`, Mounted{"0:54", "fuse.mcfs", "x", 0}},
		{"/mnt/sshfs", Mounted{"0:55", "fuse.sshfs", "x", -1}},
		{"/mnt/nobody", Mounted{"0:56", "fuse.mcfs", "x", -1}},
		{"/mnt/nameless", Mounted{"0:57", "tmpfs", "", -1}},
		{"/mnt/no\u00a0break", Mounted{"0:58", "tmpfs", "x", -1}},
	} {
		if got, ok := findMount(someMounts, c.path); !ok || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.path, got, ok, c.want)
		}
	}
	for _, path := range []string{"/mnt", "/mnt/with", `/mnt/with\040blank`, "/mnt/cut", "/mnt/short", ""} {
		if got, ok := findMount(someMounts, path); ok {
			t.Errorf("%q: found %+v", path, got)
		}
	}
	if got := unescape(`a\134b\040\011c\x\04`); got != "a\\b \tc\\x\\04" {
		t.Errorf("unescape: %q", got)
	}
}

// TestFindMounts: mounts of mcfs alone, and none that another one covers.
func TestFindMounts(t *testing.T) {
	want := map[string]Mounted{"/mnt/fuse": {"0:52", "fuse.mcfs", `mcfs#b\c`, 1000}, `/a b\c#d`: {"0:54", "fuse.mcfs", "x", 0}}
	if got := findMounts(someMounts); !maps.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestMountAt(t *testing.T) {
	if m, ok := MountAt("/proc"); !ok || m.Kind != "proc" || m.UID != -1 || !strings.Contains(m.Device, ":") {
		t.Errorf("/proc: %+v, %v", m, ok)
	}
	if m, ok := MountAt(t.TempDir()); ok {
		t.Errorf("a directory: %+v", m)
	}
}

func TestCure(t *testing.T) {
	for kind, want := range map[string]string{
		"fuse.mcfs":  `end that mount with mcfs unmount "/mnt/a b"`,
		"fuse.sshfs": `unmount it with fusermount3 -u "/mnt/a b"`,
		"fuse":       `unmount it with fusermount3 -u "/mnt/a b"`,
		"tmpfs":      `unmount it with umount "/mnt/a b"`,
	} {
		if got := (Mounted{Kind: kind}).cure("/mnt/a b"); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
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
		m, at, ok := parseMount(line)
		if ok && (at == "" || m.Kind == "" || m.Device == "") {
			t.Errorf("%q: empty fields in %+v at %q", line, m, at)
		}
		if m.UID < -1 || ok && m.UID >= 0 && m.Kind != kindOurs {
			t.Errorf("%q taken for a mount of mcfs: %+v", line, m)
		}
	})
}
