package main

import (
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mcfs/internal/manual"
)

// newMan is what installs the manual pages. Its own help is for those who do that.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages of all commands",
		Long:   "Writes a manual page for each command into DIR, which is made if it is not there.",
		Args:   exactly(1, "DIR"),
		Hidden: true,
		RunE:   func(c *cobra.Command, args []string) error { return manual.Write(args[0], manualPages(c.Root())) },
	}
}

// manualPages are those of all commands that a user sees.
func manualPages(root *cobra.Command) []manual.Page {
	m := manual.Manual{Date: buildDate(), Version: "mcfs " + thisBuild().Version, Long: withoutExits}
	m.Exits = func(c *cobra.Command) (list []manual.Exit) {
		mine := exitsOf(c)
		for _, e := range exits {
			if slices.Contains(mine, e.status) {
				list = append(list, manual.Exit{Status: e.status, Meaning: e.meaning})
			}
		}
		return list
	}
	return m.Pages(root)
}

// withoutExits is the help of a command before its statuses were added.
func withoutExits(c *cobra.Command) string {
	text, _, _ := strings.Cut(c.Long, exitsHeading)
	return text
}

// buildDate is the day of the revision that was built, else the one that SOURCE_DATE_EPOCH says,
// else today.
func buildDate() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at.UTC().Format(time.DateOnly)
			}
		}
	}
	if n, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(n, 0).UTC().Format(time.DateOnly)
	}
	return time.Now().UTC().Format(time.DateOnly)
}
