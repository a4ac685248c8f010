package setup

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Boot is how a volume is mounted when the machine starts.
type Boot string

// The ways.
const (
	BootNone  Boot = ""
	BootFstab Boot = "fstab"
	BootUnit  Boot = "unit"
	BootAgent Boot = "agent" // of launchd
)

// Places are where a machine keeps what it does at its start; "" for what it does not know.
type Places struct {
	Fstab  string
	Units  string // folder of the units, of the system or the user
	Agents string // folder of the property lists, of the system or the user
	Logs   string // folder of what agents say
	User   bool   // they are the user's

	Busybox bool // mount(8) is busybox's
}

// Ways are those that a machine has.
func (p Places) Ways() (ways []Boot) {
	for _, w := range []struct {
		place string
		way   Boot
	}{{p.Fstab, BootFstab}, {p.Units, BootUnit}, {p.Agents, BootAgent}} {
		if w.place != "" {
			ways = append(ways, w.way)
		}
	}
	return ways
}

// Named are the ways as words of a sentence.
func (p Places) Named() string {
	var names []string
	for _, w := range p.Ways() {
		names = append(names, string(w))
	}
	return strings.Join(names, " or ")
}

// PlacesOf are those of a system, for root; else of the user whose home and configuration these folders are.
func PlacesOf(system string, root bool, home, configuration string) Places {
	switch {
	case system == "darwin" && root:
		return Places{Agents: "/Library/LaunchDaemons", Logs: "/Library/Logs"}
	case system == "darwin":
		return Places{Agents: filepath.Join(home, "Library/LaunchAgents"), Logs: filepath.Join(home, "Library/Logs"), User: true}
	case root:
		return Places{Fstab: "/etc/fstab", Units: "/etc/systemd/system"}
	}
	return Places{Fstab: "/etc/fstab", Units: filepath.Join(configuration, "systemd/user"), User: true}
}

// fields are what separates those of fstab(5), as it writes them within one.
var fields = strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`, "#", `\043`)

// FstabLine is the line of fstab(5) for a volume. Busybox's mount takes a file for the image of a disk, so
// that there the configuration is an option.
func (p Places) FstabLine(configuration, mountpoint string, uid, gid int) (string, error) {
	source, option := configuration, ""
	if p.Busybox {
		if strings.Contains(configuration, ",") {
			return "", fmt.Errorf("line of fstab: busybox's mount cannot be told of %s, which has a comma: give another --config", configuration)
		}
		source, option = "mcfs", "config="+fields.Replace(configuration)+","
	}
	return fmt.Sprintf("%s  %s  fuse.mcfs  %s_netdev,nofail,uid=%d,gid=%d  0 0", fields.Replace(source), fields.Replace(mountpoint), option, uid, gid), nil
}

// Enable says what is left to do once the file is written.
func (b Boot) Enable(p Places, file string) string {
	switch b {
	case BootFstab:
		return "ln -s the program to /sbin/mount.fuse.mcfs, if that is not done; then: mount -a -t fuse.mcfs"
	case BootUnit:
		scope := ""
		if p.User {
			scope = " --user"
		}
		return fmt.Sprintf("systemctl%s daemon-reload && systemctl%s enable --now %s", scope, scope, filepath.Base(file))
	case BootAgent:
		domain := "system"
		if p.User {
			domain = "gui/$UID"
		}
		return fmt.Sprintf("launchctl bootstrap %s %s", domain, quoted(file))
	}
	return ""
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
