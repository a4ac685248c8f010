package gateway

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mcfs/e2e/rig"
)

// TestUnits has systemd read the drop-ins of deploy/samba with the unit that they are for: no word of it is unknown to
// it, and unit, share and drop-ins are about one volume.
func TestUnits(t *testing.T) {
	t.Parallel()
	rig.Need(t, "systemd-analyze")
	dir := t.TempDir()
	for name, from := range map[string]string{
		"mcfs@.service":                    "../../deploy/systemd/system/mcfs@.service",
		"mcfs@ingest.service.d/owner.conf": "../../deploy/samba/mcfs@ingest.service.d/owner.conf",
		"smbd.service.d/mcfs.conf":         "../../deploy/samba/smbd.service.d/mcfs.conf",
		"smbd.service":                     "",
	} {
		text := []byte("[Unit]\nDescription=Stands for the system's\n")
		if name == "smbd.service" {
			text = append(text, "[Service]\nType=notify\nExecStart=/bin/true\n"...)
		}
		if from != "" {
			var err error
			if text, err = os.ReadFile(from); err != nil {
				t.Fatal(err)
			}
		}
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		// systemd asks whether the program is there, which this machine need not have.
		if err := os.WriteFile(at, []byte(strings.ReplaceAll(string(text), "/usr/bin/mcfs", "/bin/true")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	verify := exec.Command("systemd-analyze", "verify", "--man=no", "mcfs@ingest.service", "smbd.service")
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	if out, err := verify.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
	for name, wants := range map[string][]string{
		"mcfs@.service":            {"MOUNTPOINT=/mnt/%i\n"},
		"smbd.service.d/mcfs.conf": {"\nRequires=mcfs@ingest.service\n", "\nAfter=mcfs@ingest.service\n"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
}
