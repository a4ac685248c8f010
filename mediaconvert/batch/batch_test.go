package batch

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/document"
)

// numbers is a source of so many items.
func numbers(n int) func(context.Context, func(int) bool) error {
	return func(_ context.Context, do func(int) bool) error {
		for i := range n {
			if !do(i) {
				return nil
			}
		}
		return nil
	}
}

// TestRun: each item is done once, as many at once as was asked for, and the source's error is told.
func TestRun(t *testing.T) {
	const parallel = 3
	var seen sync.Map
	var now atomic.Int32
	var gate sync.WaitGroup
	gate.Add(parallel)
	err := Run(t.Context(), parallel, func(ctx context.Context, do func(int) bool) error {
		return errors.Join(numbers(100)(ctx, do), io.ErrUnexpectedEOF)
	}, func(_ context.Context, i int) bool {
		if now.Add(1) > parallel {
			t.Error("more at once than were asked for")
		}
		if i < parallel { // the first ones wait for each other
			gate.Done()
			gate.Wait()
		}
		now.Add(-1)
		if _, again := seen.Swap(i, true); again {
			t.Errorf("%d is done twice", i)
		}
		return false
	})
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n != 100 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d are done: %v", n, err)
	}
}

// TestRunEnds: with the context, while the source waits, nothing further is begun; and when nobody
// answers for several in a row.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	err := Run(ctx, 1, func(_ context.Context, do func(int) bool) error {
		do(1)
		select {} // as a read of standard input does
	}, func(context.Context, int) bool {
		cancel(io.EOF)
		return false
	})
	if !errors.Is(err, io.EOF) {
		t.Errorf("the cause was told as %v", err)
	}
	var done atomic.Int32
	err = Run(t.Context(), 1, numbers(100), func(_ context.Context, i int) bool { done.Add(1); return i != 1 })
	if n := done.Load(); !errors.Is(err, ErrAway) || n < 5 || n > 6 { // one may be on its way
		t.Errorf("%d were tried: %v", n, err)
	}
}

// TestOutputs: no two files have one output, and one file may have its own again.
func TestOutputs(t *testing.T) {
	job := func(input, to string) document.Document {
		return document.Document{Job: &mediaconvert.CreateJobInput{Settings: &types.JobSettings{
			Inputs: []types.Input{{FileInput: aws.String(input)}},
			OutputGroups: []types.OutputGroup{{
				OutputGroupSettings: &types.OutputGroupSettings{Type: types.OutputGroupTypeFileGroupSettings, FileGroupSettings: &types.FileGroupSettings{Destination: aws.String(to)}},
				Outputs:             []types.Output{{Extension: aws.String("mp4")}},
			}},
		}}}
	}
	o := NewOutputs()
	for _, c := range []struct {
		input, to string
		refused   bool
	}{
		{"s3://a/x.mov", "s3://out/", false},
		{"s3://a/x.mov", "s3://out/", false},
		{"s3://a/y.mov", "s3://out/", false},
		{"s3://a/b/x.mov", "s3://out/", true},
		{"s3://a/b/x.mov", "s3://out/b/", false},
		{"s3://a/x.mxf", "s3://out/x", true},
	} {
		err := o.Take(job(c.input, c.to))
		if errors.As(err, new(Taken)) != c.refused || (err != nil) != c.refused {
			t.Errorf("%s to %s: %v", c.input, c.to, err)
		}
	}
}

// TestPlaced: what stands for the place of a file.
func TestPlaced(t *testing.T) {
	for key, want := range map[string]string{
		"film.mov":      "s3://d/film/film.mov",
		"a/b/film.x.y":  "s3://d/a/b/film.x/film.x.y",
		"a/noextension": "s3://d/a/noextension/noextension",
	} {
		if got := Placed("s3://d/{dir}/{name}/{file}", "s3://in/p/", "s3://in/p/"+key); got != want {
			t.Errorf("%s: %s, not %s", key, got, want)
		}
	}
}
