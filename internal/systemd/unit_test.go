package systemd

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files of deploy/systemd anew")

// TestUnit: the unit names what it mounts as systemd reads it.
func TestUnit(t *testing.T) {
	unit := Unit("/opt/m cfs", "/etc/c.toml", "/mnt/100% $x", false)
	for _, want := range []string{
		`ExecStart="/opt/m cfs" mount "/mnt/100%% $$x" --config "/etc/c.toml"` + "\n", `ExecStop="/opt/m cfs" unmount --wait "/mnt/100%% $$x"` + "\n",
		`ExecReload="/opt/m cfs" reload "/mnt/100%% $$x"` + "\n",
		"Type=notify\n", "Restart=on-failure\n", "RestartPreventExitStatus=3\n", "WatchdogSec=3min\n", "network-online.target\n", "WantedBy=multi-user.target\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("no %q in\n%s", want, unit)
		}
	}
	if unit := Unit("m", "c", "/mnt", true); !strings.Contains(unit, "WantedBy=default.target") || strings.Contains(unit, "network-online") {
		t.Errorf("the user's:\n%s", unit)
	}
	if got := UnitName("/mnt/my films"); got != "mcfs-mnt-my-films.service" {
		t.Error(got)
	}
}

// TestTemplates: the units that packages install are those of the program.
func TestTemplates(t *testing.T) {
	for folder, user := range map[string]bool{"system": false, "user": true} {
		file := filepath.Join("../../deploy/systemd", folder, "mcfs@.service")
		if *update {
			if err := os.WriteFile(file, []byte(Template(user)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != Template(user) {
			t.Errorf("%s is another: go test ./internal/systemd -update writes it anew\n%s", file, Template(user))
		}
	}
}
