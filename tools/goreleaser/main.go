// Command goreleaser reads .goreleaser.yaml by goreleaser's own types, refuses every field that they do not
// know, and prints what the release takes, as JSON: for a test.
//
//	go run . ../../.goreleaser.yaml
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

// taken is what a release is made of.
type taken struct {
	Hooks   []string `json:"hooks"`
	Files   []string `json:"files"`
	Skipped bool     `json:"skipped"` // goreleaser builds nothing itself
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "goreleaser:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	project, err := config.Load(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if project.Version != 2 {
		return fmt.Errorf("%s: version %d", file, project.Version)
	}
	t := taken{Hooks: []string{}, Files: []string{}, Skipped: len(project.Builds) == 1 && project.Builds[0].Skip == "true" && len(project.Archives) == 0}
	t.Hooks = append(t.Hooks, project.Before.Hooks...)
	for _, f := range project.Release.ExtraFiles {
		t.Files = append(t.Files, f.Glob)
	}
	return json.NewEncoder(os.Stdout).Encode(t)
}
