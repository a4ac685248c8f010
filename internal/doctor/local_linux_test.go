package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	mountfs "mcfs/fs"
)

// sound is a machine on which all is well.
func sound(t *testing.T) Host {
	t.Helper()
	dir := t.TempDir()
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	at("block/dm-1/dm/uuid", "CRYPT-PLAIN-swap\n")
	at("block/zram0/backing_dev", "none\n")
	spool := filepath.Join(dir, "spool")
	if err := os.Mkdir(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	return Host{
		platform: platform{
			Device: at("fuse", ""), FuseConf: at("fuse.conf", "mount_max = 5\n user_allow_other \n"), Helper: func() error { return nil },
			Swaps: at("swaps", swapHead+"/dev/dm-1 partition 1 0 -2\n/dev/zram0\tpartition\t1\t0\t-2\n"), Blocks: filepath.Join(dir, "block"),
			detachCommand: "fusermount3 -uz",
		},
		EUID: os.Geteuid(), AllowOther: true, Source: "mcfs#b", Spool: spool, SpoolSize: 20 << 30, Least: 1 << 20,
		Mounts: func() map[string]mountfs.Mounted {
			return map[string]mountfs.Mounted{"/mnt/a": {Source: "mcfs#a"}, "/mnt/my b": {Source: "mcfs#b"}}
		},
		Dead:      func(string) bool { return false },
		Detach:    func(string) error { return nil },
		Disk:      func(string) (Disk, error) { return Disk{Free: 1 << 40, Kind: unix.EXT4_SUPER_MAGIC}, nil },
		FileLimit: func() (uint64, error) { return 1 << 19, nil },
	}
}

const swapHead = "Filename Type Size Used Priority\n"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLocalFaults: each fault of the machine is one line, with its cure, and there is no other.
func TestLocalFaults(t *testing.T) {
	if amiss, r := examine(t, Local(sound(t)), Options{}); len(amiss) > 0 || r.Count[OK] != 9 {
		t.Fatalf("nothing is amiss: %+v %v", amiss, r)
	}
	for name, c := range map[string]struct {
		spoil   func(t *testing.T, h *Host)
		check   string
		verdict Verdict
		what    string
		cure    string
	}{
		"no device":        {func(_ *testing.T, h *Host) { h.Device += "-no" }, "FUSE device", Fail, "does not exist", "modprobe fuse"},
		"device shut":      {func(_ *testing.T, h *Host) { h.Device = filepath.Dir(h.Device) }, "FUSE device", Fail, "is a directory", "chmod 666"},
		"no helper":        {func(_ *testing.T, h *Host) { h.Helper, h.EUID, h.Spool = unfound, 1000, "" }, "fusermount3", Fail, "not installed", "install the package fuse3"},
		"allow_other":      {func(t *testing.T, h *Host) { h.EUID, h.Spool = 1000, ""; write(t, h.FuseConf, "#user_allow_other\n") }, "user_allow_other", Fail, "does not allow it", "echo user_allow_other"},
		"no fuse.conf":     {func(_ *testing.T, h *Host) { h.EUID, h.Spool, h.FuseConf = 1000, "", "/none" }, "user_allow_other", Fail, "/none", "echo user_allow_other"},
		"swap in clear":    {func(t *testing.T, h *Host) { write(t, h.Swaps, swapHead+"/swapfile file 1 0 -2\n") }, "swap", Warn, "/swapfile is swap in clear", "swapoff"},
		"zram with a disk": {func(t *testing.T, h *Host) { write(t, filepath.Join(h.Blocks, "zram0/backing_dev"), "/dev/vda2\n") }, "swap", Warn, "/dev/zram0", "swapoff"},
		"dead mount": {func(_ *testing.T, h *Host) { h.Dead = func(at string) bool { return at == "/mnt/my b" } }, "dead mounts", Fail,
			"/mnt/my b has ended", "fusermount3 -uz '/mnt/my b'"},
		"another's dead mount": {func(_ *testing.T, h *Host) { h.Dead = func(at string) bool { return at == "/mnt/a" } }, "dead mounts", Warn,
			"/mnt/a has ended", "fusermount3 -uz /mnt/a"},
		"few files":       {func(_ *testing.T, h *Host) { h.FileLimit = func() (uint64, error) { return 1024, nil } }, "file limit", Warn, "1024", "LimitNOFILE"},
		"spool loose":     {func(t *testing.T, h *Host) { must(t, os.Chmod(h.Spool, 0o755)) }, "spool", Fail, "0755", "chmod go-rwx"},
		"spool a file":    {func(t *testing.T, h *Host) { h.Spool += "-file"; write(t, h.Spool, "") }, "spool", Fail, "is a", "move it away"},
		"another's spool": {func(_ *testing.T, h *Host) { h.EUID = 4711 }, "spool", Fail, "belongs to user", "chown -R 4711"},
		"spool nowhere":   {func(_ *testing.T, h *Host) { h.Spool = h.Device + "/spool" }, "spool", Fail, "not a directory", "spool.dir"},
		"spool in memory": {func(_ *testing.T, h *Host) { h.Disk = disk(1<<40, unix.TMPFS_MAGIC) }, "spool's disk", Warn, "in memory", "local disk"},
		"spool elsewhere": {func(_ *testing.T, h *Host) { h.Disk = disk(1<<40, unix.NFS_SUPER_MAGIC) }, "spool's disk", Warn, "on a network", "local disk"},
		"little space":    {func(_ *testing.T, h *Host) { h.Disk = disk(5<<30, unix.EXT4_SUPER_MAGIC) }, "spool's space", Warn, "5.0 GiB are free", "spool.max_size"},
		"no space":        {func(_ *testing.T, h *Host) { h.Disk = disk(1<<10, unix.EXT4_SUPER_MAGIC) }, "spool's space", Fail, "a save needs", "free some"},
	} {
		t.Run(name, func(t *testing.T) {
			h := sound(t)
			c.spoil(t, &h)
			amiss, _ := examine(t, Local(h), Options{})
			if len(amiss) != 1 {
				t.Fatalf("%d lines: %+v", len(amiss), amiss)
			}
			f := amiss[0]
			if f.Check != c.check || f.Verdict != c.verdict || !strings.Contains(f.What, c.what) || !strings.Contains(f.Cure, c.cure) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func unfound() error { return errors.New("not found") }

func disk(free, kind int64) func(string) (Disk, error) {
	return func(string) (Disk, error) { return Disk{Free: free, Kind: kind}, nil }
}

// TestFix: what can be mended here is, and is looked at again.
func TestFix(t *testing.T) {
	h := sound(t)
	must(t, os.Chmod(h.Spool, 0o777))
	dead := map[string]bool{"/mnt/my b": true}
	h.Dead = func(at string) bool { return dead[at] }
	h.Detach = func(at string) error { delete(dead, at); return nil }
	amiss, r := examine(t, Local(h), Options{Fix: true})
	if len(amiss) != 2 || !amiss[0].Fixed || !amiss[1].Fixed || r.Count[OK] != 9 {
		t.Errorf("%+v, %v", amiss, r)
	}
	if info, err := os.Stat(h.Spool); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the spool: %v, %v", info.Mode(), err)
	}
	h = sound(t)
	h.Dead, h.Detach = func(string) bool { return true }, func(string) error { return errors.New("busy") }
	if amiss, _ := examine(t, Local(h), Options{Fix: true}); len(amiss) != 1 || amiss[0].Fixed || !strings.Contains(amiss[0].What, "could not be mended: busy") {
		t.Errorf("%+v", amiss)
	}
}

// TestThisHost: the checks look at this machine, and end.
func TestThisHost(t *testing.T) {
	h := ThisHost()
	h.Spool = filepath.Join(t.TempDir(), "none", "yet")
	n := 0
	Examine(t.Context(), Local(h), Options{}, func(f Finding) {
		n++
		if f.What == "" || f.Check == "FUSE device" && f.Verdict != OK || f.Check == "spool" && f.Verdict != OK {
			t.Errorf("%+v", f)
		}
	})
	if n != 9 {
		t.Errorf("%d lines", n)
	}
}

// TestExamine: what needs a check that has failed is not asked, nor what needs that; a check that
// hangs ends with its deadline, and an interrupt ends the examination without blaming a check.
func TestExamine(t *testing.T) {
	good := func(context.Context) Finding { return ok("good") }
	hang := func(ctx context.Context) Finding { <-ctx.Done(); return fail("wait", "%v", context.Cause(ctx)) }
	list := []Check{
		{Name: "a", Run: hang}, {Name: "b", Needs: []string{"a"}, Run: good}, {Name: "c", Needs: []string{"b"}, Run: good},
		{Name: "d", Run: good}, {Name: "e", Needs: []string{"d"}, Run: good},
	}
	amiss, r := examine(t, list, Options{Deadline: time.Millisecond})
	if len(amiss) != 1 || amiss[0].Check != "a" || amiss[0].What != "no answer in time" || r.Count[OK] != 2 || strings.Join(r.NotAsked, "") != "bc" {
		t.Errorf("%+v, %+v", amiss, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var told []Finding
	r = Examine(ctx, []Check{{Name: "d", Run: good}, {Name: "x", Run: func(ctx context.Context) Finding { cancel(); return hang(ctx) }}, {Name: "e", Run: good}},
		Options{}, func(f Finding) { told = append(told, f) })
	if len(told) != 1 || told[0].Check != "d" || len(r.NotAsked) > 0 {
		t.Errorf("%+v, %+v", told, r)
	}
}
