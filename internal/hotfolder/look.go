package hotfolder

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/control"
	"mcfs/internal/feed"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
)

// Listener has a daemon tell what happens in its mount, until that ends or ctx does.
func Listener(daemon control.Client) func(context.Context, func(feed.Line)) error {
	return func(ctx context.Context, tell func(feed.Line)) error {
		return daemon.Events(ctx, "", "", func(text json.RawMessage) error {
			var l feed.Line
			if err := json.Unmarshal(text, &l); err != nil {
				return fmt.Errorf("line of the daemon: %w", err)
			}
			tell(l)
			return nil
		})
	}
}

// Look says once of each version that has no job whether it would have one, and makes none.
func (f Folder) Look(ctx context.Context) error {
	for _, at := range f.Addresses {
		err := f.Volume.EachSettings(ctx, at, f.Wanted, func(address, _ string) bool {
			if !f.isLeft(address) {
				f.lookAt(ctx, address)
			}
			return ctx.Err() == nil
		})
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// lookAt says what would become of one version.
func (f Folder) lookAt(ctx context.Context, address string) {
	found, err := f.Volume.Look(ctx, address)
	if err == nil && found.Job != "" {
		return
	}
	var d document.Document
	if err == nil {
		d, err = f.document(address, found)
	}
	var j *types.Job
	if err == nil {
		j, err = jobs.Submitter{API: f.API, Pace: f.Pace, Once: true}.Find(ctx, d)
	}
	switch {
	case err != nil:
		f.Tell(News{Kind: Failed, Address: address, Err: err})
	case j != nil:
		f.Tell(News{Kind: Adopted, Address: address, Job: *j})
	default:
		f.Tell(News{Kind: Would, Address: address, Warnings: d.Warnings})
	}
}
