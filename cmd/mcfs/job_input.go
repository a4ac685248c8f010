package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"mcfs/internal/control"
	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/mediaconvert/document"
	"mcfs/sidecar"
	"mcfs/volume"
)

// jobInput is a file that a job is made for.
type jobInput struct {
	document.Input
	volume string // address of the volume in which it lies, "" if that is not in S3
	read   func(context.Context) (sidecar.Settings, error)
}

// jobInputs are the files of one job.
type jobInputs []jobInput

// reread reads the settings of the file at an address anew.
func (all jobInputs) reread(ctx context.Context, address string) (sidecar.Settings, error) {
	for _, in := range all {
		if in.Settings.FileInput == address {
			return in.read(ctx)
		}
	}
	return sidecar.Settings{}, errors.New("it was not named in this command")
}

// readInputs reads the settings of each path. What cannot be an input of a job is refused.
func readInputs(ctx context.Context, file string, paths []string) (jobInputs, error) {
	var all jobInputs
	for _, path := range paths {
		in, err := readJobInput(ctx, file, path)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

func readJobInput(ctx context.Context, file, path string) (jobInput, error) {
	in := jobInput{read: func(ctx context.Context) (sidecar.Settings, error) {
		text, err := mountedSettings(ctx, path)
		return parseSettings(text, err)
	}}
	var err error
	if strings.HasPrefix(path, "s3://") {
		in.read = func(ctx context.Context) (sidecar.Settings, error) {
			text, err := storedSettings(ctx, file, path)
			return parseSettings(text, err)
		}
		in.volume, err = configuredVolume(file)
	} else {
		in.volume, err = committedIn(ctx, strings.TrimSuffix(path, sidecar.Suffix))
	}
	if err != nil {
		return in, err
	}
	in.Name = path
	if in.Settings, err = in.read(ctx); err != nil {
		return in, err
	}
	if isLocal(in.Settings) {
		return in, failuref(codeLocalKey, `save it in a mount whose configuration has keys.kind = "kms"`, "%s was encrypted under a local keyring, whose keys MediaConvert cannot have", path)
	}
	return in, nil
}

// shortest is less than KMS ever makes of a data key, and more than a local keyring does.
const shortest = 100

// isLocal reports whether settings are of a file whose key a local keyring has wrapped. KMS's
// have a region in a mount, and are longer.
func isLocal(s sidecar.Settings) bool { return s.Region == "" && len(s.Key) < shortest }

// configuredVolume is the address of a configuration's volume.
func configuredVolume(file string) (string, error) {
	c, err := loadConfig(file)
	if err != nil {
		return "", err
	}
	return inS3(status.VolumeName(c)), nil
}

// inS3 is a volume's name if that is an address in S3, else "".
func inS3(name string) string {
	if strings.HasPrefix(name, "s3://") {
		return name
	}
	return ""
}

func parseSettings(text []byte, err error) (sidecar.Settings, error) {
	if err != nil {
		return sidecar.Settings{}, err
	}
	return sidecar.Parse(text)
}

// committedIn returns the volume of the mount in which a path lies, "" if that is not in S3. It
// refuses a path whose last version or name is not in the store yet: a job would read another one.
func committedIn(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("job: %w", err)
	}
	if info.IsDir() {
		return "", failuref(codeDirectory, "name the files in it", "%s is a directory", path)
	}
	mountpoint, inside, m, err := mountOf(path)
	if err != nil {
		return "", failuref(codeNotInMount, "give a file in a mount, or its s3:// address with --config", "%s is not in a mount of mcfs", path)
	}
	r, err := status.Ask(ctx, control.Client{Mountpoint: mountpoint, Users: mounts.Users(m)}, "")
	if err == nil && r.Status == nil {
		err = errors.New("it tells nothing of its files")
	}
	if err != nil {
		return "", fmt.Errorf("%s: ask the daemon of %s whether it is committed: %w", path, mountpoint, err)
	}
	if why, cure := whyUncommitted(r, inside); why != "" {
		return "", failuref(codeNotCommitted, cure, "%s %s", path, why)
	}
	return inS3(r.Volume), nil
}

// whyUncommitted returns why a file of a mount is not in the store as it is here, and the cure;
// else "".
func whyUncommitted(r status.Report, inside string) (why, cure string) {
	const wait = "wait for it with mcfs sync and its path"
	for _, d := range r.Drafts {
		if d.Path != inside {
			continue
		}
		switch d.State {
		case volume.Interrupted.String():
			return "is interrupted: its writer was killed or a write to it failed", "save it again, or commit it as it is with mcfs sync and its path"
		case volume.Lost.String():
			return "cannot be committed", "see mcfs status and mcfs help quarantine"
		case volume.Local.String(), volume.Temporary.String():
			return "", "" // which settings tells better
		case volume.Writing.String():
			return "is open for writing, and not committed yet", "close it first"
		}
		return "is not committed yet", wait
	}
	for _, c := range r.Changes {
		if c.What == "attr" || c.What == "mkdir" { // neither moves an object, nor gives it another key
			continue
		}
		for _, at := range []string{c.Path, c.To} {
			if at != "" && (at == inside || strings.HasPrefix(inside, at+"/")) {
				return fmt.Sprintf("is not in the store as it is here (%s of %s)", c.What, c.Path), wait
			}
		}
	}
	return "", ""
}
