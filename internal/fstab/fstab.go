package fstab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mcfs/config"
)

// Source returns the configuration file that a source names, as "mcfs#FILE" or "FILE".
// It is "" for "mcfs" and "none", which stand for the default one.
func Source(src string) string {
	if _, file, ok := strings.Cut(src, "#"); ok {
		src = file
	}
	switch src {
	case "", "mcfs", "none":
		return ""
	}
	return src
}

// Options are what stands after -o.
type Options struct {
	Kernel     []string // passed on
	AllowOther bool
	ReadOnly   bool
	Config     string
	LogFile    string
	UID, GID   *uint32
	Sidecars   config.Sidecars // "": as the configuration says
}

// ignored are options of fstab for mount(8) and systemd, and those that change nothing
// here.
var ignored = []string{
	"defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "_netdev", "async",
	"dev", "suid", "exec", "atime", "relatime", "norelatime", "strictatime", "nostrictatime", "diratime", "lazytime", "nolazytime",
	"noatime", "nodiratime",
}

// ofKernel are options that the kernel knows for every FUSE mount.
var ofKernel = []string{"nodev", "nosuid", "noexec", "default_permissions"}

// Parse reads a list like "allow_other,uid=1000,_netdev".
func Parse(list []string) (o Options, err error) {
	for _, option := range list {
		name, value, _ := strings.Cut(option, "=")
		switch {
		case option == "", slices.Contains(ignored, option), strings.HasPrefix(option, "x-"), name == "comment":
		case slices.Contains(ofKernel, option):
			o.Kernel = append(o.Kernel, option)
		case option == "allow_other":
			o.AllowOther = true
		case name == "config" && value != "":
			o.Config = value
		case name == "log_file" && value != "":
			o.LogFile = value
		case name == "uid":
			o.UID, err = parseID(option, value)
		case name == "gid":
			o.GID, err = parseID(option, value)
		case name == "sidecars":
			o.Sidecars, err = parseSidecars(option, value)
		case option == "ro":
			o.ReadOnly = true
		case option == "rw":
			o.ReadOnly = false
		default:
			err = fmt.Errorf("unknown mount option %q: mcfs knows config=FILE, log_file=FILE, uid=N, gid=N, sidecars=hidden, allow_other, ro, %s, and what mount(8) itself uses", option, strings.Join(ofKernel, ", "))
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

func parseID(option, value string) (*uint32, error) {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n == 1<<32-1 {
		return nil, fmt.Errorf("option %s: give a number, as `id` prints it", option)
	}
	id := uint32(n)
	return &id, nil
}

func parseSidecars(option, value string) (config.Sidecars, error) {
	switch s := config.Sidecars(value); s {
	case config.SidecarsListed, config.SidecarsHidden:
		return s, nil
	}
	return "", fmt.Errorf("option %s: sidecars are %q or %q", option, config.SidecarsListed, config.SidecarsHidden)
}
