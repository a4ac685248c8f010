package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"mcfs/fs"
	"mcfs/internal/control"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/verdict"
)

//go:embed help/unmount.txt
var unmountHelp string

func newUnmount(std stdio) *cobra.Command {
	var how control.Unmount
	var asJSON bool
	c := &cobra.Command{
		Use:     "unmount MOUNTPOINT",
		Aliases: []string{"umount"},
		Short:   "Finish what is pending, then unmount",
		Long:    unmountHelp,
		Example: `  mcfs unmount ~/ingest
  mcfs unmount --now ~/ingest`,
		Args: exactly(1, "MOUNTPOINT"),
		RunE: func(c *cobra.Command, args []string) error {
			return interruptible(c.Context(), func(ctx context.Context) error {
				return unmountTelling(ctx, args[0], how, asJSON, std)
			})
		},
	}
	c.Flags().BoolVar(&how.Wait, "wait", false, "wait until nothing is open for writing")
	c.Flags().BoolVar(&how.Now, "now", false, "leave what is pending in the spool, and cut off what is open")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.MarkFlagsMutuallyExclusive("wait", "now")
	return c
}

// unmountLine is a line of --json.
type unmountLine struct {
	V       int    `json:"v"`
	Type    string `json:"type"` // status, and at the end summary
	Path    string `json:"path"`
	Text    string `json:"text,omitempty"`
	Mounted *bool  `json:"mounted,omitempty"` // of the summary
}

// unmountTelling ends the mount at path, and says meanwhile what its daemon says.
func unmountTelling(ctx context.Context, path string, how control.Unmount, asJSON bool, std stdio) error {
	if !asJSON {
		return unmount(ctx, path, how, func(text string) { fmt.Fprintln(std.err, human.Printable(text)) })
	}
	lines := json.NewEncoder(std.out)
	err := unmount(ctx, path, how, func(text string) { _ = lines.Encode(unmountLine{V: 1, Type: "status", Path: path, Text: text}) })
	mounted := false
	if real, rerr := fs.Resolve(path); rerr == nil {
		_, mounted = fs.MountAt(real)
	}
	return errors.Join(err, lines.Encode(unmountLine{V: 1, Type: "summary", Path: path, Mounted: &mounted}))
}

// unmount ends the mount at path, and returns when its daemon has ended.
func unmount(ctx context.Context, path string, how control.Unmount, tell func(string)) error {
	mountpoint, err := fs.Resolve(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return verdict.With(fmt.Errorf("unmount: %s does not exist", path), verdict.NotFound, "correct the path")
	case err != nil:
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	m, there := fs.MountAt(mountpoint)
	if there && m.UID < 0 {
		return verdict.Errorf(verdict.NotInMount, fmt.Sprintf("use umount %q", path), "%s is a mount, but none of mcfs", path)
	}
	uids := []int{os.Geteuid()}
	if there {
		uids = mounts.Users(m)
	}
	err = control.Client{Mountpoint: mountpoint, Users: uids}.Unmount(ctx, how, tell)
	switch {
	case errors.Is(err, control.ErrNoDaemon) && !there:
		return verdict.With(fmt.Errorf("%s is not mounted: nothing to do", path), verdict.NotMounted, "")
	case errors.Is(err, control.ErrNoDaemon) && mounts.Dead(mountpoint):
		return removeDead(path, tell)
	case errors.Is(err, control.ErrNoDaemon):
		return unmountAlone(path, mountpoint)
	case err != nil && mounts.Dead(mountpoint): // the daemon was killed meanwhile
		return errors.Join(err, mounts.Detach(mountpoint))
	}
	return err
}

// removeDead takes away a mount without a daemon.
func removeDead(path string, tell func(string)) error {
	if _, err := mounts.ClearDead(path); err != nil {
		return err
	}
	tell(fmt.Sprintf("%s had no daemon any more and is unmounted; what was not finished is in the spool, and the next mount goes on with it", path))
	return nil
}

// unmountAlone has the kernel unmount, for a daemon that cannot be asked: its socket was
// removed, or lies in another user's folder.
func unmountAlone(path, mountpoint string) error {
	if err := mounts.Unmount(mountpoint); err != nil {
		return fmt.Errorf("unmount %s: its daemon cannot be asked, and the kernel refuses (%w): close the files that are open in it", path, err)
	}
	return fmt.Errorf("%s is unmounted, but its daemon could not be asked to report: it may still be uploading, see its log", path)
}
