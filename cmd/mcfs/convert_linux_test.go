package main

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"mcfs/keys/kmstest"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/store/s3/s3test"
)

// convertKey is under what a script has its MediaConvert.
type convertKey struct{}

func convertOf(ts *testscript.TestScript) *mediaconverttest.Server {
	return ts.Value(convertKey{}).(*mediaconverttest.Server)
}

// startConvert starts a MediaConvert that reads from the S3 server and has the keys.
func startConvert(t *testing.T, s3 *s3test.Server, kms *kmstest.Server) *mediaconverttest.Server {
	return mediaconverttest.Start(t, mediaconverttest.Options{
		Region: kms.Region(), AccessKey: s3.AccessKey, SecretKey: s3.SecretKey,
		S3:           awss3.NewFromConfig(s3.AWS(), func(o *awss3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(s3.URL), true }),
		KMS:          map[string]*kmstest.Server{kms.Region(): kms},
		JobTemplates: []string{"House style"},
	})
}

// cmdConvert tells MediaConvert how the next job goes, or asks what it has: convert fail CODE
// MESSAGE, convert cancel, convert hold, convert release, convert lose, convert jobs NUMBER,
// convert env NAME, which is the last job's ID.
func cmdConvert(ts *testscript.TestScript, neg bool, args []string) {
	s := convertOf(ts)
	last := func() string {
		all := s.Jobs()
		if len(all) == 0 {
			ts.Fatalf("no job was made")
		}
		return *all[len(all)-1].Id
	}
	switch args[0] {
	case "fail":
		code, err := strconv.Atoi(args[1])
		ts.Check(err)
		s.ScriptNext(mediaconverttest.Script{Code: int32(code), Message: args[2], HidePercent: true})
	case "cancel":
		s.ScriptNext(mediaconverttest.Script{Cancel: true})
	case "hold":
		s.ScriptNext(mediaconverttest.Script{Hold: true})
	case "release":
		for _, j := range s.Jobs() {
			s.Release(*j.Id)
		}
	case "lose":
		s.FailNext(1, "CreateJob", mediaconverttest.LoseAnswer)
	case "jobs":
		if n := len(s.Jobs()); neg || strconv.Itoa(n) != args[1] {
			ts.Fatalf("%d jobs, not %s", n, args[1])
		}
	case "env":
		ts.Setenv(args[1], last())
	default:
		ts.Fatalf("convert %s: unknown", args[0])
	}
}
