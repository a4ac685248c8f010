package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/setaside"
	"mcfs/internal/status"
	"mcfs/internal/verdict"
	"mcfs/spool"
)

//go:embed help/quarantine.txt
var quarantineHelp string

//go:embed help/quarantine_list.txt
var quarantineListHelp string

//go:embed help/restore.txt
var restoreHelp string

//go:embed help/export.txt
var exportHelp string

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

// configFlag adds the flag --config, which all of these commands have.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", "", "configuration `FILE`, which names the spool")
}

func newQuarantineList(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Show what lies in quarantine", Long: quarantineListHelp, Args: exactly(0, "")}
	file, asJSON := configFlag(c), c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error { return listQuarantine(c.Context(), *file, *asJSON, std) }
	return c
}

func newQuarantineRestore(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "restore ID", Short: "Bring a file back into its mount", Long: restoreHelp, Args: exactly(1, "ID")}
	file, dry := configFlag(c), dryRunFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return interruptible(c.Context(), func(ctx context.Context) error { return restoreQuarantined(ctx, *file, args[0], *dry, std) })
	}
	return endsWith(c, exitSome, exitDamage)
}

func newQuarantineRemove(std stdio) *cobra.Command {
	c := &cobra.Command{Use: "remove ID", Short: "Delete one for good", Args: exactly(1, "ID"),
		Long: "Deletes what lies in quarantine under ID, after a question. It cannot be brought back."}
	file, dry, yes := configFlag(c), dryRunFlag(c), c.Flags().BoolP("yes", "y", false, "do not ask")
	c.RunE = func(_ *cobra.Command, args []string) error {
		return removeQuarantined(*file, args[0], *yes, *dry, std)
	}
	return c
}

// dryRunFlag adds the flag --dry-run.
func dryRunFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("dry-run", false, "say what would be done, and change nothing")
}

// findQuarantined returns what an id of the command line stands for, and the configuration.
func findQuarantined(file, id string) (config.Config, spool.Quarantined, error) {
	c, err := loadConfig(file)
	if err != nil {
		return c, spool.Quarantined{}, err
	}
	q, err := spool.FindQuarantined(c.Spool.Dir, id)
	if errors.Is(err, spool.ErrNoneSuch) {
		err = verdict.Errorf(verdict.NotInQuarantine, "see `mcfs quarantine list`", "%w", err)
	}
	return c, q, err
}

func listQuarantine(ctx context.Context, file string, asJSON bool, std stdio) error {
	c, err := loadConfig(file)
	if err != nil {
		return err
	}
	list, err := spool.ListQuarantine(c.Spool.Dir)
	if err != nil {
		return err
	}
	setaside.FindPaths(list, func() (spool.Unwrap, error) { return unwrapper(ctx, c) })
	if asJSON {
		return json.NewEncoder(std.out).Encode(struct {
			Version int                 `json:"version"`
			Spool   string              `json:"spool"`
			Items   []spool.Quarantined `json:"items"`
		}{1, c.Spool.Dir, append([]spool.Quarantined{}, list...)})
	}
	if len(list) == 0 {
		fmt.Fprintln(std.out, "nothing is in quarantine")
	}
	for _, q := range list {
		fmt.Fprintln(std.out, setaside.Line(q, time.Now()))
	}
	return nil
}

// restoreQuarantined asks the daemon that has the spool to restore a file.
func restoreQuarantined(ctx context.Context, file, id string, dry bool, std stdio) error {
	c, q, err := findQuarantined(file, id)
	if err != nil {
		return err
	}
	list := fs.Mounts()
	for _, at := range slices.Sorted(maps.Keys(list)) {
		daemon := control.Client{Mountpoint: at, Users: mounts.Users(list[at])}
		r, err := status.Ask(ctx, daemon, "")
		if err != nil || mounts.Real(r.Spool) != mounts.Real(c.Spool.Dir) {
			continue
		}
		if dry {
			fmt.Fprintf(std.out, "%s\nwould be restored into %s\n", setaside.Line(q, time.Now()), human.Quoted(at))
			return nil
		}
		return daemon.Restore(ctx, q.ID, func(text string) { fmt.Fprintln(std.out, human.Printable(text)) })
	}
	return verdict.Errorf(verdict.NotMounted, "mount it first, since its other files tell which names are free", "restore %s: the volume is not mounted, or its daemon does not answer", q.ID)
}

func removeQuarantined(file, id string, yes, dry bool, std stdio) error {
	_, q, err := findQuarantined(file, id)
	if err != nil {
		return err
	}
	if dry {
		fmt.Fprintf(std.out, "%s\nwould be removed\n", setaside.Line(q, time.Now()))
		return nil
	}
	if !yes {
		fmt.Fprintf(std.err, "%s\nDelete it for good? [y/N] ", setaside.Line(q, time.Now()))
		line, err := bufio.NewReader(std.in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the answer: %w", err)
		}
		if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
			return verdict.Errorf(verdict.Unconfirmed, "answer y, or give --yes", "%s is not removed", q.ID)
		}
	}
	if err := q.Remove(); err != nil {
		return err
	}
	fmt.Fprintln(std.out, "removed", q.ID)
	return nil
}
