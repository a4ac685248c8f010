package jobs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Pace is how often the service is asked. Zero values are the defaults.
type Pace struct {
	Every    time.Duration // 10 s
	Most     time.Duration // to which Every is doubled while the service is asked too often; 60 s
	Patience time.Duration // for how long it may fail; 15 min
}

const (
	defaultEvery    = 10 * time.Second
	defaultMost     = 60 * time.Second
	defaultPatience = 15 * time.Minute
)

func (p Pace) first() time.Duration {
	if p.Every > 0 {
		return p.Every
	}
	return defaultEvery
}

func (p Pace) slower(wait time.Duration) time.Duration {
	most := p.Most
	if most <= 0 {
		most = defaultMost
	}
	return min(2*wait, max(most, p.first()))
}

func (p Pace) patience() time.Duration {
	if p.Patience > 0 {
		return p.Patience
	}
	return defaultPatience
}

// jitter is the part of a wait by which it is longer or shorter at random, so that many who began
// together do not ask together.
const jitter = 0.2

// sleep waits about so long, or until ctx ends.
func sleep(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(time.Duration(float64(wait) * (1 - jitter + 2*jitter*rand.Float64())))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// State is what is told of a job that is under way.
type State struct {
	ID       string
	Status   types.JobStatus
	Phase    types.JobPhase // empty before it runs
	Percent  *int32         // nil if the service does not say
	Queue    string         // ARN
	Warnings []string
	Info     []string
}

// StateOf is the state of a job.
func StateOf(j types.Job) State {
	s := State{ID: aws.ToString(j.Id), Status: j.Status, Phase: j.CurrentPhase, Percent: j.JobPercentComplete, Queue: aws.ToString(j.Queue)}
	if j.Messages != nil {
		s.Warnings, s.Info = j.Messages.Warning, j.Messages.Info
	}
	return s
}

// Follower looks at a job until it has ended.
type Follower struct {
	API  API
	Pace Pace
}

// Follow waits until a job has ended, and returns it. tell is called with each state that differs
// from the one before. When ctx ends, the job goes on, and the error is the cause.
func (f Follower) Follow(ctx context.Context, id string, tell func(State)) (types.Job, error) {
	var last State
	wait, good := f.Pace.first(), time.Now()
	for {
		out, err := once(ctx, "get the job "+id, func(ctx context.Context, in *mediaconvert.GetJobInput, _ ...func(*mediaconvert.Options)) (*mediaconvert.GetJobOutput, error) {
			return f.API.GetJob(ctx, in, func(o *mediaconvert.Options) { o.RetryMaxAttempts = 1 }) // the next look is the retry
		}, &mediaconvert.GetJobInput{Id: &id})
		switch {
		case ctx.Err() != nil:
			return types.Job{}, context.Cause(ctx)
		case err == nil && out.Job != nil:
			if s := StateOf(*out.Job); !reflect.DeepEqual(s, last) {
				last = s
				tell(s)
			}
			if Ended(out.Job.Status) {
				return *out.Job, nil
			}
			wait, good = f.Pace.first(), time.Now()
		case err == nil:
			return types.Job{}, fmt.Errorf("get the job %s: the answer has none", id)
		case !throttled(err) && !unclear(err), time.Since(good) > f.Pace.patience():
			return types.Job{}, err
		default:
			wait = f.Pace.slower(wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return types.Job{}, err
		}
	}
}
