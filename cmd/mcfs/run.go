package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/internal/control"
	"mcfs/internal/human"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitSome   = 3 // some items failed
	exitDamage = 4 // integrity

	exitJobError    = 5
	exitJobCanceled = 6
	exitRunning     = 7   // a job still runs
	exitSignal      = 128 // and the signal's number
)

// stdio are the standard streams of a command.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// statusError is an error that ends the program with a status of its own.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

// run executes one command line, args[0] being the program's name, and returns
// the exit status. Nothing below it ends the process.
func run(ctx context.Context, args []string, std stdio) int {
	root := newRoot(std)
	root.SetArgs(commandLine(root, args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if t, ok := errors.AsType[told](err); ok {
		return t.status
	}
	fmt.Fprintln(std.err, "mcfs:", human.OneLine(err))
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	if s, ok := errors.AsType[statusError](err); ok {
		return s.status
	}
	if f, ok := errors.AsType[control.Failure](err); ok && f.Status != 0 {
		return f.Status
	}
	return exitFailed
}

// commandLine turns the calls of mount(8) into `mcfs mount`; others stay as they are.
func commandLine(root *cobra.Command, args []string) []string {
	name, args := filepath.Base(args[0]), args[1:]
	if !calledByMount(root, name, args) {
		return args
	}
	return append([]string{"mount", "--" + helperFlag}, args...)
}

func newRoot(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "mcfs",
		Short: "A mounted directory that encrypts for AWS Elemental MediaConvert",
		Long: `mcfs mounts a directory. Every file saved into it is encrypted under a data key
of its own, in the form that AWS Elemental MediaConvert decrypts, and stored in
S3; beside it appears NAME.settings.json, the settings that a job needs.

Without a configuration everything stays on this machine: objects in a folder,
data keys wrapped by a local keyring. ` + "`mcfs demo`" + ` shows that in a few seconds.`,
		Args:          func(_ *cobra.Command, args []string) error { return unknownCommand(args) },
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w: see `mcfs help%s`", err, strings.TrimPrefix(c.CommandPath(), "mcfs"))}
	})
	root.AddCommand(newMount(std), newUnmount(std), newStatus(std), newSync(std), newSettings(std), newJob(std), newQuarantine(std), newDemo(std), newVersion(std))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

func unknownCommand(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("unknown command %q: see `mcfs help`", args[0])}
}

// exactly returns a check that a command has n arguments. what names those that are missing.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		use := strings.TrimSuffix(c.UseLine(), " [flags]")
		switch {
		case len(args) < n:
			return usageError{fmt.Errorf("%s is missing: %s", what, use)}
		case len(args) > n:
			return usageError{fmt.Errorf("unexpected argument %q: %s", args[n], use)}
		}
		return nil
	}
}
