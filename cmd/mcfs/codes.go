package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
