package main

import (
	"fmt"
	"path"

	"github.com/spf13/pflag"

	"mcfs/internal/verdict"
)

// defaultParallel is how many jobs of a batch are made and followed at once, mostParallel how many
// may be.
const (
	defaultParallel = 4
	mostParallel    = 64
)

// many reports whether each file has a job of its own.
func (f *jobFlags) many() bool { return f.recursive || f.filesFrom != "" }

// checkBatch refuses flags about many files that do not go together.
func (f *jobFlags) checkBatch(given *pflag.FlagSet) error {
	switch {
	case f.zero && f.filesFrom == "":
		return usageError{verdict.Errorf(verdict.Usage, "give --files-from, or leave it out", "-0 goes with --files-from")}
	case len(f.match) > 0 && !f.recursive:
		return usageError{verdict.Errorf(verdict.Usage, "give --recursive, or leave it out", "--match goes with --recursive")}
	case given.Changed("jobs") && !f.many():
		return usageError{verdict.Errorf(verdict.Usage, "give one of them, or leave it out", "-j goes with --recursive or --files-from")}
	case f.parallel < 1 || f.parallel > mostParallel:
		return usageError{verdict.Errorf(verdict.Usage, fmt.Sprintf("give 1 to %d", mostParallel), "-j %d", f.parallel)}
	case f.filesFrom == "-" && f.spec.Template == "-":
		return usageError{verdict.Errorf(verdict.Usage, "put one of them into a file", "--template and --files-from cannot both be standard input")}
	}
	return checkMatch(f.match)
}

// checkMatch refuses patterns that match nothing.
func checkMatch(match []string) error {
	for _, pattern := range match {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return usageError{verdict.Errorf(verdict.Usage, "give a pattern like '*.mov'", "--match %q", pattern)}
		}
	}
	return nil
}
