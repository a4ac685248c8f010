package fstab

import (
	"slices"
	"strings"
	"testing"

	"mcfs/config"
	"mcfs/internal/human"
)

func TestParseOptions(t *testing.T) {
	o, err := Parse([]string{"rw", "nodev", "uid=7", "gid=8", "allow_other", "config=/etc/a.toml", "log_file=/b", "x-any=1", "comment=c", "", "ro", "sidecars=hidden"})
	if err != nil || *o.UID != 7 || *o.GID != 8 || !o.AllowOther || !o.ReadOnly || o.Sidecars != config.SidecarsHidden || o.Config != "/etc/a.toml" || o.LogFile != "/b" || !slices.Equal(o.Kernel, []string{"nodev"}) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{"uid=", "uid=-1", "gid=4294967295", "config=", "config", "log_file=", "ro=1", "speed", "allow_other=1", "uid", "sidecars", "sidecars=", "sidecars=off"} {
		if _, err := Parse([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// What passes goes to the kernel or to mcfs, never unknown words to the kernel.
func FuzzParseOptions(f *testing.F) {
	f.Add("rw,nosuid,uid=1000,_netdev")
	f.Add("sidecars=hidden,sidecars=listed")
	f.Add("config=/etc/mcfs.toml,allow_other,x-systemd.automount")
	f.Fuzz(func(t *testing.T, list string) {
		o, err := Parse(strings.Split(list, ","))
		if err != nil {
			if strings.Contains(human.OneLine(err), "\n") {
				t.Errorf("%q: more than a line", err)
			}
			return
		}
		for _, k := range o.Kernel {
			if !slices.Contains(ofKernel, k) {
				t.Errorf("%q goes to the kernel", k)
			}
		}
	})
}
