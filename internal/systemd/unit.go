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

// Unit is the unit of systemd for a volume.
func Unit(program, configuration, mountpoint string, user bool) string {
	return unit{
		description: "mcfs at " + strings.ReplaceAll(mountpoint, "%", "%%"),
		program:     word(program), configuration: word(configuration), mountpoint: word(mountpoint), user: user,
	}.String()
}

// Template is the unit of which a package has one for all volumes of the system, and one for those of
// each user: mcfs@NAME mounts what NAME.toml says. Where, a drop-in may say.
func Template(user bool) string {
	u := unit{
		description: "mcfs, volume %i",
		program:     "/usr/bin/mcfs", configuration: "/etc/mcfs/%i.toml", mountpoint: "${MOUNTPOINT}", user: user,
	}
	at := "/mnt/%i"
	if user {
		u.configuration, at = "%E/mcfs/%i.toml", "%h/%i"
	}
	u.before = "Environment=MOUNTPOINT=" + at + "\nExecStartPre=-mkdir -p ${MOUNTPOINT}\n"
	return u.String()
}

// unit is what units differ in, each as it stands in the file.
type unit struct {
	description, before, program, configuration, mountpoint string
	user                                                    bool
}

// String is the file. It is mounted again where its daemon has not mounted, was killed, or has hung, and not
// where it has ended as it was asked and something is left (status 3). A wrong configuration is tried five times.
func (u unit) String() string {
	target, after := "multi-user.target", "After=network-online.target\nWants=network-online.target\n"
	if u.user {
		target, after = "default.target", ""
	}
	return fmt.Sprintf(`[Unit]
Description=%s
StartLimitIntervalSec=5min
StartLimitBurst=5
%s
[Service]
Type=notify
Restart=on-failure
RestartPreventExitStatus=3
RestartSec=5s
WatchdogSec=3min
%sExecStart=%s mount %s --config %s
ExecReload=%s reload %s
ExecStop=%s unmount --wait %s
TimeoutStopSec=10min
TimeoutAbortSec=30s

[Install]
WantedBy=%s
`, u.description, after, u.before, u.program, u.mountpoint, u.configuration, u.program, u.mountpoint, u.program, u.mountpoint, target)
}
