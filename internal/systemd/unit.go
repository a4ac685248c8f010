package systemd

import (
	"fmt"
	"regexp"
	"strings"
)

var unfit = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// UnitName is the name of a mountpoint's unit.
func UnitName(mountpoint string) string {
	return "mcfs-" + strings.Trim(unfit.ReplaceAllString(mountpoint, "-"), "-") + ".service"
}

// word quotes a word of a command line in a unit. In it, % and $ mean something to systemd.
func word(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(text) + `"`
}

// Unit is the unit of systemd for a volume. It is mounted again where its daemon was killed, or has
// ended by an error of its own (Go's status 2); a wrong command ends so, too, and is tried five times.
func Unit(program, configuration, mountpoint string, user bool) string {
	target, after := "multi-user.target", "After=network-online.target\nWants=network-online.target\n"
	if user {
		target, after = "default.target", ""
	}
	return fmt.Sprintf(`[Unit]
Description=mcfs at %s
StartLimitIntervalSec=5min
StartLimitBurst=5
%s
[Service]
Type=notify
Restart=on-abnormal
RestartForceExitStatus=2
RestartSec=5s
ExecStart=%s mount %s --config %s
ExecReload=%s reload %s
ExecStop=%s unmount --wait %s
TimeoutStopSec=10min

[Install]
WantedBy=%s
`, strings.ReplaceAll(mountpoint, "%", "%%"), after, word(program), word(mountpoint), word(configuration), word(program), word(mountpoint), word(program), word(mountpoint), target)
}
