package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/verdict"
)

const syncHelp = `Waits until everything at and under each PATH is in the store: files that are
closed, changes of names and attributes. PATH is in a mount; without one it is
the current directory. While it waits it says what is pending, whenever that changes.

A file whose writer was killed, or to which a write failed, stays as it is until it
is saved again; named here, by its own path or that of a directory above it, it is
committed as it is. The mountpoint itself names none of them. Closed files whose
names look temporary are uploaded under these names. Files that are open for
writing are not waited for, nor those under local-only names, which are named.

With --repair every sidecar at and under PATH is looked at first, and put again where
it names another place than its file's, has lost metadata, or is missing, as after a
copy of a bucket. That takes a request for each file.

What makes no progress for upload.timeout is named, and goes on behind; that PATH
has failed then.`

func newSync(std stdio) *cobra.Command {
	repair := false
	c := &cobra.Command{
		Use:   "sync [PATH...]",
		Short: "Wait until everything under PATH is committed",
		Long:  syncHelp,
		Example: `  mcfs sync ~/ingest
  mcfs sync ~/ingest/day1/movie.mp4
  mcfs sync --repair ~/ingest`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			return interruptible(c.Context(), func(ctx context.Context) error {
				var errs []error
				for _, path := range args {
					errs = append(errs, syncPath(ctx, path, repair, func(text string) { fmt.Fprintln(std.err, human.Printable(text)) }))
				}
				return someOf(errs)
			})
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "put sidecars right that name another place, or have lost metadata")
	return endsWith(c, exitSome)
}

// someOf joins what became of several items, nil for each that is done. The status tells whether
// some of them failed, or all.
func someOf(errs []error) error {
	err := errors.Join(errs...)
	if err == nil || !slices.Contains(errs, nil) {
		return err
	}
	return statusError{verdict.With(err, verdict.Some, "do as the messages say, and run the same command again"), exitSome}
}

// syncPath asks the daemon of the mount in which a path lies to commit what is there.
func syncPath(ctx context.Context, path string, repair bool, tell func(string)) error {
	mountpoint, inside, m, err := mountOf(path)
	if err != nil {
		return err
	}
	err = control.Client{Mountpoint: mountpoint, Users: mounts.Users(m)}.Sync(ctx, inside, repair, tell)
	if errors.Is(err, control.ErrNoDaemon) {
		return verdict.Errorf(verdict.NoDaemon, "mount it again, and what is pending goes on", "sync %s: the daemon of %s does not answer", path, mountpoint)
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// mountOf returns the mount in which a path lies, and the path in it.
func mountOf(path string) (mountpoint, inside string, m fs.Mounted, err error) {
	real, err := fs.Resolve(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", "", m, verdict.With(fmt.Errorf("%s does not exist", path), verdict.NotFound, "correct the path")
	case err != nil:
		return "", "", m, fmt.Errorf("sync %s: %w", path, err)
	}
	for dir := real; ; dir = filepath.Dir(dir) {
		if m, ok := fs.MountAt(dir); ok && m.UID >= 0 {
			return dir, strings.TrimPrefix(strings.TrimPrefix(real, dir), "/"), m, nil
		}
		if dir == filepath.Dir(dir) {
			return "", "", m, verdict.With(fmt.Errorf("%s is not in a mount of mcfs: nothing can be synced until it is mounted", path), verdict.NotInMount, "mount it")
		}
	}
}
