package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/feed"
	"mcfs/internal/mounts"
	"mcfs/internal/pipeline"
	"mcfs/internal/verdict"
)

//go:embed help/events.txt
var eventsHelp string

// eventsFlags are the flags of `mcfs events`.
type eventsFlags struct {
	since, exec string
	types       []string
	json        bool
}

func newEvents(std stdio) *cobra.Command {
	var f eventsFlags
	c := &cobra.Command{
		Use:   "events [PATH]",
		Short: "Print a line for each commit, failure, conflict and change of a name",
		Long:  eventsHelp,
		Example: `  mcfs events ~/ingest --type commit | jq -r .address
  mcfs events ~/ingest/day1 --exec 'notify-send "$MCFS_TYPE $MCFS_PATH"'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("unexpected argument %q: mcfs events [PATH]", args[1])}
			}
			for _, kind := range f.types {
				if !slices.Contains(feed.Kinds(), kind) {
					return usageError{verdict.Errorf(verdict.Usage, "give "+strings.Join(feed.Kinds(), ", "), "--type %q", kind)}
				}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return runEvents(c.Context(), f, args, std)
		},
	}
	c.Flags().StringVar(&f.since, "since", "", "also what was after the line with this `SEQ`")
	c.Flags().StringSliceVar(&f.types, "type", nil, "only lines of this `TYPE`, and those that are of no file; may be repeated")
	c.Flags().StringVar(&f.exec, "exec", "", "run `CMD` for each, with the line as its input")
	c.Flags().BoolVar(&f.json, "json", false, "print a failure of this command as JSON, too")
	return endsWith(c, exitSome)
}

// runEvents listens until the mount ends, or a signal comes, which is the end in order.
func runEvents(parent context.Context, f eventsFlags, args []string, std stdio) error {
	ctx, stop := untilSignal(parent)
	defer stop()
	daemon, inside, err := listenAt(args)
	if err != nil {
		return err
	}
	p := pipeline.Pipeline{Types: f.types, Command: f.exec, Out: std.out, Err: std.err}
	err = daemon.Events(ctx, inside, f.since, func(line json.RawMessage) error { return p.Take(ctx, line) })
	switch {
	case errors.As(err, new(signalled)):
	case errors.Is(err, control.ErrNoDaemon):
		return verdict.Errorf(verdict.NoDaemon, "mount it again", "the daemon of %s does not answer", daemon.Mountpoint)
	case err != nil:
		return err
	}
	if p.Failed == 0 {
		return nil
	}
	return statusError{verdict.With(fmt.Errorf("%d of %d commands failed", p.Failed, p.Ran), verdict.Some, "see what they said"), exitSome}
}

// listenAt is the daemon of the mount in which PATH lies, and the path in it. It does not look
// into the mount.
func listenAt(args []string) (daemon control.Client, inside string, err error) {
	table := fs.Mounts()
	if len(args) > 0 {
		at, inside, mounted, err := mounts.Locate(args[0], table)
		if err == nil && !mounted {
			err = verdict.Errorf(verdict.NotInMount, "mount it", "%s is not in a mount of mcfs", args[0])
		}
		return mounts.Daemon(at, table[at]), inside, err
	}
	maps.DeleteFunc(table, func(_ string, m fs.Mounted) bool { return os.Geteuid() != 0 && m.UID != os.Geteuid() })
	places := slices.Sorted(maps.Keys(table))
	switch len(places) {
	case 0:
		return daemon, "", verdict.Errorf(verdict.NotMounted, "mount a volume, or give a path in a mount", "this user has no mount")
	case 1:
		return mounts.Daemon(places[0], table[places[0]]), "", nil
	}
	return daemon, "", usageError{verdict.Errorf(verdict.Usage, "give one of them as PATH", "there are several mounts: %s", strings.Join(places, ", "))}
}
