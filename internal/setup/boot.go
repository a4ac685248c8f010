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
)

// Places are where a machine keeps what it does at its start.
type Places struct {
	Fstab string
	Units string // folder of the units, of the system or the user
	User  bool   // they are the user's
}

// fields are what separates those of fstab(5), as it writes them within one.
var fields = strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`, "#", `\043`)

// FstabLine is the line of fstab(5) for a volume.
func FstabLine(configuration, mountpoint string, uid, gid int) string {
	return fmt.Sprintf("%s  %s  fuse.mcfs  _netdev,nofail,uid=%d,gid=%d  0 0", fields.Replace(configuration), fields.Replace(mountpoint), uid, gid)
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
	}
	return ""
}
