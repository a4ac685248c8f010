package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(std stdio) *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print version, revision and Go version",
		Long: `Prints what this binary was built from: the module's version, the revision and
its date as far as the build recorded them, and the Go version and platform.

--json prints one document:
  {"v": 1, "type": "summary", "version", "revision", "modified", "go", "platform"}`,
		Example: "  mcfs version",
		Args:    exactly(0, ""),
	}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(*cobra.Command, []string) error {
		b := thisBuild()
		if *asJSON {
			return json.NewEncoder(std.out).Encode(b)
		}
		_, err := fmt.Fprintln(std.out, b)
		return err
	}
	return c
}

// build is what this binary was built from.
type build struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{V: 1, Type: "summary", Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = cmp.Or(info.Main.Version, b.Version)
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Modified = true
		}
	}
	return b
}

func (b build) String() string {
	changed := ""
	if b.Modified {
		changed = "+changes"
	}
	return fmt.Sprintf("mcfs %s, revision %s%s, %s %s", b.Version, cmp.Or(b.Revision, "unknown"), changed, b.Go, b.Platform)
}

func versionLine() string { return thisBuild().String() }
