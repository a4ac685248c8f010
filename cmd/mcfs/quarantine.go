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
	findPaths(ctx, c, list)
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
		fmt.Fprintln(std.out, quarantineLine(q, time.Now()))
	}
	return nil
}

func quarantineLine(q spool.Quarantined, now time.Time) string {
	path, size := "(path unknown)", human.Size(q.Bytes)+" on the disk"
	if q.Path != "" {
		path = human.Quoted(q.Path)
	}
	if q.Size > 0 {
		size = human.Size(q.Size)
	}
	return fmt.Sprintf("%s  %s  %s, since %s: %s", q.ID, path, size, human.Clock(q.At, now), human.Quoted(q.Why))
}

// findPaths fills in the paths of files that an older program has set aside without a note
// of them. They are sealed in the files, so the keeper is asked for their keys; if that
// fails a path stays unknown.
func findPaths(ctx context.Context, c config.Config, list []spool.Quarantined) {
	if !slices.ContainsFunc(list, func(q spool.Quarantined) bool { return q.Path == "" }) {
		return
	}
	unwrap, err := unwrapper(ctx, c)
	if err != nil {
		return
	}
	for i, q := range list {
		if q.Path != "" {
			continue
		}
		if s, err := spool.OpenSalvage(q, unwrap); err == nil {
			list[i].Path, list[i].Size = s.Header.Path, s.Size
			s.Close()
		}
	}
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
			fmt.Fprintf(std.out, "%s\nwould be restored into %s\n", quarantineLine(q, time.Now()), human.Quoted(at))
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
		fmt.Fprintf(std.out, "%s\nwould be removed\n", quarantineLine(q, time.Now()))
		return nil
	}
	if !yes {
		fmt.Fprintf(std.err, "%s\nDelete it for good? [y/N] ", quarantineLine(q, time.Now()))
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
