package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/wire"
)

// Mark is the name in a job's UserMetadata of the mark of its document.
const Mark = "mcfs-document"

// Watched is the name in UserMetadata of jobs of which there is one a version.
const Watched = "mcfs-watch"

// ErrUnclear is a submission of which nobody knows whether the job was made.
var ErrUnclear = errors.New("it is not known whether the job was made: run the same command again, which finds it")

// settleTries is how often a job is looked for whose making is unclear.
const settleTries = 4

// Submitted is the job of a document.
type Submitted struct {
	Job     types.Job
	Adopted bool // it was there already
}

// Submitter makes jobs of documents.
type Submitter struct {
	API   API
	Pace  Pace // between tries when the service is asked too often
	Again bool // a job of the same document that is complete does not count
	// Once makes one job of a version of a file: any that was made so counts, whatever its document
	// and its end.
	Once bool
}

// Ready refuses a document that can be printed, but not submitted.
func Ready(d document.Document) error {
	if aws.ToString(d.Job.Role) != "" {
		return nil
	}
	return &document.Refusal{What: "Role", Why: "the document has none, and no job runs without", Cure: "give the role that MediaConvert takes on with --role"}
}

// Submit makes the job of a document, or adopts the one that there is: waiting, running or
// complete. After one that ended in ERROR or CANCELED it makes another.
func (s Submitter) Submit(ctx context.Context, d document.Document) (Submitted, error) {
	if err := Ready(d); err != nil {
		return Submitted{}, err
	}
	job, mark, err := s.marked(d.Job)
	if err != nil {
		return Submitted{}, err
	}
	alive, ended, err := s.find(ctx, job, mark)
	if err != nil || alive != nil {
		return adopted(alive), err
	}
	job.ClientRequestToken = aws.String(s.token(job, mark, len(ended)))
	out, err := patiently(ctx, s.Pace, func() (*mediaconvert.CreateJobOutput, error) {
		return once(ctx, "create the job", s.API.CreateJob, job)
	})
	switch {
	case err == nil && out.Job != nil:
		return Submitted{Job: *out.Job}, nil
	case err == nil:
		err = errors.New("create the job: the answer has none")
	case !unclear(err):
		return Submitted{}, err
	case ctx.Err() != nil:
		return Submitted{}, fmt.Errorf("%w: %w", ErrUnclear, context.Cause(ctx))
	}
	return s.settle(ctx, job, mark, len(ended), err)
}

// Find returns the job of a document that Submit would adopt, nil if it would make one.
func (s Submitter) Find(ctx context.Context, d document.Document) (*types.Job, error) {
	job, mark, err := s.marked(d.Job)
	if err != nil {
		return nil, err
	}
	alive, _, err := s.find(ctx, job, mark)
	return alive, err
}

// marked is a copy of a job that carries the mark of its document.
func (s Submitter) marked(in *mediaconvert.CreateJobInput) (*mediaconvert.CreateJobInput, string, error) {
	job := *in
	job.ClientRequestToken = nil
	text, err := wire.Encode(&job, wire.Camel)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(text)
	mark := hex.EncodeToString(sum[:16])
	job.UserMetadata = maps.Clone(job.UserMetadata)
	if job.UserMetadata == nil {
		job.UserMetadata = make(map[string]string)
	}
	job.UserMetadata[Mark] = mark
	if s.Once {
		job.UserMetadata[Watched] = "1"
	}
	return &job, mark, nil
}

// token is what the service knows two requests for one job by. Of a version it is one for all
// documents: two machines that are set up differently make one job.
func (s Submitter) token(job *mediaconvert.CreateJobInput, mark string, before int) string {
	if s.Once {
		sum := sha256.Sum256([]byte(aws.ToString(job.Settings.Inputs[0].FileInput) + "\n" + job.UserMetadata[document.IVs]))
		mark = "version-" + hex.EncodeToString(sum[:16])
	}
	return mark + "-" + strconv.Itoa(before)
}

// counts reports whether a job is one of the document or, with Once, of the version.
func (s Submitter) counts(j types.Job, of *mediaconvert.CreateJobInput, mark string) bool {
	if !s.Once {
		return j.UserMetadata[Mark] == mark
	}
	iv := of.UserMetadata[document.IVs]
	return j.UserMetadata[Watched] != "" && iv != "" && j.UserMetadata[document.IVs] == iv
}

// settle looks for a job whose making is unclear. Before it, so many jobs of the document had ended.
func (s Submitter) settle(ctx context.Context, job *mediaconvert.CreateJobInput, mark string, before int, why error) (Submitted, error) {
	for range settleTries {
		alive, ended, err := s.find(ctx, job, mark)
		switch {
		case err == nil && alive != nil:
			return adopted(alive), nil
		case err == nil && len(ended) > before:
			return adopted(&ended[0]), nil // the latest
		}
		if sleep(ctx, s.Pace.first()) != nil {
			break
		}
	}
	return Submitted{}, fmt.Errorf("%w: %w", ErrUnclear, why)
}

func adopted(job *types.Job) Submitted {
	if job == nil {
		return Submitted{}
	}
	return Submitted{Job: *job, Adopted: true}
}

// find looks for the jobs of a document: one that counts, nil if there is none, and those that do
// not, the latest first.
func (s Submitter) find(ctx context.Context, job *mediaconvert.CreateJobInput, mark string) (alive *types.Job, ended []types.Job, err error) {
	found, err := Search(ctx, s.API, s.Pace, aws.ToString(job.Settings.Inputs[0].FileInput), 0)
	if err != nil {
		return nil, nil, err
	}
	for i, j := range found {
		switch {
		case !s.counts(j, job, mark):
		case !s.Once && Ended(j.Status) && (j.Status != types.JobStatusComplete || s.Again):
			ended = append(ended, j)
		case alive == nil || Ended(alive.Status): // a job that runs before one that is complete
			alive = &found[i]
		}
	}
	return alive, ended, nil
}

// Ended reports whether nothing happens to a job any more.
func Ended(s types.JobStatus) bool {
	return s == types.JobStatusComplete || s == types.JobStatusError || s == types.JobStatusCanceled
}

// maxSearched is how many characters of an address a search takes.
const maxSearched = 300

// Search returns the jobs that have an input of that address, the latest first. most is how many,
// 0 for all.
func Search(ctx context.Context, api API, p Pace, address string, most int) ([]types.Job, error) {
	part := []rune(address)
	if len(part) > maxSearched {
		part = part[len(part)-maxSearched:]
	}
	in := &mediaconvert.SearchJobsInput{InputFile: aws.String(string(part)), MaxResults: aws.Int32(20), Order: types.OrderDescending}
	var list []types.Job
	for {
		out, err := patiently(ctx, p, func() (*mediaconvert.SearchJobsOutput, error) {
			return once(ctx, "look for jobs", api.SearchJobs, in)
		})
		if err != nil {
			return nil, err
		}
		for _, j := range out.Jobs {
			if hasInput(j, address) {
				list = append(list, j)
			}
		}
		if most > 0 && len(list) >= most {
			return list[:most], nil
		}
		if aws.ToString(out.NextToken) == "" {
			return list, nil
		}
		in.NextToken = out.NextToken
	}
}

// hasInput reports whether a job has an input of that very address.
func hasInput(j types.Job, address string) bool {
	if j.Settings == nil {
		return false
	}
	for _, in := range j.Settings.Inputs {
		if aws.ToString(in.FileInput) == address {
			return true
		}
	}
	return false
}

// List returns the latest jobs of the account that mcfs has made, at most so many.
func List(ctx context.Context, api API, p Pace, most int) ([]types.Job, error) {
	in := &mediaconvert.ListJobsInput{MaxResults: aws.Int32(20), Order: types.OrderDescending}
	var list []types.Job
	for {
		out, err := patiently(ctx, p, func() (*mediaconvert.ListJobsOutput, error) {
			return once(ctx, "list the jobs", api.ListJobs, in)
		})
		if err != nil {
			return nil, err
		}
		for _, j := range out.Jobs {
			if made(j) {
				list = append(list, j)
			}
		}
		if len(list) >= most {
			return list[:most], nil
		}
		if aws.ToString(out.NextToken) == "" {
			return list, nil
		}
		in.NextToken = out.NextToken
	}
}

// Running returns the jobs of the account that are one of a version, and wait or run.
func Running(ctx context.Context, api API, p Pace) ([]types.Job, error) {
	var list []types.Job
	for _, status := range []types.JobStatus{types.JobStatusSubmitted, types.JobStatusProgressing} {
		in := &mediaconvert.ListJobsInput{MaxResults: aws.Int32(20), Order: types.OrderDescending, Status: status}
		for more := true; more; more = aws.ToString(in.NextToken) != "" {
			out, err := patiently(ctx, p, func() (*mediaconvert.ListJobsOutput, error) {
				return once(ctx, "list the jobs", api.ListJobs, in)
			})
			if err != nil {
				return nil, err
			}
			for _, j := range out.Jobs {
				if j.UserMetadata[Watched] != "" && j.Settings != nil && len(j.Settings.Inputs) > 0 {
					list = append(list, j)
				}
			}
			in.NextToken = out.NextToken
		}
	}
	return list, nil
}

// made reports whether mcfs has made the job, or its document.
func made(j types.Job) bool {
	for _, name := range []string{Mark, document.IVs, document.ETags} {
		if _, ours := j.UserMetadata[name]; ours {
			return true
		}
	}
	return false
}

// Get returns a job as it is now.
func Get(ctx context.Context, api API, p Pace, id string) (types.Job, error) {
	out, err := patiently(ctx, p, func() (*mediaconvert.GetJobOutput, error) {
		return once(ctx, "get the job "+id, api.GetJob, &mediaconvert.GetJobInput{Id: &id})
	})
	if err == nil && out.Job == nil {
		err = fmt.Errorf("get the job %s: the answer has none", id)
	}
	if err != nil {
		return types.Job{}, err
	}
	return *out.Job, nil
}

// Cancel ends a job that waits or runs.
func Cancel(ctx context.Context, api API, p Pace, id string) error {
	_, err := patiently(ctx, p, func() (*mediaconvert.CancelJobOutput, error) {
		return once(ctx, "cancel the job "+id, api.CancelJob, &mediaconvert.CancelJobInput{Id: &id})
	})
	return err
}

// patiently repeats a request for as long as the service wants to be asked less often.
func patiently[Out any](ctx context.Context, p Pace, do func() (Out, error)) (Out, error) {
	wait := p.first()
	for start := time.Now(); ; wait = p.slower(wait) {
		out, err := do()
		if err == nil || !throttled(err) || time.Since(start) > p.patience() {
			return out, err
		}
		if sleep(ctx, wait) != nil {
			return out, err
		}
	}
}
