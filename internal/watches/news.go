package watches

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/feed"
	"mcfs/internal/hotfolder"
	"mcfs/internal/status"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/failure"
	"mcfs/sidecar"
)

// explainTimeout bounds the look at what a job that failed has read.
const explainTimeout = 30 * time.Second

// tell logs what becomes of a version, counts it, and tells those who listen to the mount.
func (w *watch) tell(n hotfolder.News) {
	path := strings.TrimPrefix(n.Address, w.of.volume.Address())
	j := feed.Job{Path: path, IV: n.IV, ID: aws.ToString(n.Job.Id), Status: string(n.Job.Status), Cause: n.Err, Again: n.Again}
	log := w.of.o.Log.With("folder", w.c.String(), "file", path, "job", j.ID)
	switch n.Kind {
	case hotfolder.Made:
		j.What = feed.JobCreated
		log.Info("a job is created for a file of the hot folder")
	case hotfolder.Adopted:
		j.What = feed.JobAdopted
		log.Info("a file of the hot folder has a job already, which is followed")
	case hotfolder.Replaced:
		j.What = feed.JobReplaced
		log.Warn("a file of the hot folder was saved again while its job waits or runs, which may fail: the new version has a job of its own")
	case hotfolder.Ended:
		j.What, j.Cause = feed.JobEnded, w.outcome(n.Job)
		if j.Cause == nil {
			j.Outputs = document.Outputs(n.Job.Settings)
			log.Info("the job of a file of the hot folder is complete")
			break
		}
		log.Warn("the job of a file of the hot folder has failed", "err", j.Cause)
	case hotfolder.Failed:
		j.What = feed.JobFailed
		log.Warn(failedText(path, n.Again), "err", n.Err)
	}
	for _, text := range n.Warnings {
		log.Warn("the job of a file of the hot folder is not all that was asked for", "warning", text)
	}
	w.count(n.Kind, j)
	if n.Kind == hotfolder.Looked || n.Kind == hotfolder.Failed && n.Address == "" {
		w.progress.set(func(p *progress) { p.begun = true })
	}
	if j.What != "" {
		w.of.o.Feed.ObserveJob(j)
	}
}

// failedText says of a failure what it is about.
func failedText(path string, again bool) string {
	switch {
	case path == "":
		return "the hot folder cannot be watched; it is tried again"
	case again:
		return "something failed for a file of the hot folder; it is tried again"
	}
	return "a file of the hot folder has no job that is followed, and gets none"
}

// count keeps what the status shows.
func (w *watch) count(kind hotfolder.Kind, j feed.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch kind {
	case hotfolder.Made:
		w.state.Created++
		w.state.Running++
	case hotfolder.Adopted:
		w.state.Running++
	case hotfolder.Unfollowed:
		w.state.Running--
	case hotfolder.Looked:
		w.state.Looked = time.Now()
	}
	if j.Cause != nil {
		w.state.Failure = &status.HotFailure{Path: j.Path, Job: j.ID, Cause: j.Cause.Error(), At: time.Now(), Again: j.Again}
	}
}

// outcome is why a job has failed, and nil of one that is complete.
func (w *watch) outcome(j types.Job) error {
	err := verdict.OfJob(j)
	switch j.Status {
	case types.JobStatusCanceled:
		return verdict.With(err, verdict.JobCanceled, "make another by hand, with mcfs job")
	case types.JobStatusError:
	default:
		return err
	}
	ctx, cancel := context.WithTimeoutCause(w.of.ctx, explainTimeout, errors.New("no answer in time"))
	defer cancel()
	e := failure.Explain(ctx, j, func(ctx context.Context, address string) (sidecar.Settings, error) {
		found, err := w.of.volume.Look(ctx, address)
		return found.Settings, err
	})
	if len(e.Replaced) > 0 {
		return verdict.With(fmt.Errorf("%w: the file was saved again while the job waited, and its new version has a job of its own", err), verdict.JobError, e.Cure)
	}
	return err
}
