package hotfolder

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
)

// markTimeout bounds the noting of a job, which an interrupt does not keep from being noted.
const markTimeout = 10 * time.Second

// do sees to it that a file's version has its job, and follows that.
func (w *watch) do(ctx context.Context, it item) {
	made := sync.OnceFunc(func() { w.Owed.add(-1) })
	defer made()
	if it.job != nil {
		w.takeOver(ctx, it, made)
		return
	}
	w.doNew(ctx, it, made)
}

// doNew sees to it that a file's version has its job, and follows that. made is called as soon as
// there is one, which is noted.
func (w *watch) doNew(ctx context.Context, it item, made func()) {
	if it.etag != "" && w.isKnown(it.address, it.etag) {
		return
	}
	found, err := w.Volume.Look(ctx, it.address)
	switch {
	case errors.Is(err, stored.ErrReplaced):
		w.went(true)
		return // it has gone
	case err != nil:
		w.fail(ctx, it, "", err)
		return
	case found.Job != "":
		w.know(it.address, it.etag)
		w.went(true)
		return
	}
	iv := base64.StdEncoding.EncodeToString(found.Settings.IV)
	mine, older := w.take(it.address, iv)
	if mine == nil {
		return
	}
	defer w.leave(it.address, mine)
	for _, id := range older {
		w.Tell(News{Kind: Replaced, Address: it.address, Job: types.Job{Id: &id}})
	}
	submitted, warnings, err := w.submit(ctx, it.address, found)
	if err != nil {
		w.fail(ctx, it, iv, err)
		return
	}
	w.has(mine, aws.ToString(submitted.Job.Id))
	kind := Made
	if submitted.Adopted {
		kind = Adopted
	}
	w.Tell(News{Kind: kind, Address: it.address, Job: submitted.Job, IV: iv, Warnings: warnings})
	defer w.Tell(News{Kind: Unfollowed, Address: it.address, Job: submitted.Job})
	w.note(ctx, it, found.Settings.IV, submitted.Job)
	made()
	w.follow(ctx, it.address, iv, submitted.Job)
}

// document is that of the job of a version.
func (f *Folder) document(address string, found stored.Version) (document.Document, error) {
	if named := found.Settings.FileInput; named != address {
		return document.Document{}, verdict.Errorf(verdict.JobDocument, "put it right with mcfs sync --repair", "the settings of %s name another place: %s", address, named)
	}
	return f.Build(found)
}

// submit makes the job of a version, or finds it.
func (w *watch) submit(ctx context.Context, address string, found stored.Version) (made jobs.Submitted, warnings []string, err error) {
	d, err := w.document(address, found)
	if err != nil {
		return made, nil, err
	}
	made, err = jobs.Submitter{API: w.API, Pace: w.Pace, Once: true}.Submit(ctx, d)
	return made, d.Warnings, err
}

// takeOver notes and follows a job that another run has made.
func (w *watch) takeOver(ctx context.Context, it item, made func()) {
	text := it.job.UserMetadata[document.IVs]
	iv, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return // a job of nobody's
	}
	mine, _ := w.take(it.address, text)
	if mine == nil {
		return
	}
	defer w.leave(it.address, mine)
	w.has(mine, aws.ToString(it.job.Id))
	w.Tell(News{Kind: Adopted, Address: it.address, Job: *it.job, IV: text})
	defer w.Tell(News{Kind: Unfollowed, Address: it.address, Job: *it.job})
	w.note(ctx, it, iv, *it.job)
	made()
	w.follow(ctx, it.address, text, *it.job)
}

// note notes the job of a version in its settings. If that fails the job is found again by the
// version's IV, and noted then.
func (w *watch) note(parent context.Context, it item, iv []byte, job types.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), markTimeout)
	defer cancel()
	id := aws.ToString(job.Id)
	noted, err := w.Volume.Mark(ctx, it.address, iv, id)
	switch {
	case errors.Is(err, stored.ErrReplaced):
		w.Tell(News{Kind: Replaced, Address: it.address, Job: job})
		return
	case err == nil && noted != id:
		err = fmt.Errorf("%s: job %s: %w: %s", it.address, id, errNoted, noted)
	case err != nil:
		err = fmt.Errorf("job %s is made, and not noted yet: %w", id, err)
	}
	if err != nil {
		w.fail(parent, it, base64.StdEncoding.EncodeToString(iv), err)
		return
	}
	w.went(true)
}

// follow waits for the end of a job.
func (w *watch) follow(ctx context.Context, address, iv string, job types.Job) {
	w.Owed.follow(1)
	defer w.Owed.follow(-1)
	if !jobs.Ended(job.Status) {
		var err error
		id := aws.ToString(job.Id)
		job, err = jobs.Follower{API: w.API, Pace: w.Pace}.Follow(ctx, id, func(s jobs.State) {
			w.Tell(News{Kind: Moves, Address: address, State: s})
		})
		if err != nil {
			w.fail(ctx, item{address: address}, iv, verdict.With(fmt.Errorf("job %s goes on and is not followed any more: %w", id, err), verdict.JobRunning, "mcfs job wait "+id))
			return
		}
	}
	w.Tell(News{Kind: Ended, Address: address, Job: job, IV: iv})
}

// fail says why a version has no job yet, once as long as it is the same.
func (w *watch) fail(ctx context.Context, it item, iv string, err error) {
	if ctx.Err() != nil {
		return
	}
	final := isFinal(err)
	if final {
		w.know(it.address, it.etag)
	}
	w.went(final)
	if w.isNews(it.address, iv, err.Error()) {
		w.Tell(News{Kind: Failed, Address: it.address, IV: iv, Err: err, Again: !final})
	}
}

// isFinal reports whether to try again with the same version and options cannot help.
func isFinal(err error) bool {
	if r, ok := errors.AsType[*jobs.Refused](err); ok {
		return r.Code == "BadRequestException"
	}
	switch verdict.CodeOf(err) {
	case verdict.JobDocument, verdict.JobField, verdict.LocalKey, verdict.SameOutput, verdict.SettingsIncomplete, verdict.JobRunning:
		return true
	}
	return errors.Is(err, errNoted)
}
