package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseMount(t *testing.T) {
	for _, c := range []struct {
		line, at string
		uid      int
	}{
		{"36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue", "/mnt", -1},
		{"63 29 0:52 / /mnt rw,nosuid - fuse.mcfs mcfs#ingest rw,user_id=1000,group_id=100", "/mnt", 1000},
		{`63 29 0:52 / /a\040b\134c\043d rw shared:2 master:3 - fuse.mcfs x rw,user_id=0`, `/a b\c#d`, 0},
		{"63 29 0:52 / /mnt rw - fuse.sshfs x rw,user_id=1000", "/mnt", -1},
		{"", "", 0}, {"63 29 0:52 /mnt - fuse.mcfs", "", 0}, {" - fuse.mcfs a b", "", 0},
	} {
		at, m := parseMount(c.line)
		if at != c.at || at != "" && m.uid != c.uid {
			t.Errorf("%q: %q, %d; want %q, %d", c.line, at, m.uid, c.at, c.uid)
		}
	}
}

func FuzzParseMount(f *testing.F) {
	f.Add("36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue")
	f.Add(`63 29 0:52 / /a\040b rw shared:2 - fuse.mcfs mcfs#x rw,user_id=1000,group_id=100`)
	f.Fuzz(func(t *testing.T, line string) {
		at, m := parseMount(line)
		if at != "" && m.uid >= 0 && !strings.Contains(line, "fuse.mcfs") {
			t.Errorf("%q taken for a mount of mcfs", line)
		}
	})
}

func TestParseOptions(t *testing.T) {
	o, err := parseOptions([]string{"rw", "nodev", "uid=7", "gid=8", "allow_other", "config=/etc/a.toml", "log_file=/b", "x-any=1", "comment=c", ""})
	if err != nil || *o.uid != 7 || *o.gid != 8 || !o.allowOther || o.config != "/etc/a.toml" || o.logFile != "/b" || !slices.Equal(o.kernel, []string{"nodev"}) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{"uid=", "uid=-1", "gid=4294967295", "config=", "config", "log_file=", "ro", "speed", "allow_other=1", "uid"} {
		if _, err := parseOptions([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// What passes goes to the kernel or to mcfs, never unknown words to the kernel.
func FuzzParseOptions(f *testing.F) {
	f.Add("rw,nosuid,uid=1000,_netdev")
	f.Add("config=/etc/mcfs.toml,allow_other,x-systemd.automount")
	f.Fuzz(func(t *testing.T, list string) {
		o, err := parseOptions(strings.Split(list, ","))
		if err != nil {
			if strings.Contains(oneLine(err), "\n") {
				t.Errorf("%q: more than a line", err)
			}
			return
		}
		for _, k := range o.kernel {
			if !slices.Contains(fstabKernel, k) {
				t.Errorf("%q goes to the kernel", k)
			}
		}
	})
}
