package main

import (
	"cmp"
	"errors"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/fstab"
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

// applyOptions puts the options over the configuration.
func applyOptions(o fstab.Options, m *mountOptions) {
	m.extra = o.Kernel
	m.config.Mount.AllowOther = m.config.Mount.AllowOther || o.AllowOther
	m.config.Mount.Sidecars = cmp.Or(o.Sidecars, m.config.Mount.Sidecars)
	m.readOnly, m.uid, m.gid = o.ReadOnly, o.UID, o.GID
}

// findHome sets $HOME if it is not set, as for mount(8) at boot and for services of the system. The
// default places depend on it.
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
