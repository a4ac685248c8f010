package jobs

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mcfs/mediaconvert/mediaconverttest"
)

// TestOnce: a version has one job, whatever its document, however that job has ended, and whoever
// else submits it in the same moment; another version has another, and a job of the same version
// that was made by hand is none of them.
func TestOnce(t *testing.T) {
	now := time.Now()
	s, byHand := start(t, mediaconverttest.Options{Now: func() time.Time { return now }})
	sub := byHand
	sub.Once = true
	version := settingsOf("a.mov")
	if _, err := byHand.Submit(t.Context(), documentOf(t, "s3://deliver/", version)); err != nil {
		t.Fatal(err)
	}
	s.ScriptNext(mediaconverttest.Script{Cancel: true})
	first, err := sub.Submit(t.Context(), documentOf(t, "s3://deliver/", version))
	if err != nil || first.Adopted {
		t.Fatalf("%+v, %v", first, err)
	}
	wantJobs(t, s, 2)
	for range 4 {
		if _, err := Get(t.Context(), sub.API, quick, *first.Job.Id); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Hour) // the token is forgotten
	for _, output := range []string{"s3://deliver/", "s3://elsewhere/"} {
		again, err := sub.Submit(t.Context(), documentOf(t, output, version))
		if err != nil || !again.Adopted || *again.Job.Id != *first.Job.Id {
			t.Errorf("%s: %+v, %v", output, again, err)
		}
	}
	wantJobs(t, s, 2)
	version.IV = []byte("fedcba987654\x00\x00\x00\x00")
	other, err := sub.Submit(t.Context(), documentOf(t, "s3://deliver/", version))
	if err != nil || other.Adopted {
		t.Errorf("another version: %+v, %v", other, err)
	}
	wantJobs(t, s, 3)
	running, err := Running(t.Context(), sub.API, quick)
	if err != nil || len(running) != 1 || aws.ToString(running[0].Id) != aws.ToString(other.Job.Id) {
		t.Errorf("%d run: %v", len(running), err)
	}
}

// TestOnceTogether: many that submit a version in one moment, set up differently, make one job.
func TestOnceTogether(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{})
	sub.Once = true
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			output := []string{"s3://deliver/", "s3://elsewhere/"}[i%2]
			_, err := sub.Submit(t.Context(), documentOf(t, output, settingsOf("a.mov")))
			if r, refused := errors.AsType[*Refused](err); err != nil && !(refused && r.Code == "ConflictException") {
				t.Error(err) // that one finds the job the next time
			}
		})
	}
	wg.Wait()
	wantJobs(t, s, 1)
	if got, err := sub.Submit(t.Context(), documentOf(t, "s3://elsewhere/", settingsOf("a.mov"))); err != nil || !got.Adopted {
		t.Errorf("%+v, %v", got, err)
	}
}
