package verdict

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/failure"
)

// OfJob is the error that the status of a job is: nil of one that is complete.
func OfJob(j types.Job) error {
	id := aws.ToString(j.Id)
	switch j.Status {
	case types.JobStatusComplete:
		return nil
	case types.JobStatusError:
		number := aws.ToInt32(j.ErrorCode)
		return With(fmt.Errorf("job %s ended in error %d: %s", id, number, aws.ToString(j.ErrorMessage)), JobError, cureOf(number))
	case types.JobStatusCanceled:
		return With(fmt.Errorf("job %s was cancelled", id), JobCanceled, "run the command again, which makes another")
	}
	return With(fmt.Errorf("job %s still runs: `mcfs job wait %s` follows it", id, id), JobRunning, "mcfs job wait "+id)
}

// cureOf is what is documented to do about an error of a job.
func cureOf(number int32) string {
	if e, ok := failure.Of(number); ok {
		return e.Cure
	}
	return "see https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_error_codes.html"
}
