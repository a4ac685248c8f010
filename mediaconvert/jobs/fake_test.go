package jobs

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/mediaconverttest"
)

// ending is an API whose jobs are cancelled as soon as somebody has tried to make them.
type ending struct {
	API
	s *mediaconverttest.Server
}

func (e *ending) CreateJob(ctx context.Context, in *mediaconvert.CreateJobInput, o ...func(*mediaconvert.Options)) (*mediaconvert.CreateJobOutput, error) {
	out, err := e.API.CreateJob(ctx, in, o...)
	for _, j := range e.s.Jobs() {
		if !Ended(j.Status) {
			if err := Cancel(ctx, e.API, quick, *j.Id); err != nil {
				return nil, err
			}
		}
	}
	return out, err
}

// interrupting is an API whose answer comes when nobody waits for it any more.
type interrupting struct {
	API
	stop func()
}

func (i *interrupting) CreateJob(ctx context.Context, in *mediaconvert.CreateJobInput, o ...func(*mediaconvert.Options)) (*mediaconvert.CreateJobOutput, error) {
	if _, err := i.API.CreateJob(ctx, in, o...); err != nil {
		return nil, err
	}
	i.stop()
	return nil, ctx.Err()
}

// fake is an API that answers GetJob from a function, and has nothing else.
type fake struct {
	API
	get    func() (*types.Job, error)
	cancel int
}

func (f *fake) GetJob(ctx context.Context, _ *mediaconvert.GetJobInput, options ...func(*mediaconvert.Options)) (*mediaconvert.GetJobOutput, error) {
	var o mediaconvert.Options
	for _, set := range options {
		set(&o)
	}
	if o.RetryMaxAttempts != 1 {
		return nil, errors.New("the SDK would try again by itself")
	}
	if _, ok := ctx.Deadline(); !ok {
		return nil, errors.New("a request without a deadline")
	}
	j, err := f.get()
	if err != nil {
		return nil, err
	}
	return &mediaconvert.GetJobOutput{Job: j}, nil
}

func (f *fake) CancelJob(context.Context, *mediaconvert.CancelJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.CancelJobOutput, error) {
	f.cancel++
	return nil, nil
}
