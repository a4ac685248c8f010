package verdict

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// TestOfJob: a job that is not complete is an error with the word and the cure of its end; the
// service's own message is in it.
func TestOfJob(t *testing.T) {
	job := func(s types.JobStatus, code int32) types.Job {
		return types.Job{Id: aws.String("1-a"), Status: s, ErrorCode: &code, ErrorMessage: aws.String("it says so")}
	}
	if err := OfJob(job(types.JobStatusComplete, 0)); err != nil {
		t.Errorf("complete: %v", err)
	}
	for want, j := range map[Line]types.Job{
		{Code: JobError, Message: "job 1-a ended in error 1433: it says so", Cure: "correct --role"}:                                                                       job(types.JobStatusError, 1433),
		{Code: JobError, Message: "job 1-a ended in error 4711: it says so", Cure: "see https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_error_codes.html"}: job(types.JobStatusError, 4711),
		{Code: JobCanceled, Message: "job 1-a was cancelled", Cure: "run the command again, which makes another"}:                                                          job(types.JobStatusCanceled, 0),
		{Code: JobRunning, Message: "job 1-a still runs: `mcfs job wait 1-a` follows it", Cure: "mcfs job wait 1-a"}:                                                       job(types.JobStatusProgressing, 0),
	} {
		got := LineOf(OfJob(j))
		got.Type = ""
		if got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
}
