package main

import (
	"context"
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

const eventsHelp = `Prints a line of JSON for each thing that happens to the files at and below PATH, a place
in a mount; without PATH in the one mount of this user. It goes on until the mount ends, or
a signal comes.

  commit    a version is in the store, and NAME.settings.json beside it: it is ready
  failure   a commit, or a change of a name, failed; "again" says that it will be tried again
  conflict  another machine had saved the name; "to" is where the one that gave way is kept
  rename    what was in the store at "path" is at "to"
  remove    nothing is in the store at "path" any more
  listening the first line: what happens from now on is told
  missed    there were lines before this one that are lost: look at the files themselves
  ended     the mount has ended

The names, each where it applies:
  {"v": 1, "type", "seq", "time", "mountpoint", "path", "to", "dir": a directory and all in it,
   "size": bytes of plaintext, "etag", "address": of the object, "settings": the path of its
   settings, "iv": as the settings spell it, which names the version, "what": has failed,
   "again", "failure": {"code", "message", "cure"}, "missed": how many}
Paths are those in the volume; names may be added, and none changes.

The mount keeps the last 4096. --since SEQ, the "seq" of an earlier line, also prints what
was since; where that is not known any more, or the mount was another one, a line of the type
"missed" says so, and what is kept follows. A listener that reads too slowly is told the
same, and holds nothing up.

--exec CMD runs CMD by the shell for each of them, one after the other, in place of printing
it. The line is its standard input, and its environment has MCFS_TYPE, MCFS_SEQ, MCFS_PATH,
MCFS_TO, MCFS_SIZE, MCFS_ETAG, MCFS_ADDRESS, MCFS_IV, MCFS_WHAT, MCFS_CODE, MCFS_MESSAGE,
MCFS_CURE; MCFS_FILE, the file in the mount, and MCFS_SETTINGS, its settings there. Of a commit
or rename it also has what these say, unless the file has been saved again since:
MCFS_DECRYPTION_MODE, MCFS_ENCRYPTED_KEY, MCFS_KMS_KEY_REGION. A command that fails is named, and
the others go on.`

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
		return daemonOf(at, table[at]), inside, err
	}
	maps.DeleteFunc(table, func(_ string, m fs.Mounted) bool { return os.Geteuid() != 0 && m.UID != os.Geteuid() })
	places := slices.Sorted(maps.Keys(table))
	switch len(places) {
	case 0:
		return daemon, "", verdict.Errorf(verdict.NotMounted, "mount a volume, or give a path in a mount", "this user has no mount")
	case 1:
		return daemonOf(places[0], table[places[0]]), "", nil
	}
	return daemon, "", usageError{verdict.Errorf(verdict.Usage, "give one of them as PATH", "there are several mounts: %s", strings.Join(places, ", "))}
}
