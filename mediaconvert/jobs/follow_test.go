package jobs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

func running(phase types.JobPhase, percent *int32) *types.Job {
	return &types.Job{Id: aws.String("1"), Status: types.JobStatusProgressing, CurrentPhase: phase, JobPercentComplete: percent}
}

func done() *types.Job { return &types.Job{Id: aws.String("1"), Status: types.JobStatusComplete} }

// intervals follows a job that answers so, one after the other, and returns the waits between.
func intervals(t *testing.T, answers ...any) (list []time.Duration, err error) {
	t.Helper()
	var at []time.Time
	f := &fake{get: func() (*types.Job, error) {
		at = append(at, time.Now())
		a := answers[min(len(at), len(answers))-1]
		if err, failed := a.(error); failed {
			return nil, err
		}
		return a.(*types.Job), nil
	}}
	_, err = Follower{API: f}.Follow(t.Context(), "1", func(State) {})
	for i := range at[1:] {
		list = append(list, at[i+1].Sub(at[i]))
	}
	return list, err
}

func near(got []time.Duration, want ...time.Duration) bool {
	if len(got) != len(want) {
		return false
	}
	for i, w := range want {
		if got[i] < w*8/10 || got[i] > w*12/10 {
			return false
		}
	}
	return true
}

// The service is asked every ten seconds, or so; while it is asked too often, or does not answer,
// up to a minute apart.
func TestPace(t *testing.T) {
	busy := &types.TooManyRequestsException{Message: aws.String("slow down")}
	away := errors.New("connection reset")
	const s = time.Second
	synctest.Test(t, func(t *testing.T) {
		one := running(types.JobPhaseProbing, nil)
		got, err := intervals(t, one, one, busy, busy, busy, away, busy, one, one, busy, done())
		if err != nil || !near(got, 10*s, 10*s, 20*s, 40*s, 60*s, 60*s, 60*s, 10*s, 10*s, 20*s) {
			t.Errorf("%v %v", got, err)
		}
		var same int
		for range 50 {
			if got, _ := intervals(t, one, done()); got[0] == 10*s {
				same++
			}
		}
		if same > 5 {
			t.Errorf("%d of 50 waits are without jitter", same)
		}
	})
}

// It is given up when it has not answered for a quarter of an hour, and at once when it refuses.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := intervals(t, running(types.JobPhaseProbing, nil), errors.New("connection reset"))
		if d := time.Since(start); err == nil || d < 15*time.Minute || d > 18*time.Minute {
			t.Errorf("after %v: %v", d, err)
		}
		got, err := intervals(t, &types.NotFoundException{Message: aws.String("no such job")})
		if len(got) != 0 || err == nil || !strings.HasPrefix(err.Error(), "get the job 1: no such job (NotFoundException)") {
			t.Errorf("%v %v", got, err)
		}
	})
}

// Each state is told once; a percentage may be absent.
func TestTellsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		warned := running(types.JobPhaseTranscoding, aws.Int32(5))
		warned.Messages = &types.JobMessages{Warning: []string{"w"}, Info: []string{"i"}}
		jobs := []*types.Job{{Id: aws.String("1"), Queue: aws.String("q"), Status: types.JobStatusSubmitted}, running(types.JobPhaseProbing, nil),
			running(types.JobPhaseProbing, nil), running(types.JobPhaseTranscoding, aws.Int32(5)), running(types.JobPhaseTranscoding, aws.Int32(5)), warned, done()}
		f := &fake{get: func() (*types.Job, error) {
			j := jobs[0]
			jobs = jobs[1:]
			return j, nil
		}}
		var told []State
		if _, err := (Follower{API: f}).Follow(t.Context(), "1", func(s State) { told = append(told, s) }); err != nil {
			t.Fatal(err)
		}
		if len(told) != 5 || told[0].Queue != "q" || told[1].Percent != nil || *told[2].Percent != 5 || told[3].Warnings[0] != "w" || told[3].Info[0] != "i" || told[4].Status != types.JobStatusComplete {
			t.Errorf("%+v", told)
		}
	})
}

// Who stops following leaves the job alone, at once.
func TestDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("interrupted")
		ctx, stop := context.WithCancelCause(t.Context())
		f := &fake{get: func() (*types.Job, error) { return running(types.JobPhaseProbing, nil), nil }}
		time.AfterFunc(25*time.Second, func() { stop(why) })
		start := time.Now()
		if _, err := (Follower{API: f}).Follow(ctx, "1", func(State) {}); !errors.Is(err, why) {
			t.Error(err)
		}
		if d := time.Since(start); d != 25*time.Second || f.cancel != 0 {
			t.Errorf("after %v, %d cancellations", d, f.cancel)
		}
	})
}

func TestClientNeedsARegion(t *testing.T) {
	if _, err := NewClient(aws.Config{}, "", ""); err == nil || !strings.Contains(err.Error(), "--region") {
		t.Error(err)
	}
	c, err := NewClient(aws.Config{Region: "us-west-2"}, "eu-west-1", "")
	if err != nil || c.Options().Region != "eu-west-1" || c.Options().BaseEndpoint != nil {
		t.Errorf("%v", err)
	}
	if got := Console("eu-west-1", "1-x"); got != "https://eu-west-1.console.aws.amazon.com/mediaconvert/home?region=eu-west-1#/jobs/summary/1-x" {
		t.Error(got)
	}
}
