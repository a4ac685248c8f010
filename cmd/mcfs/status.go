package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/status"
)

const statusHelp = `Shows what is not finished, what went wrong, and what was set aside: in the mount
that PATH lies in, at and under PATH; without PATH in all mounts of this user (for
root: of all users), or with --config in the mount of that configuration alone.
What the configuration names and is not mounted is shown from its spool, without
changing anything there. Nothing is asked of the store, so that it answers when
the store does not.

  writing      open; not safe before its close (or an fsync), if it says so
  queued       closed, waiting for its turn or the next try, which it names
  uploading    bytes sent, rate, time left
  publishing   only the last requests are missing
  interrupted  its writer was killed or cut off, or a write to it failed: save it
               again, or commit it as it is with mcfs sync PATH
  temporary    under a name that looks temporary: uploaded under it at the time shown,
               unless it is renamed before, and at once by mcfs sync PATH; if it is larger
               than the spool, not before it is renamed to the name that is shown
  local-only   under a name that nobody means, or of mount.local_only: on this machine
               alone until it is renamed
  lost         cannot be committed; its bytes are in quarantine
  unopened     a draft that only its sealed file knows of, and whose key cannot be had
  conflict     set aside, since another machine had saved the name
  quarantine   kept, and why; see mcfs help quarantine
  cache        what the spool takes on the disk, and its limit

and changes of names and attributes (rename, remove, mkdir, rmdir, attr, ...).

--watch shows it every second until interrupted, in place with bars on a
terminal, and else a line for each change.

--json prints one document, with --watch one a line whenever something changed:
  {"version": 1, "at": TIME, "mounts": [{
    "mountpoint", "volume", "config", "spool",
    "state": "mounted" | "ending" | "not mounted" | "dead" | "silent" | "in use",
    "note": what to do, if anything,
    "drafts": [{"path", "state", "size", "sent", "rate", "left", "closed",
      "overdue", "claims", "safe", "dropped", "told", "behind", "failure"}],
    "changes": [{"what", "path", "to", "behind", "failure"}],
    "conflicts": [{"path", "aside", "at", "there"}],
    "quarantine": [{"id", "path", "file", "bytes", "size", "at", "why"}],
    "unopened": [{"id", "cause"}],
    "cache": {"used", "drafts", "limit"}, "committed_bytes"}]}
Sizes are bytes, "left" is seconds, "rate" bytes per second, times RFC 3339.
"failure" is {"cause", "tries", "since", "next"}; without "next" it is being
tried. "behind" is {"what", "path", "to"} of what has its turn before; "what" is a
change's, or "commit". What does not apply is left out. Names may be added, and none changes.

A draft that was sealed under another keyring or KMS key than the mount's waits for
a mount with that one, and says so; nothing is lost by it.

The exit status is 1 if a daemon does not answer. A signal is the end of --watch, whose
exit status is then 0.`

// statusFlags are the flags of `mcfs status`.
type statusFlags struct {
	config      string
	json, watch bool
}

func newStatus(std stdio) *cobra.Command {
	var f statusFlags
	c := &cobra.Command{
		Use:   "status [PATH]",
		Short: "Show drafts, uploads, failures and the cache",
		Long:  statusHelp,
		Example: `  mcfs status
  mcfs status ~/ingest/day1 --watch
  mcfs status --json | jq '.mounts[].drafts[]? | select(.failure) | .path'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("unexpected argument %q: mcfs status [PATH]", args[1])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			s := status.Survey{Named: f.config != "", Load: func() (config.Config, error) { return loadConfig(f.config) }}
			if len(args) > 0 {
				s.Path = args[0]
			}
			return interruptible(c.Context(), func(ctx context.Context) error {
				if f.watch {
					return status.Watch(ctx, s, std.out, f.json)
				}
				return status.Print(ctx, s, std.out, f.json)
			})
		},
	}
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE`, whose mount alone is shown")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVarP(&f.watch, "watch", "w", false, "go on showing it")
	return c
}
