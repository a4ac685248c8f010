package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mcfs/config"
	"mcfs/internal/backend"
	"mcfs/internal/jobinput"
	"mcfs/internal/stored"
	"mcfs/store"
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
				text, err = jobinput.MountedSettings(c.Context(), args[0])
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
