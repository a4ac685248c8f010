package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/verdict"
)

// helperFlag marks a call by mount(8): `mount.fuse.mcfs SOURCE MOUNTPOINT [-sfnv]
// [-N ns] [-t type] -o OPTIONS`, or by mount.fuse3, which calls `mcfs` with the same.
const helperFlag = "as-mount-helper"

// calledByMount reports whether this is such a call: by the program's name, or by an
// argument that is no command and is followed by a mountpoint and -o.
func calledByMount(root *cobra.Command, name string, args []string) bool {
	if name == "mount.fuse.mcfs" || name == "mount.mcfs" {
		return true
	}
	if len(args) < 4 || strings.HasPrefix(args[0], "-") || !slices.Contains(args[2:], "-o") {
		return false
	}
	return !isCommand(root, args[0])
}

func isCommand(root *cobra.Command, name string) bool {
	switch name {
	case "help", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
		return true
	}
	return slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
}

// fstabSource returns the configuration file that a source names, as "mcfs#FILE" or "FILE".
// It is "" for "mcfs" and "none", which stand for the default one.
func fstabSource(src string) string {
	if _, file, ok := strings.Cut(src, "#"); ok {
		src = file
	}
	switch src {
	case "", "mcfs", "none":
		return ""
	}
	return src
}

// options are what stands after -o.
type options struct {
	kernel     []string // passed on
	allowOther bool
	readOnly   bool
	config     string
	logFile    string
	uid, gid   *uint32
	sidecars   config.Sidecars // "": as the configuration says
}

// fstabIgnored are options of fstab for mount(8) and systemd, and those that change nothing
// here.
var fstabIgnored = []string{
	"defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "_netdev", "async",
	"dev", "suid", "exec", "atime", "relatime", "norelatime", "strictatime", "nostrictatime", "diratime", "lazytime", "nolazytime",
	"noatime", "nodiratime",
}

// fstabKernel are options that the kernel knows for every FUSE mount.
var fstabKernel = []string{"nodev", "nosuid", "noexec", "default_permissions"}

// parseOptions reads a list like "allow_other,uid=1000,_netdev".
func parseOptions(list []string) (o options, err error) {
	for _, option := range list {
		name, value, _ := strings.Cut(option, "=")
		switch {
		case option == "", slices.Contains(fstabIgnored, option), strings.HasPrefix(option, "x-"), name == "comment":
		case slices.Contains(fstabKernel, option):
			o.kernel = append(o.kernel, option)
		case option == "allow_other":
			o.allowOther = true
		case name == "config" && value != "":
			o.config = value
		case name == "log_file" && value != "":
			o.logFile = value
		case name == "uid":
			o.uid, err = parseID(option, value)
		case name == "gid":
			o.gid, err = parseID(option, value)
		case name == "sidecars":
			o.sidecars, err = parseSidecars(option, value)
		case option == "ro":
			o.readOnly = true
		case option == "rw":
			o.readOnly = false
		default:
			err = fmt.Errorf("unknown mount option %q: mcfs knows config=FILE, log_file=FILE, uid=N, gid=N, sidecars=hidden, allow_other, ro, %s, and what mount(8) itself uses", option, strings.Join(fstabKernel, ", "))
		}
		if err != nil {
			return o, usageError{err}
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

// apply puts the options over the configuration.
func (o options) apply(m *mountOptions) {
	m.extra = o.kernel
	m.config.Mount.AllowOther = m.config.Mount.AllowOther || o.allowOther
	m.config.Mount.Sidecars = cmp.Or(o.sidecars, m.config.Mount.Sidecars)
	m.readOnly, m.uid, m.gid = o.readOnly, o.uid, o.gid
}

// findHome sets $HOME if it is not set, as at boot. The default places depend on it.
func findHome() error {
	if os.Getenv("HOME") != "" {
		return nil
	}
	u, err := user.Current()
	if err != nil || u.HomeDir == "" {
		return nil // if the configuration needs it, its error says so
	}
	return os.Setenv("HOME", u.HomeDir)
}

// loadConfig reads the configuration. If the file does not exist, the error tells the cure.
func loadConfig(path string) (config.Config, error) {
	c, err := config.Load(path)
	return c, configError(err)
}

// configError gives an error of the configuration its code and the cure.
func configError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrNotExist) {
		return verdict.Errorf(verdict.Config, "name a file that exists with --config, or unset $"+config.EnvFile, "%w", err)
	}
	return verdict.With(err, verdict.Config, "correct the configuration where the message says, and as it says")
}
