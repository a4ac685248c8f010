package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

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

// version and revision are what a package was made of, said by -ldflags -X. Where nothing is said, they
// are what go build has found in git.
var version, revision string

// unclean is what a revision ends with where files differed from it.
const unclean = "+changes"

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
	if version != "" {
		b.Version = version
		b.Revision, b.Modified = strings.CutSuffix(revision, unclean)
	}
	return b
}

func (b build) String() string {
	changed := ""
	if b.Modified {
		changed = unclean
	}
	return fmt.Sprintf("mcfs %s, revision %s%s, %s %s", b.Version, cmp.Or(b.Revision, "unknown"), changed, b.Go, b.Platform)
}

func versionLine() string { return thisBuild().String() }
