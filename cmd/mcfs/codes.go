package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mcfs/internal/human"
	"mcfs/internal/verdict"
)

const cureInterrupted = "run the same command again"

// lineOfError puts a failure into the line of --json.
func lineOfError(err error) verdict.Line {
	if errors.As(err, new(usageError)) && !errors.As(err, new(verdict.Failure)) {
		err = verdict.With(err, verdict.Usage, "see mcfs help and the command's name")
	}
	return verdict.LineOf(err)
}

// failsInJSON adds the flag --json to a command that prints no JSON of its own.
func failsInJSON(c *cobra.Command) *cobra.Command {
	c.Flags().Bool("json", false, "print a failure of this command as JSON")
	return c
}

// tellError prints why a command failed: in a line for a person, or in one of --json.
func tellError(w io.Writer, err error, asJSON bool) {
	if !asJSON {
		fmt.Fprintln(w, "mcfs:", human.OneLine(err))
		return
	}
	text, merr := json.Marshal(lineOfError(err))
	if merr != nil {
		panic(merr) // it has only texts
	}
	fmt.Fprintln(w, string(text))
}
