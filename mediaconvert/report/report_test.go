package report

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/jobs"
)

const queue = "arn:aws:mediaconvert:us-west-2:111122223333:queues/Default"

// TestText: what a person reads while a job goes on.
func TestText(t *testing.T) {
	for want, s := range map[string]jobs.State{
		"job 1: waits in the queue Default":                            {ID: "1", Status: types.JobStatusSubmitted, Queue: queue},
		"job 1: transcoding, 50%":                                      {ID: "1", Status: types.JobStatusProgressing, Phase: types.JobPhaseTranscoding, Percent: aws.Int32(50)},
		"job 1: progressing":                                           {ID: "1", Status: types.JobStatusProgressing},
		"job 1: complete; warning: no audio; warning: it is very long": {ID: "1", Status: types.JobStatusComplete, Percent: aws.Int32(100), Warnings: []string{"no audio", "it is very long"}},
	} {
		if got := Text(s); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestLines: the names of a line, and that what is not known is left out.
func TestLines(t *testing.T) {
	made := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	j := types.Job{Id: aws.String("1"), Status: types.JobStatusError, Queue: aws.String(queue), CreatedAt: &made, ErrorCode: aws.Int32(1040), ErrorMessage: aws.String("no"),
		Settings: &types.JobSettings{Inputs: []types.Input{{FileInput: aws.String("s3://a/b")}, {FileInput: aws.String("s3://a/c")}}}}
	want := `{"v":1,"type":"item","id":"1","status":"ERROR","queue":"` + queue + `","created":"2026-05-04T12:00:00Z","inputs":["s3://a/b","s3://a/c"],"code":1040,"message":"no",` +
		`"console":"https://us-west-2.console.aws.amazon.com/mediaconvert/home?region=us-west-2#/jobs/summary/1"}`
	if got := Of("item", "us-west-2", j).JSON(); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	if got, want := (Line{Type: "summary"}).JSON(), `{"v":1,"type":"summary"}`; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if got, want := Row(j), "1  error        "+made.Local().Format("2006-01-02 15:04")+"  s3://a/b and 1 more"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}
