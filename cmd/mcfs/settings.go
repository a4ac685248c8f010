package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/control"
	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume"
)

//go:embed help/settings.txt
var settingsHelp string

// requestTimeout bounds a request that a person waits for.
const requestTimeout = 30 * time.Second

func newSettings(std stdio) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "settings PATH",
		Short: "Print what MediaConvert needs to decrypt a file",
		Long:  settingsHelp,
		Example: `  mcfs settings ~/ingest/movie.mp4
  mcfs settings --config ingest.toml s3://ingest/camera-a/movie.mp4
  mcfs settings movie.mp4 | jq '{Inputs: [.]}'`,
		Args: exactly(1, "PATH"),
		RunE: func(c *cobra.Command, args []string) error {
			var text []byte
			var err error
			if strings.HasPrefix(args[0], "s3://") {
				text, err = storedSettings(c.Context(), file, args[0])
			} else {
				text, err = mountedSettings(c.Context(), args[0])
			}
			if err != nil {
				return err
			}
			_, err = std.out.Write(append(bytes.TrimSpace(text), '\n'))
			return err
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration `FILE`, for an s3:// address")
	return failsInJSON(c)
}

// mountedSettings reads the sidecar beside a file.
func mountedSettings(ctx context.Context, path string) ([]byte, error) {
	name := path
	if !sidecar.Is(path) {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
		if info.IsDir() {
			return nil, verdict.Errorf(verdict.Directory, "name one file in it", "%s is a directory", path)
		}
		name = sidecar.Name(path)
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		if why, cure := whyUnsettled(ctx, strings.TrimSuffix(path, sidecar.Suffix)); why != "" {
			return nil, verdict.With(fmt.Errorf("%s has no settings: %s", strings.TrimSuffix(path, sidecar.Suffix), why), verdict.NoSettings, cure)
		}
		return nil, verdict.With(fmt.Errorf("%s has no settings: it is not in a mount of mcfs, or not committed yet; close it, or wait for its upload. Under a name that is local-only, as in a trash, it has none: rename it", strings.TrimSuffix(path, sidecar.Suffix)), verdict.NoSettings, "close it, and wait for its upload")
	}
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	defer f.Close()
	return stored.ReadSettings(f, name)
}

// whyUnsettled returns why a file in a mount has no settings, with the cure in it, and the cure, if
// its name is the reason; else "".
func whyUnsettled(ctx context.Context, path string) (why, cure string) {
	mountpoint, inside, m, err := mountOf(path)
	if err != nil {
		return "", ""
	}
	r, err := status.Ask(ctx, control.Client{Mountpoint: mountpoint, Users: mounts.Users(m)}, inside)
	if err != nil || r.Status == nil {
		return "", ""
	}
	for _, d := range r.Drafts {
		switch {
		case d.Path != inside:
		case d.Told != "":
			return "it is larger than the spool, and can be uploaded under one name alone: rename it to " + d.Told, "rename it to " + d.Told
		case d.State == volume.Local.String():
			return "it stays on this machine while it has this name; rename it to have it uploaded", "rename it"
		case d.State == volume.Temporary.String():
			return "its name looks temporary, or its folder's does, and it waits for another; mcfs sync and its path has it uploaded at once", "mcfs sync and its path"
		}
	}
	return "", ""
}

// discard is the log of commands that print all they have to tell.
var discard = slog.New(slog.DiscardHandler)

// openStored is the volume of a configuration, to be read without a mount.
func openStored(file string) (*stored.Volume, error) {
	c, err := loadConfig(file)
	if err != nil {
		return nil, err
	}
	return stored.New(c, func(ctx context.Context, c config.Config) (store.Store, error) {
		a, err := backend.LoadAWS(ctx, c)
		if err != nil {
			return nil, err
		}
		return backend.OpenStore(a, c, discard)
	}), nil
}

// storedSettings reads the sidecar of an address from the configured store.
func storedSettings(ctx context.Context, file, address string) ([]byte, error) {
	v, err := openStored(file)
	if err != nil {
		return nil, err
	}
	text, err := v.Settings(ctx, address)
	return text, errors.Join(err, v.Close())
}
