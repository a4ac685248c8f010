package main

import (
	"context"
	_ "embed"

	"github.com/spf13/cobra"

	"mcfs/internal/quarantine"
	"mcfs/internal/verdict"
)

//go:embed help/quarantine.txt
var quarantineHelp string

//go:embed help/quarantine_list.txt
var quarantineListHelp string

//go:embed help/restore.txt
var restoreHelp string

//go:embed help/export.txt
var exportHelp string

//go:embed help/remove.txt
var removeHelp string

func newQuarantine(std stdio) *cobra.Command {
	c := &cobra.Command{
		Use:   "quarantine",
		Short: "List, restore, export and remove what was set aside",
		Long:  quarantineHelp,
		Args: func(c *cobra.Command, args []string) error {
			if err := unknownCommand(c, args); err != nil {
				return err
			}
			return usageError{verdict.Errorf(verdict.Usage, "see `mcfs help quarantine`", "list, restore, export or remove is missing")}
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	c.AddCommand(newQuarantineList(std), newQuarantineRestore(std), newQuarantineExport(std), newQuarantineRemove(std))
	return c
}

// quarantineFlags are the flags that all of these commands have.
type quarantineFlags struct {
	config string
	json   bool
}

// run adds the flags to a command, and has it do something.
func (f *quarantineFlags) run(c *cobra.Command, std stdio, do func(ctx context.Context, q quarantine.Command, args []string) error) *cobra.Command {
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE`, which names the spool")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		return interruptible(c.Context(), func(ctx context.Context) error {
			conf, err := loadConfig(f.config)
			if err != nil {
				return err
			}
			return do(ctx, quarantine.Command{Config: conf, JSON: f.json, In: std.in, Out: std.out, Err: std.err}, args)
		})
	}
	return c
}

func newQuarantineList(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Show what lies in quarantine", Long: quarantineListHelp, Args: exactly(0, "")}
	return new(quarantineFlags).run(c, std, func(ctx context.Context, q quarantine.Command, _ []string) error { return q.List(ctx) })
}

func newQuarantineRestore(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "restore ID", Short: "Bring a file back into its mount", Long: restoreHelp, Args: exactly(1, "ID")}
	dry := dryRunFlag(c)
	return endsWith(new(quarantineFlags).run(c, std, func(ctx context.Context, q quarantine.Command, args []string) error {
		return q.Restore(ctx, args[0], *dry)
	}), exitSome, exitDamage)
}

func newQuarantineExport(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "export ID DEST", Short: "Decrypt what can be read of a file", Long: exportHelp, Args: exactly(2, "ID or DEST")}
	dry := dryRunFlag(c)
	return endsWith(new(quarantineFlags).run(c, std, func(ctx context.Context, q quarantine.Command, args []string) error {
		return q.Export(ctx, args[0], args[1], *dry)
	}), exitSome, exitDamage)
}

func newQuarantineRemove(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "remove ID", Short: "Delete one for good", Long: removeHelp, Args: exactly(1, "ID")}
	dry, yes := dryRunFlag(c), c.Flags().BoolP("yes", "y", false, "do not ask")
	return new(quarantineFlags).run(c, std, func(_ context.Context, q quarantine.Command, args []string) error {
		return q.Remove(args[0], *yes, *dry)
	})
}

// dryRunFlag adds the flag --dry-run.
func dryRunFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("dry-run", false, "say what would be done, and change nothing")
}
