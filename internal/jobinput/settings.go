package jobinput

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/volume"
)

// MountedSettings reads the sidecar beside a file.
func MountedSettings(ctx context.Context, path string) ([]byte, error) {
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
	daemon, inside, err := mounts.DaemonAt(path)
	if err != nil {
		return "", ""
	}
	r, err := status.Ask(ctx, daemon, inside)
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

func ParseSettings(text []byte, err error) (sidecar.Settings, error) {
	if err != nil {
		return sidecar.Settings{}, err
	}
	return sidecar.Parse(text)
}
