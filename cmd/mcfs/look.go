package main

import (
	"github.com/spf13/cobra"

	"mcfs/internal/watchdog"
)

// lookName is the hidden command of the process that looks into a mount for the daemon.
const lookName = "look"

// lookCommand is how this program is started to look into a mount.
func lookCommand(mountpoint string) []string {
	return []string{thisProgram(), lookName, "--", mountpoint}
}

func newLook(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:    lookName + " MOUNTPOINT",
		Short:  "Tell the daemon of a mount whether it answers",
		Hidden: true,
		Args:   exactly(1, "MOUNTPOINT"),
		RunE:   func(_ *cobra.Command, args []string) error { return watchdog.Look(args[0], std.in, std.out) },
	}
}
