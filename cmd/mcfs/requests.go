package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mcfs/internal/control"
	"mcfs/internal/drain"
	"mcfs/internal/feed"
	"mcfs/internal/status"
	"mcfs/internal/systemd"
	"mcfs/internal/verdict"
	"mcfs/spool"
	"mcfs/volume"
)

// This file has what the daemon does for the commands that ask it.

// releaseGrace is how long the kernel may take to report that a file was closed.
const releaseGrace = time.Second

// unused returns nil if nothing is open for writing, or the mount is ending already. Else
// it returns an error at once or, with wait, when ctx ends.
func (d *daemon) unused(ctx context.Context, wait bool, tell func(string)) error {
	if d.ending.Load() {
		return nil
	}
	if wait {
		return drain.InUse(d.volume.AwaitWriters(ctx.Done(), func(list []volume.Writer) {
			text := "waiting until it is closed: " + drain.Writers(list)
			d.log.Info(text)
			systemd.Notify("STATUS=" + text) // for systemctl status
			tell(text)
		}))
	}
	ctx, cancel := context.WithTimeout(ctx, releaseGrace)
	defer cancel()
	return drain.InUse(d.volume.AwaitWriters(ctx.Done(), nil))
}

// repair puts the sidecars under the paths right.
func (d *daemon) repair(ctx context.Context, paths []string, tell func(string)) error {
	var errs []error
	for _, path := range paths {
		n, err := d.volume.Repair(ctx, path)
		errs = append(errs, err)
		tell(fmt.Sprintf("sidecars that were not right: %d; they are put again", n))
	}
	return errors.Join(errs...)
}

// wrong names the files at and under a path whose sidecars repair would put right.
func (d *daemon) wrong(ctx context.Context, path string, tell func(string)) error {
	list, err := d.volume.WrongSidecars(ctx, path)
	for _, at := range slices.Sorted(slices.Values(list)) {
		tell(at)
	}
	return err
}

// sync waits until everything under the paths is committed, and names what stays local.
func (d *daemon) sync(ctx context.Context, paths []string, tell func(string)) error {
	for _, path := range paths {
		err := d.drain().Run(ctx, func(ctx context.Context) error { return d.volume.Sync(ctx, path) }, tell)
		if err != nil {
			return err
		}
		if text := drain.Stay(d.volume.Status().Under(path).Drafts); text != "" {
			tell(text)
		}
	}
	return nil
}

// status returns how the mount is at and under a path.
func (d *daemon) status(path string) status.Report {
	s := d.volume.Status().Under(path)
	verdict.AddCures(&s)
	r := status.Report{
		Mountpoint: d.o.mountpoint, Volume: status.VolumeName(d.o.config), Config: d.o.config.Source, Spool: d.o.config.Spool.Dir,
		State: status.Mounted, Status: &s,
	}
	if d.page != nil {
		r.Page = d.page.Address()
	}
	if w := d.watches.Load(); w != nil {
		r.HotFolders = w.Status()
	}
	if d.ending.Load() {
		r.State, r.Note = status.Ending, "finishing what is pending"
	}
	return r
}

// events tells a listener what happens at and below a path.
func (d *daemon) events(ctx context.Context, path, since string, send func(json.RawMessage) error) error {
	return d.feed.Follow(ctx, path, since, func(l feed.Line) error {
		line, err := l.JSON()
		if err != nil {
			return err
		}
		return send(line)
	})
}

// restore brings a file back from quarantine, and returns its path. The error tells the
// exit status of the command that asks.
func (d *daemon) restore(ctx context.Context, id string) (path string, err error) {
	path, err = d.volume.Restore(ctx, id)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, spool.ErrCorrupt):
		return "", control.Failure{Text: err.Error(), Status: exitDamage}
	case errors.Is(err, volume.ErrIncomplete):
		return "", control.Failure{Text: err.Error(), Status: exitSome}
	}
	return "", err
}
