package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/smithy-go"
)

// API is what is asked of the service. The SDK's client is one.
type API interface {
	CreateJob(context.Context, *mediaconvert.CreateJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.CreateJobOutput, error)
	GetJob(context.Context, *mediaconvert.GetJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.GetJobOutput, error)
	ListJobs(context.Context, *mediaconvert.ListJobsInput, ...func(*mediaconvert.Options)) (*mediaconvert.ListJobsOutput, error)
	SearchJobs(context.Context, *mediaconvert.SearchJobsInput, ...func(*mediaconvert.Options)) (*mediaconvert.SearchJobsOutput, error)
	CancelJob(context.Context, *mediaconvert.CancelJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.CancelJobOutput, error)
}

// requestTimeout bounds one request with the SDK's retries of it.
const requestTimeout = 30 * time.Second

// NewClient is a client of a region's own endpoint, or of another one if it is not empty.
func NewClient(cfg aws.Config, region, endpoint string) (*mediaconvert.Client, error) {
	if region == "" {
		region = cfg.Region
	}
	if region == "" {
		return nil, errors.New("no region is known to run jobs in: give one with --region, or set AWS_REGION")
	}
	return mediaconvert.NewFromConfig(cfg, func(o *mediaconvert.Options) {
		o.Region = region
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
	}), nil
}

// Console is the address of a job in the AWS console.
func Console(region, id string) string {
	return "https://" + region + ".console.aws.amazon.com/mediaconvert/home?region=" + region + "#/jobs/summary/" + id
}

// Refused is a request that the service answered with an error.
type Refused struct {
	Action, Code, Message string
	Cure                  string
	err                   error
}

func (e *Refused) Error() string {
	text := fmt.Sprintf("%s: %s (%s)", e.Action, e.Message, e.Code)
	if e.Cure != "" {
		text += ": " + e.Cure
	}
	return text
}

func (e *Refused) Unwrap() error { return e.err }

// once makes one request, with a deadline.
func once[In, Out any](ctx context.Context, what string, do func(context.Context, In, ...func(*mediaconvert.Options)) (Out, error), in In) (Out, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
	defer cancel()
	out, err := do(ctx, in)
	if err == nil {
		return out, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(cause, err)
	}
	return out, describe(what, err)
}

// describe puts the service's own message first, and says what can be done.
func describe(what string, err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("%s: %w", what, err)
	}
	r := &Refused{Action: what, Code: api.ErrorCode(), Message: api.ErrorMessage(), err: err}
	if r.Message == "" {
		r.Message = "the service gives no message"
	}
	switch statusOf(err) {
	case http.StatusForbidden:
		r.Cure = "allow mediaconvert:CreateJob, GetJob, SearchJobs, ListJobs, CancelJob and TagResource to these credentials, and iam:PassRole of the job's role"
	case http.StatusNotFound:
		r.Cure = "correct the name of the job, queue or template, or the region"
	case http.StatusBadRequest:
		r.Cure = "correct the template or the options by what the message says"
	case http.StatusPaymentRequired:
		r.Cure = "wait for other jobs to end, or ask AWS for a higher quota"
	}
	return r
}

// statusOf is the HTTP status of an answer, 0 if there was none.
func statusOf(err error) int {
	if answered, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return answered.HTTPStatusCode()
	}
	return 0
}

// throttled reports whether the service wants to be asked less often.
func throttled(err error) bool {
	if statusOf(err) == http.StatusTooManyRequests {
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "TooManyRequestsException" || strings.HasPrefix(api.ErrorCode(), "Throttl"))
}

// Unreachable reports whether a request failed since nothing answered it.
func Unreachable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if errors.Is(err, ErrUnclear) {
		return true
	}
	op, sent := errors.AsType[*smithy.OperationError](err)
	return sent && op.ServiceID == mediaconvert.ServiceID && unclear(err)
}

// unclear reports whether a request may have been carried out, or would succeed later: nothing
// answered, or the service failed.
func unclear(err error) bool {
	status := statusOf(err)
	if status >= http.StatusInternalServerError {
		return true
	}
	_, answered := errors.AsType[smithy.APIError](err)
	return status == 0 && !answered
}
