package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/paths"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/batch"
)

//go:embed help/sync.txt
var syncHelp string

// syncFlags are the flags of `mcfs sync`.
type syncFlags struct {
	repair, dry, zero, json bool
	filesFrom               string
}

func newSync(std stdio) *cobra.Command {
	var f syncFlags
	c := &cobra.Command{
		Use:   "sync [PATH...]",
		Short: "Wait until everything under PATH is committed",
		Long:  syncHelp,
		Example: `  mcfs sync ~/ingest
  mcfs sync ~/ingest/day1/movie.mp4
  mcfs sync --repair ~/ingest
  mcfs sync --repair --dry-run ~/ingest
  find ~/ingest -newer mark -print0 | mcfs sync -0 --files-from -`,
		RunE: func(c *cobra.Command, args []string) error {
			if f.zero && f.filesFrom == "" {
				return usageError{verdict.Errorf(verdict.Usage, "give --files-from, or leave it out", "-0 goes with --files-from")}
			}
			if f.dry && !f.repair {
				return usageError{verdict.Errorf(verdict.Usage, "give --repair, or leave it out", "--dry-run goes with --repair")}
			}
			if len(args) == 0 && f.filesFrom == "" {
				args = []string{"."}
			}
			return interruptible(c.Context(), func(ctx context.Context) error {
				s := syncing{f: f, std: std}
				return s.run(ctx, paths.Source{Args: args, List: f.filesFrom, Zero: f.zero, In: std.in})
			})
		},
	}
	c.Flags().BoolVar(&f.repair, "repair", false, "put sidecars right that name another place, or have lost metadata")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "with --repair: name the files whose sidecars would be put right, and change nothing")
	c.Flags().StringVar(&f.filesFrom, "files-from", "", "sync each path in `FILE`, too, one a line; - is standard input")
	c.Flags().BoolVarP(&f.zero, "null", "0", false, "with --files-from: paths end with NUL")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return endsWith(c, exitSome)
}

// syncing is `mcfs sync` under way.
type syncing struct {
	f   syncFlags
	std stdio

	count, failed, wrong int
	named                []error // of the command line; those of a list are told at once
}

// syncLine is a line of --json.
type syncLine struct {
	V       int           `json:"v"`
	Type    string        `json:"type"`
	Path    string        `json:"path,omitempty"`
	Text    string        `json:"text,omitempty"`
	Failure *verdict.Line `json:"failure,omitempty"`
	Paths   *int          `json:"paths,omitempty"`
	Failed  *int          `json:"failed,omitempty"`
	Wrong   *int          `json:"wrong,omitempty"` // with --dry-run: sidecars
}

func (s *syncing) line(l syncLine) {
	l.V = 1
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	fmt.Fprintln(s.std.out, string(text))
}

// run syncs each path that a source names. Its error is the exit status.
func (s *syncing) run(ctx context.Context, source paths.Source) error {
	err := batch.Run(ctx, 1, source.Each, func(ctx context.Context, f paths.Found) bool {
		s.done(f.Path, s.one(ctx, f.Path))
		return false
	})
	if s.f.json {
		l := syncLine{Type: "summary", Paths: &s.count, Failed: &s.failed}
		if s.f.dry {
			l.Wrong = &s.wrong
		}
		s.line(l)
	} else if s.f.dry {
		fmt.Fprintln(s.std.err, "sidecars that are not right:", s.wrong)
	}
	switch {
	case errors.Is(err, paths.ErrTooLong):
		err = usageError{err}
	case s.failed > 0 && errors.As(err, new(signalled)):
		err = nil // the path that was waited for says so
	}
	return errors.Join(err, s.outcome())
}

// one syncs a path, or with --dry-run names the files in it whose sidecars are wrong.
func (s *syncing) one(ctx context.Context, path string) error {
	daemon, inside, err := mounts.DaemonAt(path)
	if errors.Is(err, mounts.ErrNotIn) {
		return fmt.Errorf("%w: nothing can be synced until it is mounted", err)
	}
	if err != nil {
		return err
	}
	if s.f.dry {
		err = daemon.WrongSidecars(ctx, inside, func(at string) {
			s.wrong++
			if s.f.json {
				s.line(syncLine{Type: "status", Path: filepath.Join(daemon.Mountpoint, at), Text: "its sidecar would be put again"})
				return
			}
			fmt.Fprintln(s.std.out, human.Printable(filepath.Join(daemon.Mountpoint, at)))
		})
	} else {
		err = daemon.Sync(ctx, inside, s.f.repair, func(text string) { s.tell(path, text) })
	}
	if errors.Is(err, control.ErrNoDaemon) {
		return verdict.Errorf(verdict.NoDaemon, "mount it again, and what is pending goes on", "sync %s: the daemon of %s does not answer", path, daemon.Mountpoint)
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// tell prints what a daemon says while it works.
func (s *syncing) tell(path, text string) {
	if s.f.json {
		s.line(syncLine{Type: "status", Path: path, Text: text})
		return
	}
	fmt.Fprintln(s.std.err, human.Printable(text))
}

// done tells what has become of a path.
func (s *syncing) done(path string, err error) {
	if s.count++; err != nil {
		s.failed++
	}
	switch {
	case err != nil && s.f.filesFrom == "":
		s.named = append(s.named, err)
	case err != nil && !s.f.json:
		tellError(s.std.err, err, false)
	}
	if !s.f.json {
		return
	}
	l := syncLine{Type: "item", Path: path}
	if err != nil {
		failure := lineOfError(err)
		failure.Type = ""
		l.Failure = &failure
	}
	s.line(l)
}

// outcome is the error that is the exit status.
func (s *syncing) outcome() error {
	err := errors.Join(s.named...)
	switch {
	case s.failed == 0:
		return nil
	case s.f.filesFrom != "":
		err = verdict.With(fmt.Errorf("not all is done: %s, %d failed", human.Count(s.count, "path"), s.failed), verdict.Some, "do as the messages say, and run the same command again")
	}
	if s.failed == s.count {
		return err
	}
	return statusError{verdict.With(err, verdict.Some, "do as the messages say, and run the same command again"), exitSome}
}
