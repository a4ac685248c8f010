package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/verdict"
)

//go:embed help/reload.txt
var reloadHelp string

func newReload(std stdio) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "reload MOUNTPOINT",
		Short:   "Take over what has changed in a mount's configuration",
		Long:    reloadHelp,
		Example: `  mcfs reload ~/ingest`,
		Args:    exactly(1, "MOUNTPOINT"),
		RunE: func(c *cobra.Command, args []string) error {
			return interruptible(c.Context(), func(ctx context.Context) error {
				return reloadTelling(ctx, args[0], asJSON, std)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return endsWith(c, exitSome)
}

// reloadLine is a line of --json.
type reloadLine struct {
	V    int    `json:"v"`
	Type string `json:"type"` // status, and at the end summary
	Path string `json:"path"`
	Text string `json:"text,omitempty"`
	Done *bool  `json:"done,omitempty"` // of the summary: all that has changed is in force
}

func reloadTelling(ctx context.Context, path string, asJSON bool, std stdio) error {
	if !asJSON {
		return reload(ctx, path, func(text string) { fmt.Fprintln(std.err, human.Printable(text)) })
	}
	lines := json.NewEncoder(std.out)
	err := reload(ctx, path, func(text string) { _ = lines.Encode(reloadLine{V: 1, Type: "status", Path: path, Text: text}) })
	done := err == nil
	return errors.Join(err, lines.Encode(reloadLine{V: 1, Type: "summary", Path: path, Done: &done}))
}

// reload asks the daemon of the mount in which a path is.
func reload(ctx context.Context, path string, tell func(string)) error {
	daemon, _, err := mounts.DaemonAt(path)
	if err != nil {
		return err
	}
	err = daemon.Reload(ctx, tell)
	f, told := errors.AsType[control.Failure](err)
	switch {
	case errors.Is(err, control.ErrNoDaemon):
		return verdict.Errorf(verdict.NoDaemon, "mount it again", "reload %s: the daemon of %s does not answer", path, daemon.Mountpoint)
	case told && f.Status == exitSome:
		cure := fmt.Sprintf("mcfs unmount %q, and mount it again", daemon.Mountpoint)
		return statusError{verdict.With(fmt.Errorf("reload %s: %w", path, err), verdict.Some, cure), exitSome}
	case err != nil:
		return fmt.Errorf("reload %s: %w", path, err)
	}
	return nil
}

// reload takes over what has changed in the configuration's file and can change while the mount lasts.
// If the file is wrong, or gives no credentials, nothing is taken over.
func (d *daemon) reload(ctx context.Context, tell func(string)) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	next, err := config.Load(d.o.file)
	if err != nil {
		return err
	}
	if d.backend.Credentials != nil {
		if err := d.backend.Credentials.Renew(ctx, next.Store); err != nil {
			return err
		}
		tell("credentials: read anew")
	}
	d.level.Set(next.Log.Level.Slog())
	d.backend.Pace.Set(next.Upload.Timetable().At)
	var left []string
	for _, c := range d.o.asRead.Compare(next) {
		if !c.Live {
			left = append(left, c.Key)
			continue
		}
		text := fmt.Sprintf("%s: %s, was %s", c.Key, c.New, c.Old)
		if len(next.Watch) > 0 && strings.HasPrefix(c.Key, "store.") {
			text += "; hot folders have that once they are mounted again"
		}
		d.log.Info("configuration", "changed", text)
		tell(text)
	}
	d.o.asRead.TakeLive(next)
	if len(left) > 0 {
		return control.Failure{Text: "this has changed, and is not in force before it is mounted again: " + strings.Join(left, ", "), Status: exitSome}
	}
	return nil
}
