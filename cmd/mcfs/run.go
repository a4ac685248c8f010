package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/verdict"
)

// stdio are the standard streams of a command.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line, args[0] being the program's name, and returns
// the exit status. Nothing below it ends the process.
func run(ctx context.Context, args []string, std stdio) int {
	root := newRoot(std)
	root.SetArgs(commandLine(root, args))
	c, err := root.ExecuteContextC(ctx)
	if err != nil && !errors.As(err, new(told)) {
		tellError(std.err, err, wantsJSON(c, args))
	}
	return statusOf(err)
}

// wantsJSON reports whether a command has the flag --json, also where the line has a mistake
// before it.
func wantsJSON(c *cobra.Command, args []string) bool {
	if c == nil || c.Flags().Lookup("json") == nil {
		return false
	}
	if set, err := c.Flags().GetBool("json"); err == nil && set {
		return true
	}
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
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
		Args:          func(c *cobra.Command, args []string) error { return unknownCommand(c, args) },
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
	root.AddCommand(newMount(std), newUnmount(std), newStatus(std), newEvents(std), newSync(std), newReload(std), newSettings(std), newJob(std), newWatch(std), newEncrypt(std), newDecrypt(std), newVerify(std), newRewrap(std), newPromote(std), newQuarantine(std), newPolicy(std), newDoctor(std), newInit(std), newDemo(std), newMan(), newLook(std), newVersion(std))
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = knownCommand
	}
	root.InitDefaultCompletionCmd()
	documentExits(root)
	return root
}

// unknownCommand refuses the name of a command that there is not, and names the nearest.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	see := "see `mcfs help" + strings.TrimPrefix(c.CommandPath(), "mcfs") + "`"
	near := nearest(c, args[0])
	if near == "" {
		return usageError{verdict.With(fmt.Errorf("unknown command %q: %s", args[0], see), verdict.Usage, see)}
	}
	cure := fmt.Sprintf("did you mean `%s %s`?", c.CommandPath(), near)
	return usageError{verdict.With(fmt.Errorf("unknown command %q: %s", args[0], cure), verdict.Usage, cure)}
}

// knownCommand refuses help about a command that there is not.
func knownCommand(help *cobra.Command, args []string) error {
	at := help.Root()
	for _, name := range args {
		i := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == name || c.HasAlias(name) })
		if i < 0 {
			return unknownCommand(at, []string{name})
		}
		at = at.Commands()[i]
	}
	return nil
}

// nearest is the name of the command below c that a misspelled one most resembles, "" if none does.
func nearest(c *cobra.Command, name string) string {
	names := make(map[string]string)
	for _, below := range c.Commands() {
		for _, n := range append(below.Aliases, below.Name()) {
			if below.IsAvailableCommand() {
				names[n] = below.Name()
			}
		}
	}
	return names[config.Nearest(name, slices.Sorted(maps.Keys(names)))]
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
