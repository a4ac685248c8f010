package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/internal/backend"
	"mcfs/internal/human"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/batch"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/failure"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/report"
)

// service is MediaConvert as a command reaches it.
type service struct {
	api    jobs.API
	region string
	flags  serviceFlags
	reread failure.Reread
	path   string // of the file that the job is of, where each has its own
}

// openService finds credentials and region as the AWS CLI does. The region is known even
// where the rest fails.
func openService(ctx context.Context, f serviceFlags) (jobs.API, string, error) {
	a, err := backend.AWS(ctx)
	if err != nil {
		return nil, f.region, err
	}
	region := f.region
	if region == "" {
		region = a.Region
	}
	api, err := jobs.NewClient(a, region, f.endpoint)
	if err != nil {
		return nil, region, err
	}
	return api, region, nil
}

// pace is how often the service is asked.
func (s service) pace() jobs.Pace { return jobs.Pace{Every: s.flags.poll} }

var errTimeout = errors.New("the time of --timeout is over")

// submitJob creates the job of a document, or finds it, and follows it.
func submitJob(parent context.Context, s service, d document.Document, f jobFlags, std stdio) error {
	ctx, stop := untilSignal(parent)
	defer stop()
	submitter := jobs.Submitter{API: s.api, Pace: s.pace(), Again: f.again}
	if f.dryRun {
		return s.wouldSubmit(ctx, submitter, d, std)
	}
	made, err := submitter.Submit(ctx, d)
	if sig, ok := errors.AsType[signalled](context.Cause(ctx)); ok && err != nil {
		return statusError{verdict.With(err, verdict.Interrupted, "run the same command again, which finds the job"), exitSignal + int(sig.sig)}
	}
	if err != nil {
		return err
	}
	id, how := aws.ToString(made.Job.Id), "created"
	if made.Adopted {
		how = "there already"
	}
	s.say(std, "job %s is %s: %s", id, how, jobs.Console(s.region, id))
	if f.detach {
		if s.flags.json {
			return s.summary(ctx, made.Job, std)
		}
		fmt.Fprintln(std.out, id)
		return s.outcome(made.Job)
	}
	return s.follow(ctx, id, std)
}

// wouldSubmit says what submitting a document would do.
func (s service) wouldSubmit(ctx context.Context, submitter jobs.Submitter, d document.Document, std stdio) error {
	j, err := submitter.Find(ctx, d)
	switch {
	case err != nil:
		return err
	case s.flags.json && j == nil:
		fmt.Fprintln(std.out, report.Line{Type: "summary"}.JSON())
	case s.flags.json:
		l := s.lineOf("summary", *j)
		l.Adopted = true
		fmt.Fprintln(std.out, l.JSON())
	case j == nil:
		s.say(std, "a job would be created")
	default:
		s.say(std, "job %s is there already: %s", aws.ToString(j.Id), strings.ToLower(string(j.Status)))
	}
	return nil
}

// follow waits for the end of a job, and says how it went.
func (s service) follow(ctx context.Context, id string, std stdio) error {
	j, err := s.await(ctx, id, func(state jobs.State) { s.tell(state, std) })
	if err != nil {
		return err
	}
	return s.summary(ctx, j, std)
}

// await waits for the end of a job, but no longer than --timeout.
func (s service) await(parent context.Context, id string, tell func(jobs.State)) (types.Job, error) {
	ctx, cancel := parent, func() {}
	if s.flags.timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(parent, s.flags.timeout, errTimeout)
	}
	defer cancel()
	j, err := jobs.Follower{API: s.api, Pace: s.pace()}.Follow(ctx, id, tell)
	sig, interrupted := errors.AsType[signalled](err)
	left := verdict.With(fmt.Errorf("job %s goes on; `mcfs job wait %s` follows it again, and so does %s", id, id, jobs.Console(s.region, id)), verdict.JobRunning, "mcfs job wait "+id)
	switch {
	case interrupted:
		return j, statusError{left, exitSignal + int(sig.sig)}
	case errors.Is(err, errTimeout), errors.Is(err, batch.ErrAway):
		return j, statusError{left, exitRunning}
	}
	return j, err
}

// tell says how far a job is.
func (s service) tell(state jobs.State, std stdio) {
	if s.flags.json {
		l := report.Progress(state)
		l.Path = s.path
		fmt.Fprintln(std.out, l.JSON())
		return
	}
	s.say(std, "%s", report.Text(state))
}

// lineOf is a job as a line of --json.
func (s service) lineOf(kind string, j types.Job) report.Line {
	l := report.Of(kind, s.region, j)
	l.Path = s.path
	return l
}

// ending is how a job stands, and for a person why it failed.
func (s service) ending(ctx context.Context, kind string, j types.Job) (l report.Line, why []string) {
	l = s.lineOf(kind, j)
	switch j.Status {
	case types.JobStatusComplete:
		l.Outputs = document.Outputs(j.Settings)
	case types.JobStatusError:
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		e := failure.Explain(limited, j, s.reread)
		l.Meaning, l.Cure, l.Replaced, l.Check = e.Meaning, e.Cure, e.Replaced, e.Check
		why = e.Lines()
	}
	return l, why
}

// summary says how a job stands: where its outputs are, or why it failed. Its error is the exit
// status.
func (s service) summary(ctx context.Context, j types.Job, std stdio) error {
	l, why := s.ending(ctx, "summary", j)
	for _, text := range why {
		s.say(std, "%s", text)
	}
	if s.flags.json {
		fmt.Fprintln(std.out, l.JSON())
		return s.outcome(j)
	}
	for _, address := range l.Outputs {
		fmt.Fprintln(std.out, human.Printable(address))
	}
	return s.outcome(j)
}

// outcome is the error, with its exit status, that a job's status is; nil of a complete one.
func (s service) outcome(j types.Job) error {
	err := verdict.OfJob(j)
	switch {
	case err == nil:
		return nil
	case j.Status == types.JobStatusError:
		return statusError{err, exitJobError}
	case j.Status == types.JobStatusCanceled:
		return statusError{err, exitJobCanceled}
	}
	return statusError{err, exitRunning}
}

// say tells a person, on standard error, unless a program reads.
func (s service) say(std stdio, format string, args ...any) {
	if !s.flags.json {
		fmt.Fprintln(std.err, human.Printable(fmt.Sprintf(format, args...)))
	}
}
