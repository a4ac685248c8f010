package acceptance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/doctor"
	"mcfs/keys"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/store"
)

// Cost says what a run costs.
const Cost = "seven jobs of one output and two seconds each, of which MediaConvert bills at least ten seconds each, and a few dozen requests to S3 and KMS: in all some US cents"

// Kit is what a run needs.
type Kit struct {
	Store   store.Store
	Keeper  keys.Keeper
	API     jobs.API
	Pace    jobs.Pace
	Options document.Options // role, queue, output, region
	Probe   *doctor.Probe    // below which clips are put, and which removes them
	Limit   time.Duration    // of the whole; 30 min if zero
}

// Outcome is what became of one form.
type Outcome struct {
	Form
	Job       string // its ID, if it was made
	Decrypted bool
	Why       error // nil if it was decrypted
}

const (
	limit     = 30 * time.Minute
	cleanTime = time.Minute
)

// errLimit is the cause of a run that took too long.
var errLimit = errors.New("the job has not ended in time")

// Run saves a clip in each form, has each transcoded, and tells what became of each, in the order
// in which they end. The error names what could not be removed or cancelled.
func (k Kit) Run(parent context.Context, tell func(Outcome)) error {
	if k.Limit <= 0 {
		k.Limit = limit
	}
	ctx, cancel := context.WithTimeoutCause(parent, k.Limit, errLimit)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	errs := make([]error, len(Forms))
	for i, f := range Forms {
		group.Go(func() {
			o := Outcome{Form: f}
			errs[i] = k.one(ctx, &o)
			mu.Lock()
			defer mu.Unlock()
			tell(o)
		})
	}
	group.Wait()
	return errors.Join(append(errs, k.Probe.Clean(parent))...)
}

// one tries one form. Its error is of a job that may go on; what became of the form is in o.
func (k Kit) one(ctx context.Context, o *Outcome) error {
	settings, err := o.save(ctx, k.Store, k.Keeper, k.Probe)
	if err != nil {
		o.Why = err
		return nil
	}
	options := k.Options
	options.NoAudio = true
	d, err := document.Build([]document.Input{{Name: settings.FileInput, Settings: settings}}, options)
	if err == nil {
		err = k.transcode(ctx, d, o)
	}
	o.Why, o.Decrypted = err, err == nil
	return k.cancel(ctx, *o, d)
}

// transcode makes the job and waits for its end.
func (k Kit) transcode(ctx context.Context, d document.Document, o *Outcome) error {
	made, err := jobs.Submitter{API: k.API, Pace: k.Pace}.Submit(ctx, d)
	if err != nil {
		return err
	}
	o.Job = aws.ToString(made.Job.Id)
	job, err := jobs.Follower{API: k.API, Pace: k.Pace}.Follow(ctx, o.Job, func(jobs.State) {})
	switch {
	case err != nil:
		return err
	case job.Status == types.JobStatusComplete:
		return nil
	case job.Status == types.JobStatusCanceled:
		return errors.New("somebody has cancelled the job")
	}
	return &Failed{Code: aws.ToInt32(job.ErrorCode), Message: aws.ToString(job.ErrorMessage)}
}

// Failed is a job that ended in ERROR.
type Failed struct {
	Code    int32
	Message string
}

func (e *Failed) Error() string { return fmt.Sprintf("error %d: %s", e.Code, e.Message) }

// cancel ends a job that was left before it had ended. One whose answer did not come is looked for.
func (k Kit) cancel(parent context.Context, o Outcome, d document.Document) error {
	if d.Job == nil || o.Decrypted || errors.As(o.Why, new(*Failed)) || errors.As(o.Why, new(*jobs.Refused)) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), cleanTime)
	defer cancel()
	if o.Job == "" {
		job, err := jobs.Submitter{API: k.API, Pace: k.Pace}.Find(ctx, d)
		if err != nil || job == nil {
			return err
		}
		o.Job = aws.ToString(job.Id)
	}
	if job, err := jobs.Get(ctx, k.API, k.Pace, o.Job); err == nil && jobs.Ended(job.Status) {
		return nil
	}
	if err := jobs.Cancel(ctx, k.API, k.Pace, o.Job); err != nil {
		return fmt.Errorf("job %s may go on: %w", o.Job, err)
	}
	return nil
}
