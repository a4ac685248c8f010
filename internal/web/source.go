package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"mcfs/fs"
	"mcfs/internal/feed"
	"mcfs/internal/mounts"
	"mcfs/internal/status"
	"mcfs/internal/stored"
	"mcfs/sidecar"
	"mcfs/volume"
)

// Source is what a page is made of.
type Source struct {
	// Reports says how the mounts are.
	Reports func(context.Context) ([]status.Report, error)
	// Follow calls tell with what is kept of the events of a mount, and with those that come, until
	// ctx or the mount ends.
	Follow func(ctx context.Context, mountpoint string, tell func(feed.Line)) error
	// Settings reads those of a file: its path in the volume.
	Settings func(ctx context.Context, mountpoint, path string) (sidecar.Settings, error)
}

// sinceAll is a number of no event: all that are kept are told.
const sinceAll = "0"

// OfSurvey is the source that asks the daemons of a survey.
func OfSurvey(s status.Survey) Source {
	return Source{
		Reports: s.Reports,
		Follow: func(ctx context.Context, mountpoint string, tell func(feed.Line)) error {
			table, inside := fs.Mounts(), ""
			if s.Path != "" {
				var err error
				if _, inside, _, err = mounts.Locate(s.Path, table); err != nil {
					return err
				}
			}
			c := mounts.Daemon(mountpoint, table[mountpoint])
			return c.Events(ctx, inside, sinceAll, func(text json.RawMessage) error {
				var l feed.Line
				if err := json.Unmarshal(text, &l); err != nil {
					return fmt.Errorf("event of %s: %w", mountpoint, err)
				}
				tell(l)
				return nil
			})
		},
		Settings: readBeside,
	}
}

// OfDaemon is the source of one mount, within its daemon.
func OfDaemon(report func() status.Report, f *feed.Feed, v *volume.Volume) Source {
	return Source{
		Reports: func(context.Context) ([]status.Report, error) { return []status.Report{report()}, nil },
		Follow: func(ctx context.Context, _ string, tell func(feed.Line)) error {
			return f.Follow(ctx, "", sinceAll, func(l feed.Line) error { tell(l); return nil })
		},
		Settings: func(ctx context.Context, _, path string) (s sidecar.Settings, err error) {
			n := v.Root()
			for elem := range strings.SplitSeq(path, "/") {
				if n, err = n.Lookup(ctx, elem); err != nil {
					return s, err
				}
			}
			text, err := v.Settings(ctx, n)
			if err != nil {
				return s, err
			}
			return sidecar.Parse(text)
		},
	}
}

// readBeside reads the sidecar of a file in a mount, and follows no link out of that.
func readBeside(ctx context.Context, mountpoint, path string) (sidecar.Settings, error) {
	type result struct {
		s   sidecar.Settings
		err error
	}
	done := make(chan result, 1)
	go func() { // ends with the process, if the mount hangs
		s, err := readIn(mountpoint, sidecar.Name(path))
		done <- result{s, err}
	}()
	select {
	case r := <-done:
		return r.s, r.err
	case <-ctx.Done():
		return sidecar.Settings{}, errors.New("the mount does not answer")
	}
}

func readIn(mountpoint, name string) (s sidecar.Settings, err error) {
	f, err := os.OpenInRoot(mountpoint, name)
	if err != nil {
		return s, err
	}
	defer f.Close()
	text, err := stored.ReadSettings(f, name)
	if err != nil {
		return s, err
	}
	return sidecar.Parse(text)
}
