package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/crypt"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/sidecar"
)

// quick is a pace for tests.
var quick = Pace{Every: time.Millisecond, Most: 4 * time.Millisecond, Patience: 10 * time.Second}

// retries is how often the SDK tries.
const retries = 3

// client is one that does not wait between its tries.
func client(t *testing.T, s *mediaconverttest.Server) *mediaconvert.Client {
	t.Helper()
	c, err := NewClient(s.Config(), "", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return mediaconvert.New(c.Options(), func(o *mediaconvert.Options) { o.Retryer = hasty{o.Retryer} })
}

// hasty is a retryer without backoff.
type hasty struct{ aws.Retryer }

func (hasty) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// documentOf is that of a job of these inputs.
func documentOf(t *testing.T, output string, inputs ...sidecar.Settings) document.Document {
	t.Helper()
	var list []document.Input
	for _, s := range inputs {
		list = append(list, document.Input{Name: s.FileInput, Settings: s})
	}
	d, err := document.Build(list, document.Options{Role: mediaconverttest.Role, Region: "us-west-2", Output: output})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func settingsOf(key string) sidecar.Settings {
	return sidecar.Settings{FileInput: "s3://ingest/" + key, Mode: "AES_CTR", Key: make([]byte, 184), IV: []byte("0123456789ab\x00\x00\x00\x00"), Region: "us-west-2"}
}

func start(t *testing.T, o mediaconverttest.Options) (*mediaconverttest.Server, Submitter) {
	t.Helper()
	s := mediaconverttest.Start(t, o)
	return s, Submitter{API: client(t, s), Pace: quick}
}

func wantJobs(t *testing.T, s *mediaconverttest.Server, n int) {
	t.Helper()
	if got := len(s.Jobs()); got != n {
		t.Errorf("%d jobs, not %d", got, n)
	}
}

// A job is submitted, followed to its end, and names the versions that it is for.
func TestSubmitAndFollow(t *testing.T) {
	st := mediaconverttest.NewStudio(t, mediaconverttest.Options{})
	a := st.Save("a & b.mkv", mediaconverttest.Film(t), crypt.CTR, 16, 256)
	b := st.Save("c.mkv", mediaconverttest.Film(t), crypt.GCM, 12, 256)
	api := client(t, st.Server)
	got, err := Submitter{API: api, Pace: quick}.Submit(t.Context(), documentOf(t, "s3://deliver/", a, b))
	if err != nil || got.Adopted {
		t.Fatalf("%+v %v", got, err)
	}
	var seen []string
	j, err := Follower{API: api, Pace: quick}.Follow(t.Context(), *got.Job.Id, func(s State) {
		seen = append(seen, fmt.Sprintf("%s %s %d", s.Status, s.Phase, aws.ToInt32(s.Percent)))
	})
	if err != nil || j.Status != types.JobStatusComplete {
		t.Fatalf("%s %v", j.Status, err)
	}
	if want := "SUBMITTED  0,PROGRESSING PROBING 0,PROGRESSING TRANSCODING 50,PROGRESSING UPLOADING 90,COMPLETE UPLOADING 100"; strings.Join(seen, ",") != want {
		t.Errorf("%q", seen)
	}
	if j.UserMetadata[document.IVName(0)] == "" || j.UserMetadata[document.IVName(1)] == "" || j.UserMetadata[document.IVName(0)] == j.UserMetadata[document.IVName(1)] {
		t.Errorf("%v", j.UserMetadata)
	}
}

// An answer that is lost makes no second job: not where the SDK tries again, not where nothing
// ever answers, and not in a later run, when the service has forgotten the token.
func TestLostAnswers(t *testing.T) {
	for lost := 1; lost <= retries; lost++ {
		now := time.Now()
		s, sub := start(t, mediaconverttest.Options{Now: func() time.Time { return now }})
		d := documentOf(t, "s3://deliver/", settingsOf("a.mov"))
		s.FailNext(lost, "CreateJob", mediaconverttest.LoseAnswer)
		first, err := sub.Submit(t.Context(), d)
		if err != nil || first.Adopted != (lost == retries) {
			t.Errorf("%d lost: adopted %v: %v", lost, first.Adopted, err)
		}
		now = now.Add(time.Hour)
		again, err := sub.Submit(t.Context(), d)
		if err != nil || !again.Adopted || *again.Job.Id != *first.Job.Id {
			t.Errorf("%d lost, a later run: %v", lost, err)
		}
		wantJobs(t, s, 1)
	}
}

// Where nobody knows whether the job was made that is said, and a later run makes it.
func TestUnclear(t *testing.T) {
	for _, fault := range []string{mediaconverttest.DropConnection, "InternalServerErrorException"} {
		s, sub := start(t, mediaconverttest.Options{})
		s.FailNext(retries, "CreateJob", fault)
		d := documentOf(t, "s3://deliver/", settingsOf("a.mov"))
		if _, err := sub.Submit(t.Context(), d); !errors.Is(err, ErrUnclear) {
			t.Errorf("%s: %v", fault, err)
		}
		wantJobs(t, s, 0)
		if got, err := sub.Submit(t.Context(), d); err != nil || got.Adopted {
			t.Errorf("%s: %v", fault, err)
		}
		wantJobs(t, s, 1)
	}
}

// Who interrupts a submission is told that the job may have been made.
func TestInterrupted(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{})
	ctx, stop := context.WithCancelCause(t.Context())
	sub.API = &interrupting{sub.API, func() { stop(errors.New("interrupted")) }}
	d := documentOf(t, "s3://deliver/", settingsOf("a.mov"))
	if _, err := sub.Submit(ctx, d); !errors.Is(err, ErrUnclear) || !strings.Contains(err.Error(), "interrupted") {
		t.Error(err)
	}
	sub.API = client(t, s)
	if got, err := sub.Submit(t.Context(), d); err != nil || !got.Adopted {
		t.Errorf("adopted %v: %v", got.Adopted, err)
	}
	wantJobs(t, s, 1)
}

// A job that failed at once, while the answer of its making was lost, is the one that is told of.
func TestLostAnswerOfAJobThatFailed(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{})
	d := documentOf(t, "s3://deliver/", settingsOf("a.mov"))
	ended := &ending{API: sub.API, s: s}
	sub.API = ended
	s.FailNext(retries, "CreateJob", mediaconverttest.LoseAnswer)
	got, err := sub.Submit(t.Context(), d)
	if err != nil || got.Job.Status != types.JobStatusCanceled {
		t.Errorf("%s %v", got.Job.Status, err)
	}
	wantJobs(t, s, 1)
}

// A job that waits, runs or is complete is adopted. One that failed or was cancelled is not.
func TestAdopts(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{PageSize: 1})
	d := documentOf(t, "s3://deliver/", settingsOf("a.mov"), settingsOf("b.mov"))
	submit := func(want bool) string {
		t.Helper()
		got, err := sub.Submit(t.Context(), d)
		if err != nil || got.Adopted != want {
			t.Fatalf("adopted %v: %v", got.Adopted, err)
		}
		return *got.Job.Id
	}
	first := submit(false)
	if submit(true) != first {
		t.Error("another job was adopted")
	}
	if err := Cancel(t.Context(), sub.API, quick, first); err != nil {
		t.Fatal(err)
	}
	second := submit(false) // within the minute for which the first one's token is known
	if second == first || submit(true) != second {
		t.Error("a cancelled job was adopted")
	}
	if j, err := (Follower{sub.API, quick}).Follow(t.Context(), second, func(State) {}); err != nil || j.Status != types.JobStatusError {
		t.Fatalf("%s %v", j.Status, err)
	}
	third := submit(false)
	sub.Again = true
	if submit(true) != third {
		t.Error("a job that waits was not adopted")
	}
	wantJobs(t, s, 3)
}

// A job that is complete is adopted, unless another one is wished for.
func TestAgain(t *testing.T) {
	st := mediaconverttest.NewStudio(t, mediaconverttest.Options{})
	sub := Submitter{API: client(t, st.Server), Pace: quick}
	d := documentOf(t, "s3://deliver/", st.Save("a.mkv", mediaconverttest.Film(t), crypt.CTR, 16, 256))
	first, err := sub.Submit(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Follower{sub.API, quick}).Follow(t.Context(), *first.Job.Id, func(State) {}); err != nil {
		t.Fatal(err)
	}
	if got, err := sub.Submit(t.Context(), d); err != nil || !got.Adopted || got.Job.Status != types.JobStatusComplete {
		t.Errorf("%+v %v", got, err)
	}
	sub.Again = true
	if got, err := sub.Submit(t.Context(), d); err != nil || got.Adopted {
		t.Errorf("%+v %v", got, err)
	}
	wantJobs(t, st.Server, 2)
}

// Other versions, other outputs and other files get jobs of their own, however alike their names.
func TestOtherDocuments(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{PageSize: 2})
	saved := settingsOf("a.mov")
	saved.IV = []byte("another IV of 16")
	long := strings.Repeat("ü", 400) + ".mov"
	for i, d := range []document.Document{
		documentOf(t, "s3://deliver/", settingsOf("a.mov")),
		documentOf(t, "s3://deliver/", saved),
		documentOf(t, "s3://deliver/2/", settingsOf("a.mov")),
		documentOf(t, "s3://deliver/", settingsOf("a.mov2.mov")),
		documentOf(t, "s3://deliver/", settingsOf("x/"+long)),
		documentOf(t, "s3://deliver/", settingsOf("y/"+long)),
	} {
		for _, want := range []bool{false, true} {
			if got, err := sub.Submit(t.Context(), d); err != nil || got.Adopted != want {
				t.Errorf("document %d: adopted %v: %v", i, got.Adopted, err)
			}
		}
	}
	wantJobs(t, s, 6)
}

// Many who submit one document at once make one job.
func TestAtOnce(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{})
	d := documentOf(t, "s3://deliver/", settingsOf("a.mov"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := sub.Submit(t.Context(), d); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantJobs(t, s, 1)
}

func TestThrottled(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{})
	s.FailNext(5*retries, "SearchJobs", "TooManyRequestsException")
	s.FailNext(5*retries, "CreateJob", "TooManyRequestsException")
	if _, err := sub.Submit(t.Context(), documentOf(t, "s3://deliver/", settingsOf("a.mov"))); err != nil {
		t.Error(err)
	}
	wantJobs(t, s, 1)
}

// What the service refuses begins with its own message.
func TestRefused(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{})
	d := documentOf(t, "s3://deliver/", settingsOf("a.mov"))
	for code, cure := range map[string]string{
		"ForbiddenException": "iam:PassRole", "NotFoundException": "queue or template", "BadRequestException": "correct the template",
		"ServiceQuotaExceededException": "quota", "ConflictException": "",
	} {
		s.FailNext(1, "CreateJob", code)
		_, err := sub.Submit(t.Context(), d)
		var r *Refused
		if !errors.As(err, &r) || !strings.HasPrefix(err.Error(), "create the job: on demand of the test ("+code+")") || !strings.Contains(r.Cure, cure) {
			t.Errorf("%s: %v", code, err)
		}
	}
	d.Job.Role = nil
	if _, err := sub.Submit(t.Context(), d); !errors.As(err, new(*document.Refusal)) {
		t.Errorf("no role: %v", err)
	}
	wantJobs(t, s, 0)
}

// The list is of our jobs, the latest first.
func TestList(t *testing.T) {
	s, sub := start(t, mediaconverttest.Options{PageSize: 2})
	var ids []string
	for i := range 5 {
		got, err := sub.Submit(t.Context(), documentOf(t, fmt.Sprintf("s3://deliver/%d/", i), settingsOf("a.mov")))
		if err != nil {
			t.Fatal(err)
		}
		ids = append([]string{*got.Job.Id}, ids...)
	}
	other := documentOf(t, "s3://deliver/", settingsOf("a.mov"))
	other.Job.UserMetadata = nil
	if _, err := sub.API.CreateJob(t.Context(), other.Job); err != nil {
		t.Fatal(err)
	}
	wantJobs(t, s, 6)
	for most, want := range map[int]int{3: 3, 100: 5} {
		list, err := List(t.Context(), sub.API, quick, most)
		if err != nil || len(list) != want {
			t.Fatalf("%d jobs of %d: %v", len(list), want, err)
		}
		for i, j := range list {
			if *j.Id != ids[i] {
				t.Errorf("job %d is %s, not %s", i, *j.Id, ids[i])
			}
		}
	}
	if _, err := sub.Submit(t.Context(), documentOf(t, "s3://deliver/", settingsOf("a.mov2.mov"))); err != nil {
		t.Fatal(err)
	}
	if list, err := Search(t.Context(), sub.API, quick, "s3://ingest/a.mov", 0); err != nil || len(list) != 6 {
		t.Errorf("%d jobs found: %v", len(list), err)
	}
	if list, err := Search(t.Context(), sub.API, quick, "s3://ingest/a.mov", 4); err != nil || len(list) != 4 {
		t.Errorf("%d jobs found: %v", len(list), err)
	}
	if j, err := Get(t.Context(), sub.API, quick, ids[0]); err != nil || *j.Id != ids[0] {
		t.Error(err)
	}
	if _, err := Get(t.Context(), sub.API, quick, "none"); !errors.As(err, new(*Refused)) {
		t.Error(err)
	}
}
